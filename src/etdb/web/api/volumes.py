"""The API of the viewer: which files of a dataset are volumes, and slices of them."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import PurePosixPath
from typing import Any, Final, Literal, get_args

from msgspec import Struct
from starlette.requests import Request

from etdb.catalogue import DatasetView
from etdb.em.contrast import Levels
from etdb.errors import EtdbError, InputError, NotFoundError
from etdb.ipfs import Cid, parse_cid
from etdb.web.api.models import MODEL_OPERATIONS
from etdb.web.api.operations import DATASET_ID, Operation, Parameter, Reply, asked_whole
from etdb.web.neuroglancer import CLIENT, has_neuroglancer
from etdb.web.portal import Portal
from etdb.web.shown import file_url
from etdb.web.volumes import SliceRequest, Volume, cut_slice
from etdb.web.volumes.encoding import MEDIA_TYPES, encode_picture
from etdb.web.volumes.mapped import MappedVolume
from etdb.web.volumes.slicing import MAX_BINNING, MAX_THICKNESS
from etdb.web.wanted import BusyError

__all__ = ["VOLUME_OPERATIONS", "VolumeDocument", "dataset_volumes", "is_volume"]

MAX_VOLUMES: Final = 32
MAX_INDEX: Final = 999_999_999
MAX_SLICES: Final = 8
"""Slices that are cut at the same time; who comes then waits."""
_WAIT_S: Final = 20
_SUFFIXES: Final = (".mrc", ".rec", ".st", ".ali", ".map", ".mrcs", ".preali")
_PACKED: Final = (".gz", ".bz2")
_ZARR_GROUPS: Final = frozenset({"zarr.json", ".zattrs"})
_FIRST: Final = ("reconstruction", "subvolume", "segmentation", "preview", "aligned_tilt_series", "tilt_series")
"""What is looked at first."""
_Axis = Literal["x", "y", "z"]
_Projection = Literal["mean", "max"]
_cutting = threading.BoundedSemaphore(MAX_SLICES)


class VolumeDocument(Struct, frozen=True, kw_only=True):
    """A volume of a dataset. One that cannot be looked at here has a ``reason``, and nothing else that counts.

    ``kind`` is "mrc" or "ome-zarr". ``shape`` is (z, y, x); ``voxel_spacing_angstrom`` is (x, y, z).
    ``tilt_angles_deg`` has an angle for each section of a tilt series. ``black`` and ``white`` are the contrast that
    suits it. ``finest_binning`` is the least binning of a slice along x, y and z. ``data_offset`` and ``plane_bytes``
    say where a section lies in the file, for those who check; 0 for an OME-Zarr. ``zarr_url`` is a folder of OME-Zarr
    to be read by others (empty where the file is not on this machine), ``neuroglancer_url`` where Neuroglancer is on
    this portal, if it is.
    """

    path: str
    cid: str = ""
    role: str
    kind: str = "mrc"
    reason: str = ""
    shape: tuple[int, int, int] = (0, 0, 0)
    data_type: str = ""
    voxel_spacing_angstrom: tuple[float, float, float] | None = None
    tilt_angles_deg: tuple[float, ...] = ()
    black: float = 0.0
    white: float = 0.0
    finest_binning: tuple[int, int, int] = (1, 1, 1)
    data_offset: int = 0
    plane_bytes: int = 0
    byte_order: str = "little"
    slice_url: str = ""
    file_url: str = ""
    zarr_url: str = ""
    neuroglancer_url: str = ""


def is_volume(path: str) -> bool:
    """Whether a file of this name may be a volume, or stands for one that is a folder."""
    return bool(_volume_path(path))


def _volume_path(path: str) -> str:
    """The file or folder that is the volume; "" when there is none."""
    pure = PurePosixPath(path)
    if pure.name in _ZARR_GROUPS:
        return str(pure.parent) if pure.parent.name.lower().endswith(".zarr") else ""
    name = path.lower()
    for packed in _PACKED:
        name = name.removesuffix(packed)
    return path if name.endswith(_SUFFIXES) else ""


def dataset_volumes(view: DatasetView, portal: Portal) -> Iterator[VolumeDocument]:
    """The volumes of a dataset, what is looked at first in front, those that cannot be shown here at the end."""
    roles: dict[str, str] = {}
    for entry in view.tomogram.files:
        if (path := _volume_path(entry.path)) and (path not in roles or entry.path.endswith("zarr.json")):
            roles[path] = entry.role
    ordered = sorted(roles, key=lambda path: _FIRST.index(roles[path]) if roles[path] in _FIRST else len(_FIRST))
    found = [_one(view, portal, path, roles[path]) for path in ordered[:MAX_VOLUMES]]
    yield from (one for one in found if not one.reason)
    yield from (one for one in found if one.reason)


def _one(view: DatasetView, portal: Portal, path: str, role: str) -> VolumeDocument:
    location = view.tomogram.location
    url = file_url(location, path)
    if path.lower().endswith(_PACKED):
        reason = "it is packed; slices can be cut from unpacked files only"
        return VolumeDocument(path=path, role=role, reason=reason, file_url=url)
    try:
        volume = portal.volumes.volume(portal.reader.resolve(parse_cid(location), path)[-1])
    except (InputError, NotFoundError) as error:
        away = isinstance(error, NotFoundError)
        reason = "it is not on this machine; it can be downloaded" if away else error.message
        return VolumeDocument(path=path, role=role, reason=reason, file_url=url)
    except BusyError:
        raise  # for now only: such a list must not be kept
    except EtdbError:
        return VolumeDocument(path=path, role=role, reason="it cannot be read here now", file_url=url)
    return _document(volume, path, role, url)


def _document(volume: Volume, path: str, role: str, url: str) -> VolumeDocument:
    facts = volume.facts
    zarr_url = f"/ipfs/{volume.cid}/" if facts.kind == "ome-zarr" else ""
    if isinstance(volume, MappedVolume):
        zarr_url = f"/zarr/{volume.cid}/"
    return VolumeDocument(
        path=path,
        cid=str(volume.cid),
        role=role,
        kind=facts.kind,
        shape=facts.shape,
        data_type=facts.data_type,
        voxel_spacing_angstrom=facts.voxel_spacing_angstrom,
        tilt_angles_deg=facts.tilt_angles_deg,
        black=facts.levels.black,
        white=facts.levels.white,
        finest_binning=facts.finest_binning,
        data_offset=facts.data_offset,
        plane_bytes=facts.plane_bytes,
        byte_order=facts.byte_order,
        slice_url=f"/api/v1/volumes/{volume.cid}/slice",
        file_url=url,
        zarr_url=zarr_url,
        neuroglancer_url=CLIENT if zarr_url and has_neuroglancer() else "",
    )


def _volumes(request: Request, portal: Portal) -> Reply:
    view = portal.get(request.path_params["dataset_id"])
    return Reply(document=list(dataset_volumes(view, portal)))


def _slice(request: Request, portal: Portal) -> Reply:
    asked = request.query_params
    volume = portal.volumes.volume(_cid(request.path_params["cid"]))
    levels = None
    if "black" in asked or "white" in asked:
        black, white = _number(asked.get("black", "")), _number(asked.get("white", ""))
        levels = Levels(black, white)
    wanted = SliceRequest(
        axis=_choice(asked.get("axis", "z"), get_args(_Axis), "axis"),
        index=asked_whole(request, "index", 0, 0, MAX_INDEX),
        thickness=asked_whole(request, "thickness", 1, 1, MAX_THICKNESS),
        projection=_choice(asked.get("projection", "mean"), get_args(_Projection), "projection"),
        binning=asked_whole(request, "binning", 1, 1, MAX_BINNING),
        levels=levels,
    )
    form = asked.get("format", "jpeg")
    if form not in MEDIA_TYPES:
        raise InputError(f"there is no picture as {form[:40]!r}", hint="formats: " + ", ".join(MEDIA_TYPES))
    with _turn():
        body = encode_picture(cut_slice(volume, wanted), form)
    return Reply(body=body, media_type=MEDIA_TYPES[form], is_immutable=True)


@contextmanager
def _turn() -> Iterator[None]:
    """So many slices at a time: what each takes of the memory is bounded, so all of them are."""
    if not _cutting.acquire(timeout=_WAIT_S):
        raise BusyError("too many slices are being cut", hint="try again in some seconds")
    try:
        yield
    finally:
        _cutting.release()


def _cid(text: str) -> Cid:
    try:
        return parse_cid(text)
    except EtdbError as error:
        raise NotFoundError(error.message) from error


def _choice(value: str, known: tuple[Any, ...], name: str) -> Any:
    if value not in known:
        raise InputError(f"{name} is one of {', '.join(known)}, not {value[:40]!r}")
    return value


def _number(value: str) -> float:
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise InputError("black and white are two numbers, given together")
    return number


VOLUME_OPERATIONS: Final = (
    *MODEL_OPERATIONS,
    Operation(
        name="list_volumes",
        path="/datasets/{dataset_id}/volumes",
        summary="The volumes of a dataset that can be looked at here",
        answer=_volumes,
        gives=list[VolumeDocument],
        parameters=(DATASET_ID,),
        tag="volumes",
    ),
    Operation(
        name="get_slice",
        path="/volumes/{cid}/slice",
        summary="A slice of a volume as a picture",
        answer=_slice,
        gives="image/jpeg",
        also_gives=tuple(one for one in MEDIA_TYPES.values() if one != "image/jpeg"),
        parameters=(
            Parameter(name="cid", place="path", description="The CID of the file."),
            Parameter(name="axis", description="What the slice stands upright on.", schema={"enum": ["x", "y", "z"]}),
            Parameter(
                name="index",
                description="The middle slice, from 0.",
                schema={"type": "integer", "minimum": 0, "maximum": MAX_INDEX},
            ),
            Parameter(
                name="thickness",
                description="Slices put together.",
                schema={"type": "integer", "minimum": 1, "maximum": MAX_THICKNESS},
            ),
            Parameter(name="projection", description="How they are put together.", schema={"enum": ["mean", "max"]}),
            Parameter(
                name="binning",
                description="Pixels of a side made one.",
                schema={"type": "integer", "minimum": 1, "maximum": MAX_BINNING},
            ),
            Parameter(name="black", description="The value that is black.", schema={"type": "number"}),
            Parameter(name="white", description="The value that is white.", schema={"type": "number"}),
            Parameter(name="format", description="The picture's form.", schema={"enum": [*MEDIA_TYPES]}),
        ),
        tag="volumes",
        depends_on_state=False,
    ),
)
