"""What the suffix of a file tells: its form, and its media type."""

from __future__ import annotations

from pathlib import PurePosixPath

from etdb.em import unpacked_name

__all__ = [
    "ANNOTATION_SUFFIXES",
    "CTF_SUFFIXES",
    "FRAME_SUFFIXES",
    "IMAGES",
    "LOG_SUFFIXES",
    "MODEL_SUFFIXES",
    "MOVIES",
    "MRC_SUFFIXES",
    "NOTE_SUFFIXES",
    "TILT_SUFFIXES",
    "TRANSFORM_SUFFIXES",
    "ZARR_NAMES",
    "form_of",
    "guess_media_type",
]

MRC_SUFFIXES = frozenset({".mrc", ".st", ".ali", ".preali", ".rec", ".mrcs", ".map", ".ccp4"})
FRAME_SUFFIXES = frozenset({".tif", ".tiff", ".eer"})
TILT_SUFFIXES = frozenset({".rawtlt", ".tlt", ".xtilt"})
TRANSFORM_SUFFIXES = frozenset({".xf", ".prexf", ".xg", ".prexg", ".tltxf"})
CTF_SUFFIXES = frozenset({".defocus"})
ANNOTATION_SUFFIXES = frozenset({".ndjson"})
MODEL_SUFFIXES = frozenset({".mod", ".fid"})
LOG_SUFFIXES = frozenset({".txt", ".log"})
NOTE_SUFFIXES = frozenset({".txt", ".log", ".md", ".rst", ".pdf"})
ZARR_NAMES = frozenset({".zattrs", ".zarray", ".zgroup", ".zmetadata", "zarr.json"})
IMAGES = {
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".png": "image/png",
    ".gif": "image/gif",
    ".webp": "image/webp",
    ".bmp": "image/bmp",
}
MOVIES = {
    ".mp4": "video/mp4",
    ".m4v": "video/mp4",
    ".mov": "video/quicktime",
    ".webm": "video/webm",
    ".avi": "video/x-msvideo",
    ".flv": "video/x-flv",
    ".mkv": "video/x-matroska",
    ".mpg": "video/mpeg",
}
MEDIA_TYPES = {
    **IMAGES,
    **MOVIES,
    **dict.fromkeys(MRC_SUFFIXES, "application/x-mrc"),
    ".tif": "image/tiff",
    ".tiff": "image/tiff",
    ".csv": "text/csv",
    ".json": "application/json",
    ".ndjson": "application/x-ndjson",
    ".pdf": "application/pdf",
    ".xml": "application/xml",
    ".md": "text/markdown",
    ".gz": "application/gzip",
    ".bz2": "application/x-bzip2",
    ".zip": "application/zip",
    ".h5": "application/x-hdf5",
    ".hdf": "application/x-hdf5",
    **dict.fromkeys((".mdoc", ".txt", ".log", ".com", ".star", ".adoc"), "text/plain"),
    **dict.fromkeys(TILT_SUFFIXES | TRANSFORM_SUFFIXES | CTF_SUFFIXES, "text/plain"),
}
UNKNOWN_MEDIA_TYPE = "application/octet-stream"


def guess_media_type(path: str) -> str:
    """The media type that the extension tells, `application/octet-stream` when it does not."""
    return MEDIA_TYPES.get(PurePosixPath(path).suffix.lower(), UNKNOWN_MEDIA_TYPE)


def form_of(path: str) -> str:
    """The suffix that tells what a file is, in small letters; `.gz` and `.bz2` around it do not."""
    return PurePosixPath(unpacked_name(path)).suffix.lower()
