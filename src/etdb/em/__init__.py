"""Formats of electron microscopy: a first look at MRC headers, mdoc files and tilt angles. Pure."""

from etdb.em.mdoc import MAX_MDOC_BYTES, MdocLook, parse_mdoc
from etdb.em.mrc import FEI1_HEADER_BYTES, MRC_HEADER_BYTES, FeiLook, MrcLook, parse_mrc_header
from etdb.em.tilts import MAX_TILTS, TiltRange, parse_tilt_file, tilt_range

__all__ = [
    "FEI1_HEADER_BYTES",
    "MAX_MDOC_BYTES",
    "MAX_TILTS",
    "MRC_HEADER_BYTES",
    "FeiLook",
    "MdocLook",
    "MrcLook",
    "TiltRange",
    "parse_mdoc",
    "parse_mrc_header",
    "parse_tilt_file",
    "tilt_range",
]
