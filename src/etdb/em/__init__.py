"""Formats of electron microscopy: a first look at each kind of file that a dataset holds. Pure."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from etdb.em.acquisition import MAX_LOG_BYTES, AcquisitionLog, parse_acquisition_log
from etdb.em.annotations import PointAnnotations, read_annotations
from etdb.em.ctf import MAX_CTF_FILE_BYTES, CtfEstimates, CtfSection, is_ctffind, parse_ctffind, parse_defocus
from etdb.em.frames import FrameStack, read_frames
from etdb.em.mdoc import MAX_MDOC_BYTES, MdocLook, MdocSection, parse_mdoc
from etdb.em.model import ImodContour, ImodModel, ImodObject, read_model, walk_model
from etdb.em.movies import Movie, read_movie
from etdb.em.mrc import FEI1_HEADER_BYTES, MRC_HEADER_BYTES, FeiLook, MrcLook, parse_mrc_header, read_mrc
from etdb.em.notes import MAX_NOTE_BYTES, Note, read_note
from etdb.em.omezarr import ZarrLevel, ZarrVolume, level_paths, parse_ome_zarr
from etdb.em.packed import PackedFile, Packing, packing_of, unpacked_name
from etdb.em.pictures import Picture, read_picture
from etdb.em.sections import ExtendedForm, InstrumentFacts, SectionFacts
from etdb.em.tilts import (
    MAX_TILT_FILE_BYTES,
    MAX_TILTS,
    TiltAngles,
    TiltRange,
    parse_tilt_angles,
    parse_tilt_file,
    tilt_range,
)
from etdb.em.transforms import MAX_TRANSFORM_FILE_BYTES, Transform, Transforms, parse_transforms

if TYPE_CHECKING:
    from etdb.em.contrast import Levels, robust_levels, spread_indices, to_grey
    from etdb.em.planes import PlaneLayout, decode_plane, decode_planes, plane_layout

# These need numpy, which takes longer to load than most commands take: they are loaded when they are asked for.
_WITH_NUMPY = {
    **dict.fromkeys(("Levels", "robust_levels", "spread_indices", "to_grey"), "etdb.em.contrast"),
    **dict.fromkeys(("PlaneLayout", "decode_plane", "decode_planes", "plane_layout"), "etdb.em.planes"),
}


def __getattr__(name: str) -> Any:
    if name in _WITH_NUMPY:
        return getattr(importlib.import_module(_WITH_NUMPY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


Look = (
    MrcLook
    | MdocLook
    | TiltAngles
    | Transforms
    | ImodModel
    | AcquisitionLog
    | FrameStack
    | Picture
    | Movie
    | ZarrVolume
    | CtfEstimates
    | PointAnnotations
    | Note
)
"""What a first look at a file can give."""

__all__ = [
    "FEI1_HEADER_BYTES",
    "MAX_CTF_FILE_BYTES",
    "MAX_LOG_BYTES",
    "MAX_MDOC_BYTES",
    "MAX_NOTE_BYTES",
    "MAX_TILTS",
    "MAX_TILT_FILE_BYTES",
    "MAX_TRANSFORM_FILE_BYTES",
    "MRC_HEADER_BYTES",
    "AcquisitionLog",
    "CtfEstimates",
    "CtfSection",
    "ExtendedForm",
    "FeiLook",
    "FrameStack",
    "ImodContour",
    "ImodModel",
    "ImodObject",
    "InstrumentFacts",
    "Levels",
    "Look",
    "MdocLook",
    "MdocSection",
    "Movie",
    "MrcLook",
    "Note",
    "PackedFile",
    "Packing",
    "Picture",
    "PlaneLayout",
    "PointAnnotations",
    "SectionFacts",
    "TiltAngles",
    "TiltRange",
    "Transform",
    "Transforms",
    "ZarrLevel",
    "ZarrVolume",
    "decode_plane",
    "decode_planes",
    "is_ctffind",
    "level_paths",
    "packing_of",
    "parse_acquisition_log",
    "parse_ctffind",
    "parse_defocus",
    "parse_mdoc",
    "parse_mrc_header",
    "parse_ome_zarr",
    "parse_tilt_angles",
    "parse_tilt_file",
    "parse_transforms",
    "plane_layout",
    "read_annotations",
    "read_frames",
    "read_model",
    "read_movie",
    "read_mrc",
    "read_note",
    "read_picture",
    "robust_levels",
    "spread_indices",
    "tilt_range",
    "to_grey",
    "unpacked_name",
    "walk_model",
]
