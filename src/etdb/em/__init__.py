"""Formats of electron microscopy: a first look at MRC headers, mdoc files and tilt angles; planes as arrays. Pure."""

from etdb.em.contrast import Levels, robust_levels, spread_indices, to_grey
from etdb.em.mdoc import MAX_MDOC_BYTES, MdocLook, parse_mdoc
from etdb.em.mrc import FEI1_HEADER_BYTES, MRC_HEADER_BYTES, FeiLook, MrcLook, parse_mrc_header
from etdb.em.planes import PlaneLayout, decode_plane, decode_planes, plane_layout
from etdb.em.tilts import MAX_TILTS, TiltRange, parse_tilt_file, tilt_range

__all__ = [
    "FEI1_HEADER_BYTES",
    "MAX_MDOC_BYTES",
    "MAX_TILTS",
    "MRC_HEADER_BYTES",
    "FeiLook",
    "Levels",
    "MdocLook",
    "MrcLook",
    "PlaneLayout",
    "TiltRange",
    "decode_plane",
    "decode_planes",
    "parse_mdoc",
    "parse_mrc_header",
    "parse_tilt_file",
    "plane_layout",
    "robust_levels",
    "spread_indices",
    "tilt_range",
    "to_grey",
]
