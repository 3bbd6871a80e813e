"""The API of annotations: which files of a dataset are IMOD models, and what is drawn in them."""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import Struct
from starlette.requests import Request

from etdb.errors import EtdbError, InputError, NotFoundError
from etdb.ipfs import parse_cid
from etdb.web.api.operations import Operation, Parameter, Reply
from etdb.web.portal import Portal
from etdb.web.shown import file_url
from etdb.web.volumes.models import ModelDrawing

__all__ = ["MODEL_OPERATIONS", "ModelDocument"]

MAX_MODELS: Final = 32
_SUFFIXES: Final = (".mod", ".fid", ".seed")


class ModelDocument(Struct, frozen=True, kw_only=True):
    """A model of a dataset, without its points. One that cannot be drawn here has a ``reason`` and no ``model``."""

    path: str
    cid: str = ""
    reason: str = ""
    model: ModelDrawing | None = None
    model_url: str = ""
    file_url: str


def _models(request: Request, portal: Portal) -> Reply:
    view = portal.get(request.path_params["dataset_id"])
    paths = [one.path for one in view.tomogram.files if one.path.lower().endswith(_SUFFIXES)]
    return Reply(document=[_one(portal, view.tomogram.location, path) for path in paths[:MAX_MODELS]])


def _one(portal: Portal, location: str, path: str) -> ModelDocument:
    url = file_url(location, path)
    try:
        cid = portal.reader.resolve(parse_cid(location), path)[-1]
        model = portal.models.look(cid)
    except NotFoundError:
        return ModelDocument(path=path, reason="it is not on this machine; it can be downloaded", file_url=url)
    except InputError as error:
        return ModelDocument(path=path, reason=error.message, file_url=url)
    except EtdbError:
        return ModelDocument(path=path, reason="it cannot be read here now", file_url=url)
    return ModelDocument(path=path, cid=str(cid), model=model, model_url=f"/api/v1/models/{cid}", file_url=url)


def _model(request: Request, portal: Portal) -> Reply:
    try:
        cid = parse_cid(request.path_params["cid"])
    except EtdbError as error:
        raise NotFoundError(error.message) from error
    body = msgspec.json.encode(portal.models.drawing(cid))
    return Reply(body=body, is_immutable=True)


MODEL_OPERATIONS: Final = (
    Operation(
        name="list_models",
        path="/datasets/{dataset_id}/models",
        summary="The IMOD models of a dataset: what is annotated, in which colours, how much",
        answer=_models,
        gives=list[ModelDocument],
        parameters=(
            Parameter(
                name="dataset_id",
                place="path",
                description="The dataset's id, or any beginning of it that no other shares.",
                schema={"type": "string", "pattern": "^[0-9a-f]{1,64}$"},
            ),
        ),
        tag="volumes",
    ),
    Operation(
        name="get_model",
        path="/models/{cid}",
        summary="An IMOD model with its contours and points, in pixels of the image it was drawn on",
        answer=_model,
        gives=ModelDrawing,
        parameters=(Parameter(name="cid", place="path", description="The CID of the model's file."),),
        tag="volumes",
        depends_on_state=False,
    ),
)
