"""The API of the viewer: which files of a dataset are volumes, and slices of them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Final, Literal, get_args

from msgspec import Struct
from starlette.requests import Request

from etdb.catalogue import DatasetView
from etdb.em.contrast import Levels
from etdb.errors import EtdbError, InputError, NotFoundError
from etdb.ipfs import Cid, parse_cid
from etdb.web.api.operations import DATASET_ID, Operation, Parameter, Reply, asked_whole
from etdb.web.portal import Portal
from etdb.web.shown import file_url
from etdb.web.volumes import SliceRequest, Volume, cut_slice
from etdb.web.volumes.encoding import MEDIA_TYPES, encode_picture
from etdb.web.volumes.slicing import MAX_BINNING, MAX_THICKNESS

__all__ = ["VOLUME_OPERATIONS", "VolumeDocument", "dataset_volumes", "is_volume"]

MAX_VOLUMES: Final = 64
MAX_INDEX: Final = 999_999_999
_SUFFIXES: Final = (".mrc", ".rec", ".st", ".ali", ".map", ".mrcs", ".preali")
_FIRST: Final = ("reconstruction", "subvolume", "segmentation", "aligned_tilt_series", "tilt_series")
"""What is looked at first."""
_Axis = Literal["x", "y", "z"]
_Projection = Literal["mean", "max"]


class VolumeDocument(Struct, frozen=True, kw_only=True):
    """A volume that can be looked at here.

    ``shape`` is (z, y, x); ``voxel_spacing_angstrom`` is (x, y, z). ``tilt_angles_deg`` has an angle for each section
    of a tilt series. ``black`` and ``white`` are the contrast that suits it. ``data_offset`` and ``plane_bytes`` say
    where a section lies in the file, for those who check.
    """

    path: str
    cid: str
    role: str
    shape: tuple[int, int, int]
    data_type: str
    voxel_spacing_angstrom: tuple[float, float, float] | None
    tilt_angles_deg: tuple[float, ...]
    black: float
    white: float
    data_offset: int
    plane_bytes: int
    byte_order: str
    slice_url: str
    file_url: str


def is_volume(path: str) -> bool:
    """Whether a file of this name may be a volume that is shown."""
    return path.lower().endswith(_SUFFIXES)


def dataset_volumes(view: DatasetView, portal: Portal) -> Iterator[VolumeDocument]:
    """The volumes of a dataset that are on this machine, what is looked at first in front."""
    entries = [one for one in view.tomogram.files if is_volume(one.path)]
    entries.sort(key=lambda one: _FIRST.index(one.role) if one.role in _FIRST else len(_FIRST))
    root = parse_cid(view.tomogram.location)
    for entry in entries[:MAX_VOLUMES]:
        try:
            cid = portal.reader.resolve(root, entry.path)[-1]
            volume = portal.volumes.volume(cid)
        except EtdbError:
            continue  # not here, or none that is shown
        yield _document(volume, entry.path, entry.role, view.tomogram.location)


def _document(volume: Volume, path: str, role: str, location: str) -> VolumeDocument:
    tilts = tuple(one.tilt_deg for one in volume.look.per_section if one.tilt_deg is not None)
    return VolumeDocument(
        path=path,
        cid=str(volume.cid),
        role=role,
        shape=volume.shape,
        data_type=volume.look.data_type,
        voxel_spacing_angstrom=volume.look.voxel_spacing_angstrom,
        tilt_angles_deg=tilts if len(tilts) == volume.look.sections else (),
        black=volume.levels.black,
        white=volume.levels.white,
        data_offset=volume.layout.data_offset,
        plane_bytes=volume.layout.plane_bytes,
        byte_order=volume.layout.byte_order,
        slice_url=f"/api/v1/volumes/{volume.cid}/slice",
        file_url=file_url(location, path),
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
    return Reply(body=encode_picture(cut_slice(volume, wanted), form), media_type=MEDIA_TYPES[form], is_immutable=True)


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
