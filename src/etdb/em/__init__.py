"""Formats of electron microscopy: a first look at each kind of file that a dataset holds. Pure."""

from etdb.em.acquisition import AcquisitionLog
from etdb.em.frames import FrameStack
from etdb.em.mdoc import MAX_MDOC_BYTES, MdocLook, MdocSection, parse_mdoc
from etdb.em.model import ImodModel, ImodObject
from etdb.em.movies import Movie
from etdb.em.mrc import FEI1_HEADER_BYTES, MRC_HEADER_BYTES, FeiLook, MrcLook, parse_mrc_header
from etdb.em.notes import Note
from etdb.em.omezarr import ZarrLevel, ZarrVolume
from etdb.em.pictures import Picture
from etdb.em.planes import PlaneLayout, decode_plane, decode_planes, plane_layout
from etdb.em.sections import ExtendedForm, InstrumentFacts, SectionFacts
from etdb.em.tilts import MAX_TILTS, TiltAngles, TiltRange, parse_tilt_file, tilt_range
from etdb.em.transforms import Transform, Transforms

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
    | Note
)
"""What a first look at a file can give."""

__all__ = [
    "FEI1_HEADER_BYTES",
    "MAX_MDOC_BYTES",
    "MAX_TILTS",
    "MRC_HEADER_BYTES",
    "AcquisitionLog",
    "ExtendedForm",
    "FeiLook",
    "FrameStack",
    "ImodModel",
    "ImodObject",
    "InstrumentFacts",
    "Look",
    "MdocLook",
    "MdocSection",
    "Movie",
    "MrcLook",
    "Note",
    "Picture",
    "PlaneLayout",
    "SectionFacts",
    "TiltAngles",
    "TiltRange",
    "Transform",
    "Transforms",
    "ZarrLevel",
    "ZarrVolume",
    "decode_plane",
    "decode_planes",
    "parse_mdoc",
    "parse_mrc_header",
    "parse_tilt_file",
    "plane_layout",
    "tilt_range",
]
