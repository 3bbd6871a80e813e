"""What a file is, guessed from its name, its neighbours and its header; `dataset.toml` overrules the guess.

| what | role |
| --- | --- |
| `.st`, `.ali`, `.mrcs` | tilt_series |
| `.rec`, `.map`, `.ccp4` | reconstruction |
| `.mrc`, `.tif`, `.tiff` | by the words in the path, then the neighbours, then the header (below) |
| `.jpg`, `.jpeg`, `.png`, `.gif`, `.webp`, `.bmp` | thumbnail, key_image or snapshot, by the words |
| `.mp4`, `.m4v`, `.mov`, `.webm`, `.avi`, `.flv`, `.mkv`, `.mpg` | key_movie or preview, by the words |
| `.mdoc`, `.rawtlt`, `.tlt`, `.xf`, `.com`, `.log`, `.txt`, `.csv`, `.json`, `.xml`, `.star`, ... | metadata |
| everything else | other |

For `.mrc` and `.tif`: a word such as `subtomo` or `average` means subvolume; `rec`, `tomo`, `volume` or `sirt` mean
reconstruction; `tilt`, `tiltseries`, `stack` or `rawdata` mean tilt_series. Without such a word an `.mdoc`, `.rawtlt`
or `.tlt` of the same name, or tilt angles in an extended header, mean tilt_series. Then the space group of an MRC2014
header decides: 0 is a stack of images, 1 a volume. A `.tif` of which nothing is known is a snapshot.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import PurePosixPath

from etdb.em import MrcLook
from etdb.oip.tomogram import FILE_ROLES

__all__ = ["MRC_SUFFIXES", "ROLES", "guess_media_type", "guess_role"]

ROLES = FILE_ROLES

MRC_SUFFIXES = frozenset({".mrc", ".st", ".ali", ".rec", ".mrcs", ".map", ".ccp4"})
PLAIN_ROLES = {
    "tilt_series": (".st", ".ali", ".mrcs"),
    "reconstruction": (".rec", ".map", ".ccp4"),
    "metadata": (
        *(".mdoc", ".rawtlt", ".tlt", ".xf", ".tltxf", ".prexf", ".prexg", ".xtilt", ".com", ".adoc", ".edf", ".log"),
        *(".txt", ".md", ".rst", ".pdf", ".csv", ".tsv", ".json", ".xml", ".star", ".yaml", ".yml", ".toml", ".ini"),
    ),
}
ROLE_OF_SUFFIX = {suffix: role for role, suffixes in PLAIN_ROLES.items() for suffix in suffixes}
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
    ".pdf": "application/pdf",
    ".xml": "application/xml",
    ".md": "text/markdown",
    ".gz": "application/gzip",
    ".zip": "application/zip",
    ".h5": "application/x-hdf5",
    ".hdf": "application/x-hdf5",
    **dict.fromkeys((".mdoc", ".rawtlt", ".tlt", ".txt", ".log", ".com", ".xf", ".star", ".adoc"), "text/plain"),
}
UNKNOWN_MEDIA_TYPE = "application/octet-stream"

WORD = re.compile(r"[a-z]+")
SUBVOLUME_WORDS = frozenset({"subvolume", "subvol", "subtomo", "subtomogram", "subtomograms", "average", "avg"})
VOLUME_WORDS = frozenset(
    {"rec", "recon", "reconstruction", "tomo", "tomogram", "volume", "vol", "sirt", "wbp", "dimage", "denoised", "full"}
)
SERIES_WORDS = frozenset({"tilt", "tilts", "tiltseries", "stack", "rawdata", "aligned", "ali", "projections"})
SIDECARS = (".mdoc", ".rawtlt", ".tlt")


def guess_media_type(path: str) -> str:
    """The media type that the extension tells, `application/octet-stream` when it does not."""
    return MEDIA_TYPES.get(PurePosixPath(path).suffix.lower(), UNKNOWN_MEDIA_TYPE)


def guess_role(path: str, neighbours: Collection[str] = (), header: MrcLook | None = None) -> str:
    """The role of a file in its dataset, by the table above.

    Args:
        path: relative, with '/'.
        neighbours: the paths of all files of the dataset.
        header: its MRC header, where it has one.
    """
    pure = PurePosixPath(path)
    suffix = pure.suffix.lower()
    words = set(WORD.findall(path.lower().removesuffix(suffix)))
    if suffix in IMAGES:
        stem = pure.stem.lower()
        if words & {"thumb", "thumbnail"} or (stem.startswith("keyimg") and stem.endswith("_s")):
            return "thumbnail"
        return "key_image" if words & {"keyimg", "keyimage", "key"} else "snapshot"
    if suffix in MOVIES:
        return "key_movie" if words & {"keymov", "keymovie", "key"} else "preview"
    if suffix in ROLE_OF_SUFFIX:
        return ROLE_OF_SUFFIX[suffix]
    if suffix not in {".mrc", ".tif", ".tiff"}:
        return "other"
    if words & SUBVOLUME_WORDS:
        return "subvolume"
    if words & VOLUME_WORDS:
        return "reconstruction"
    bases = (path, path[: len(path) - len(pure.suffix)])
    has_sidecar = any(base + sidecar in neighbours for base in bases for sidecar in SIDECARS)
    if words & SERIES_WORDS or has_sidecar or (header is not None and header.fei is not None):
        return "tilt_series"
    if suffix != ".mrc":
        return "snapshot"
    if header is None or header.sections < 2 or not header.is_mrc2014:
        return "other"
    return "tilt_series" if header.space_group == 0 else "reconstruction"
