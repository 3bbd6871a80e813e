"""What a file is in its dataset, guessed from its name, its header and its neighbours; `dataset.toml` overrules it.

| what | role |
| --- | --- |
| `.st`, `.mrcs` | tilt_series |
| `.ali`, `.preali` | aligned_series |
| `.rec`, `.map`, `.ccp4` | reconstruction, or by a word of the name segmentation or subvolume |
| `.mrc`, `.tif`, `.tiff` | by evidence (below) |
| `.eer`; what an mdoc names as the frames of its sections | frames |
| `.gain`; `.dm4`, `.mrc`, `.tif` with a word such as `gain` or `superref` | gain_reference |
| what lies in an OME-Zarr folder | reconstruction or segmentation |
| `.mod`, `.stl`, `.obj`, `.ply`, `.vtk`, `.vtp`, `.wrl`, `.surf`; points (`.ndjson`) | model |
| `.seg`, `.labels` | segmentation |
| `.rawtlt`, `.tlt`, `.xtilt`, `.xf`, `.xg`, `.prexf`, `.prexg`, `.tltxf`, `.fid`, `.aln` | alignment |
| `.jpg`, `.png`, `.gif`, `.webp`, `.bmp` | by a word thumbnail, key_image, light_micrograph or preview; else snapshot |
| `.mp4`, `.m4v`, `.mov`, `.webm`, `.avi`, `.flv`, `.mkv`, `.mpg` | by a word key_movie or preview; else movie |
| `.mdoc`, `.com`, `.csv`, `.json`, `.xml`, `.star`, ...; the log of an acquisition; CTF estimates | metadata |
| `.txt`, `.md`, `.rst`, `.pdf`, `.doc`, `.docx`, `.odt`, `.rtf` | notes |
| everything else | other |

For `.mrc` and `.tif` the evidence counts in this order: a clear word in the name, then in its folder, then in the
folder's folder (`rec`, `sirt`, `3dimage_7`: reconstruction; `rawdata`, `tilt`: tilt_series; `subtomo`, `average`:
subvolume; `ali`: aligned_series; `seg`, `mask`: segmentation; `frames`: frames); an `.mdoc`, `.rawtlt` or `.tlt` of the
same name, or tilt angles in the extended header; what programs write into the labels of a header; a word that is often
loosely used (`tomo`, `full`); as many sections as a file of tilt angles has angles; and the space group of an MRC2014
header: 0 is a stack of images, 1 a volume. Last the files are held against each other: a small cube beside a larger
volume is a subvolume, a binned copy of a raw series an aligned one.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from pathlib import PurePosixPath

from msgspec import Struct

from etdb.em import (
    AcquisitionLog,
    CtfEstimates,
    FrameStack,
    Look,
    MdocLook,
    MrcLook,
    PointAnnotations,
    TiltAngles,
    unpacked_name,
)
from etdb.oip.tomogram import FILE_ROLES
from etdb.sources.forms import IMAGES, MOVIES, TILT_SUFFIXES, TRANSFORM_SUFFIXES, form_of

__all__ = ["ROLES", "Seen", "guess_role", "guess_roles"]

ROLES = FILE_ROLES

PLAIN_ROLES = {
    "tilt_series": (".st", ".mrcs"),
    "aligned_series": (".ali", ".preali"),
    "reconstruction": (".rec", ".map", ".ccp4"),
    "frames": (".eer",),
    "gain_reference": (".gain",),
    "model": (".mod", ".stl", ".obj", ".ply", ".vtk", ".vtp", ".wrl", ".surf"),
    "segmentation": (".seg", ".labels"),
    "alignment": (*TILT_SUFFIXES, *TRANSFORM_SUFFIXES, ".fid", ".aln"),
    "metadata": (
        *(".mdoc", ".com", ".adoc", ".edf", ".log", ".nav", ".csv", ".tsv", ".json", ".xml", ".star", ".yaml", ".yml"),
        *(".toml", ".ini", ".defocus"),
    ),
    "notes": (".txt", ".md", ".rst", ".pdf", ".doc", ".docx", ".odt", ".rtf"),
}
ROLE_OF_SUFFIX = {suffix: role for role, suffixes in PLAIN_ROLES.items() for suffix in suffixes}
STACKS = frozenset({".mrc", ".tif", ".tiff"})
# Of these a word of the name can say more than the suffix.
RENAMED = frozenset({".rec", ".map", ".ccp4", ".mrcs"})

WORD = re.compile(r"[a-z]+")
CLEAR_WORDS = (
    ("gain_reference", frozenset({"gain", "gainref", "gainreference", "superref", "countref"})),
    ("segmentation", frozenset({"seg", "segm", "segmentation", "segmentations", "segmented", "label", "labels"})),
    ("segmentation", frozenset({"mask", "masks", "segmentationmask", "instancesegmentationmask"})),
    (
        "subvolume",
        frozenset(
            {"subvolume", "subvolumes", "subvol", "subtomo", "subtomos", "subtomogram", "subtomograms", "sta"}
            | {"average", "averages", "avg", "particle", "particles"}
        ),
    ),
    ("light_micrograph", frozenset({"fluorescence", "fluorescent", "fluo", "clem", "gfp", "mcherry", "dapi"})),
    ("light_micrograph", frozenset({"confocal", "lightmicroscopy", "lightmicrograph", "brightfield", "correlative"})),
    (
        "reconstruction",
        frozenset(
            {"rec", "recs", "recon", "reconstruction", "reconstructions", "reconstructed", "dimage", "tomograms"}
            | {"volume", "volumes", "sirt", "wbp", "denoised"}
        ),
    ),
    ("frames", frozenset({"frame", "frames", "subframes", "fractions"})),
    ("aligned_series", frozenset({"ali", "preali", "aligned", "prealigned"})),
    ("tilt_series", frozenset({"tilt", "tilts", "tiltseries", "stack", "stacks", "rawdata", "projections"})),
)
LOOSE_VOLUME_WORDS = frozenset({"tomo", "tomogram", "vol", "full"})
# Only in the name itself: a folder is often called after all that is in it.
PICTURE_WORDS = (
    ("thumbnail", frozenset({"thumb", "thumbnail"})),
    ("key_image", frozenset({"keyimg", "keyimage", "key"})),
    ("preview", frozenset({"preview"})),
)
SIDECARS = (".mdoc", ".rawtlt", ".tlt")
VOLUME_LABEL = re.compile(
    r"tomographic reconstruction|back.?projection|\bsirt\b|clip: 3d|trimvol|squeezevol", re.IGNORECASE
)
SERIES_LABEL = re.compile(r"tilt axis angle|serialem", re.IGNORECASE)
ALIGNED_LABEL = re.compile(r"newst\w*:.*transformed", re.IGNORECASE)
# A subvolume is this much smaller than the volume that it is cut from, in voxels.
SUBVOLUME_SHARE = 8
MIN_BINNING = 1.5


class Seen(Struct, frozen=True, kw_only=True):
    """A file as far as its role needs it: its path in the dataset and the look at it."""

    path: str
    look: Look | None = None


def guess_role(path: str, neighbours: Collection[str] = (), look: Look | None = None) -> str:
    """The role of a file, by the table above, as far as it can be told without looking at the others."""
    return guess_roles([Seen(path=path, look=look)], neighbours)[path]


def guess_roles(files: Iterable[Seen], neighbours: Collection[str] = (), zarr: Collection[str] = ()) -> dict[str, str]:
    """The role of each file of a dataset; exactly one each, whatever the files' order.

    Args:
        files: those that a role is wanted of.
        neighbours: paths beside them.
        zarr: the OME-Zarr folders, each with a '/' at its end.
    """
    seen = {file.path: file.look for file in files}
    evidence = _Evidence(seen, {*seen, *neighbours}, tuple(zarr))
    first = {path: evidence.role(path) for path in seen}
    beside = _Beside(seen, first)
    return {path: beside.refined(path, seen[path], role) for path, role in first.items()}


class _Evidence:
    """What all files of a dataset tell together."""

    def __init__(self, seen: dict[str, Look | None], paths: set[str], zarr: tuple[str, ...]) -> None:
        self.seen = seen
        self.paths = {path.lower() for path in paths}
        self.zarr = zarr
        mdocs = [look for look in seen.values() if isinstance(look, MdocLook)]
        frames = (one.sub_frame_path for look in mdocs for one in look.sections_facts)
        # Paths of the microscope's own computer, which runs Windows.
        self.frame_names = {re.split(r"[\\/]", path)[-1].lower() for path in frames if path}
        self.angle_counts = {len(look.angles_deg) for look in seen.values() if isinstance(look, TiltAngles)}

    def role(self, path: str) -> str:
        look = self.seen[path]
        form = form_of(path)
        name = PurePosixPath(unpacked_name(path))
        words = frozenset(WORD.findall(name.stem.lower()))
        folder = next((folder for folder in self.zarr if path.startswith(folder)), None)
        if folder is not None:
            is_labels = "/labels/" in path or _clear(PurePosixPath(folder).stem) == "segmentation"
            return "segmentation" if is_labels else "reconstruction"
        if form in IMAGES:
            return _picture(name, words)
        if form in MOVIES:
            found = "key_movie" if words & {"keymov", "keymovie", "key"} else "preview"
            return found if found == "key_movie" or "preview" in words else "movie"
        if isinstance(look, AcquisitionLog | CtfEstimates):
            return "metadata"
        if isinstance(look, PointAnnotations):
            return "model"
        if form in {".dm3", ".dm4"}:
            return "gain_reference" if _clear(name.stem) == "gain_reference" else "other"
        if form in STACKS:
            return self._stack(name, look)
        plain = ROLE_OF_SUFFIX.get(form, "other")
        told = _clear(name.stem) if form in RENAMED else ""
        return told if told in {"segmentation", "subvolume", "frames", "gain_reference"} else plain

    def _stack(self, name: PurePosixPath, look: Look | None) -> str:
        if name.name.lower() in self.frame_names:
            return "frames"
        for part in (name.stem, *reversed(name.parts[:-1])):
            if told := _clear(part):
                return told
        header = look if isinstance(look, MrcLook) else None
        sidecars = [f"{base}{suffix}" for base in (name, name.with_suffix("")) for suffix in SIDECARS]
        if any(sidecar.lower() in self.paths for sidecar in sidecars):
            beside = self.seen.get(f"{name}.mdoc")
            kinds = {s.kind for s in beside.sections_facts} if isinstance(beside, MdocLook) else set()
            return "frames" if kinds == {"FrameSet"} else "tilt_series"
        if header is not None and _has_tilts(header):
            return "tilt_series"
        labels = "\n".join(header.labels) if header is not None else ""
        for pattern, role in (
            (VOLUME_LABEL, "reconstruction"),
            (ALIGNED_LABEL, "aligned_series"),
            (SERIES_LABEL, "tilt_series"),
        ):
            if pattern.search(labels):
                return role
        if LOOSE_VOLUME_WORDS & set(WORD.findall(name.stem.lower())):
            return "reconstruction"
        if header is not None:
            return self._by_header(header)
        if isinstance(look, FrameStack) and look.frames > 1:
            return "reconstruction" if look.section_spacing_angstrom is not None else "other"
        return "snapshot" if name.suffix.lower() != ".mrc" else "other"

    def _by_header(self, header: MrcLook) -> str:
        if header.sections < 2:
            return "other"
        if header.space_group == 401:
            return "subvolume"
        if header.sections in self.angle_counts:
            return "tilt_series"
        if not header.is_mrc2014:
            return "other"
        return "tilt_series" if header.space_group == 0 else "reconstruction"


class _Beside:
    """What the largest of a dataset tell about files of which no word tells anything."""

    def __init__(self, seen: dict[str, Look | None], roles: dict[str, str]) -> None:
        self.largest_volume = 0
        self.raw_columns: dict[int, int] = {}  # by sections, of series with tilt angles
        for path, look in seen.items():
            if isinstance(look, MrcLook) and roles[path] == "reconstruction":
                self.largest_volume = max(self.largest_volume, _voxels(look))
            elif isinstance(look, MrcLook) and roles[path] == "tilt_series" and _has_tilts(look):
                self.raw_columns[look.sections] = max(self.raw_columns.get(look.sections, 0), look.columns)

    def refined(self, path: str, look: Look | None, role: str) -> str:
        name = PurePosixPath(unpacked_name(path))
        if not isinstance(look, MrcLook) or form_of(path) not in STACKS or any(map(_clear, (name.stem, *name.parts))):
            return role
        if role == "reconstruction" and look.columns == look.rows == look.sections:
            return "subvolume" if _voxels(look) * SUBVOLUME_SHARE <= self.largest_volume else role
        if role == "tilt_series" and not _has_tilts(look):
            is_binned = look.columns * MIN_BINNING <= self.raw_columns.get(look.sections, 0)
            return "aligned_series" if is_binned else role
        return role


def _picture(name: PurePosixPath, words: frozenset[str]) -> str:
    stem = name.stem.lower()
    if stem.startswith("keyimg") and stem.endswith("_s"):
        return "thumbnail"
    for role, known in PICTURE_WORDS:
        if words & known:
            return role
    told = (_clear(part) for part in (name.stem, *reversed(name.parts[:-1])))
    return "light_micrograph" if "light_micrograph" in told else "snapshot"


def _clear(part: str) -> str:
    words = set(WORD.findall(part.lower()))
    return next((role for role, known in CLEAR_WORDS if words & known), "")


def _has_tilts(header: MrcLook) -> bool:
    """Tilt angles of its sections that differ: frames of one tilt have them too."""
    return len({round(s.tilt_deg, 1) for s in header.per_section if s.tilt_deg is not None}) > 1


def _voxels(header: MrcLook) -> int:
    return header.columns * header.rows * header.sections
