"""What to make of a dataset: which file is shown, how, and under which names. Reads headers only.

| what | made of | names | role |
| --- | --- | --- | --- |
| key image | the reconstruction's central slab, or the projection at zero | `keyimg_SID.jpg`, `.webp` | key_image |
| thumbnail | the same, at most 256 pixels | `keyimg_SID_s.jpg`, `.webp` | thumbnail |
| key movie | slices through the reconstruction, else the tilt series | `keymov_SID.mp4` | key_movie |
| tilt movie | the tilt series, where the key movie is of a reconstruction | `tiltmov_SID.mp4` | preview |
| copy for viewers | the reconstruction, on request | `SID.ome.zarr/` | preview |

The names are those of the original Electron Tomography Database. What a dataset has of its own is not made again.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Final, Literal

from msgspec import Struct

from etdb.em import MAX_TILTS, MrcLook
from etdb.errors import FormatError, InputError
from etdb.media import StackFacts, ZarrPlan, open_planes, plan_zarr
from etdb.oip.tomogram import FileEntry, Tomogram
from etdb.sources import SourceDataset, SourceFile

__all__ = ["PlannedFile", "PreviewPlan", "PreviewSource", "Product", "ProductKind", "plan_previews", "planned_entries"]

ProductKind = Literal["pictures", "movie", "tilt_movie", "zarr"]

_VOLUMES: Final = ("reconstruction", "subvolume")
_SERIES: Final = ("aligned_series", "tilt_series")
_TIFF: Final = (".tif", ".tiff")
_ABOUT_SO_LONG: Final = "mean of sections 1234-1234 of 1234; bar 500 nm"
_UNSAFE = re.compile(r"[^0-9A-Za-z._+-]+")
_JPEG, _WEBP, _MP4, _SHARD = "image/jpeg", "image/webp", "video/mp4", "application/octet-stream"


class PreviewSource(Struct, frozen=True, kw_only=True):
    """A file that is shown.

    Attributes:
        path: in the dataset.
        file: where it is.
        header: of an MRC file, as it was read before.
        facts: what it is.
        spacing_angstrom: between its columns; None when nobody says it.
        is_series: whether its sections are projections and not slices.
        angles_deg: of its sections; empty for a volume, and when nobody says them.
    """

    path: str
    file: Path
    header: MrcLook | None
    facts: StackFacts
    spacing_angstrom: float | None
    is_series: bool = False
    angles_deg: tuple[float, ...] = ()


class PlannedFile(Struct, frozen=True, kw_only=True):
    """A file that will be made; ``about_bytes`` is a guess at its size, None before one is made."""

    path: str
    role: str
    media_type: str
    about_bytes: int | None = None


class Product(Struct, frozen=True, kw_only=True):
    """What is made together. The files of a copy for viewers, in ``zarr_name``, are known when it is made."""

    kind: ProductKind
    source: PreviewSource
    files: tuple[PlannedFile, ...]
    zarr: ZarrPlan | None = None
    zarr_name: str = ""


class PreviewPlan(Struct, frozen=True, kw_only=True):
    """Everything that will be made for one dataset; where that is nothing, ``why_not`` says why."""

    sid: str
    title: str
    products: tuple[Product, ...] = ()
    why_not: str = ""

    @property
    def zarr(self) -> ZarrPlan | None:
        """The copy for viewers, if one is to be made."""
        return next((product.zarr for product in self.products if product.zarr is not None), None)


def plan_previews(
    dataset: SourceDataset, tomogram: Tomogram, origins: Mapping[str, str] | None = None, *, zarr: bool = False
) -> PreviewPlan:
    """Decide what to make of a dataset.

    Args:
        dataset: its files.
        tomogram: its record so far.
        origins: where each field of the record comes from; what people state wins over the file's header.
        zarr: also the multiscale copy.
    """
    reasons: list[str] = []
    paths = {file.path for file in dataset.files}
    stated = {field for field, origin in (origins or {}).items() if origin not in paths}
    volume = _first(dataset, tomogram, stated, _VOLUMES, reasons)
    series = _first(dataset, tomogram, stated, _SERIES, reasons)
    shown = volume or series
    sid = tomogram.sid or dataset.name
    if shown is None:
        why = "; ".join(reasons) or "there is no reconstruction and no tilt series that can be shown"
        return PreviewPlan(sid=sid, title=tomogram.title, why_not=why)
    roles = {file.role for file in dataset.files}
    taken = {file.path.casefold() for file in dataset.files}
    zarr_name = f"{_safe(sid)}.ome.zarr"
    products = [
        Product(kind=kind, source=source, files=files, zarr=copy, zarr_name=zarr_name if copy is not None else "")
        for kind, source, planned, copy in _products(_safe(sid), shown, volume, series, roles, zarr=zarr)
        if (files := tuple(file for file in planned if file.path.casefold() not in taken)) or copy is not None
    ]
    why = "" if products else "it has a key image and a key movie of its own"
    return PreviewPlan(sid=sid, title=tomogram.title, products=tuple(products), why_not=why)


def planned_entries(plan: PreviewPlan) -> tuple[FileEntry, ...]:
    """Rows of the record for what will be made, with sizes that are guesses: for estimates."""
    rows = [
        FileEntry(
            path=file.path,
            display_name=PurePosixPath(file.path).name,
            size_bytes=file.about_bytes or 0,
            role=file.role,
            media_type=file.media_type,
            notes=_ABOUT_SO_LONG if file.role != "thumbnail" else "",
        )
        for product in plan.products
        for file in product.files
    ]
    if plan.zarr is not None:
        each = plan.zarr.max_bytes // plan.zarr.files
        name = f"{_safe(plan.sid)}.ome.zarr"
        rows += [
            FileEntry(
                path=f"{name}/0/c/0/{n}/0", display_name=str(n), size_bytes=each, role="preview", media_type=_SHARD
            )
            for n in range(plan.zarr.files)
        ]
    return tuple(rows)


def _products(
    name: str,
    shown: PreviewSource,
    volume: PreviewSource | None,
    series: PreviewSource | None,
    roles: set[str],
    *,
    zarr: bool,
) -> Iterator[tuple[ProductKind, PreviewSource, list[PlannedFile], ZarrPlan | None]]:
    pictures = []
    if "key_image" not in roles:
        pictures += [
            _file(f"keyimg_{name}.jpg", "key_image", _JPEG),
            _file(f"keyimg_{name}.webp", "key_image", _WEBP),
        ]
    if "thumbnail" not in roles:
        pictures += [
            _file(f"keyimg_{name}_s.jpg", "thumbnail", _JPEG),
            _file(f"keyimg_{name}_s.webp", "thumbnail", _WEBP),
        ]
    yield "pictures", shown, pictures, None
    has_movie = "key_movie" in roles
    if not has_movie and volume is not None and _is_thick(volume):
        yield "movie", volume, [_file(f"keymov_{name}.mp4", "key_movie", _MP4)], None
        has_movie = True
        if series is not None and _is_thick(series):
            yield "tilt_movie", series, [_file(f"tiltmov_{name}.mp4", "preview", _MP4)], None
    if not has_movie and series is not None and _is_thick(series):
        yield "tilt_movie", series, [_file(f"keymov_{name}.mp4", "key_movie", _MP4)], None
    if zarr and volume is not None:
        yield "zarr", volume, [], plan_zarr(volume.facts.shape, volume.facts.dtype)


def _file(path: str, role: str, media_type: str) -> PlannedFile:
    return PlannedFile(path=path, role=role, media_type=media_type)


def _is_thick(source: PreviewSource) -> bool:
    return source.facts.shape[0] > 1


def _safe(sid: str) -> str:
    """The sid as a part of a file's name."""
    return _UNSAFE.sub("_", sid).strip("._")[:100] or "dataset"


def _first(
    dataset: SourceDataset, tomogram: Tomogram, stated: Collection[str], roles: Sequence[str], reasons: list[str]
) -> PreviewSource | None:
    """The file of one of these roles that is shown: the first role that occurs, and of it the largest file."""
    for role in roles:
        files = [file for file in dataset.files if file.role == role and _can_be_shown(file)]
        for file in sorted(files, key=lambda one: (-one.size_bytes, one.path)):
            try:
                with open_planes(file.absolute, file.header) as planes:
                    facts = planes.facts
            except (FormatError, InputError) as error:
                reasons.append(f"{file.path}: {error.message}")
                continue
            spacing = _spacing(facts, tomogram, stated, role, alone=len(files) == 1)
            angles = _angles(dataset, file, facts) if role in _SERIES else ()
            return PreviewSource(
                path=file.path,
                file=file.absolute,
                header=file.header,
                facts=facts,
                spacing_angstrom=spacing,
                is_series=role in _SERIES,
                angles_deg=angles,
            )
    return None


def _can_be_shown(file: SourceFile) -> bool:
    return file.header is not None or file.path.lower().endswith(_TIFF)


def _spacing(facts: StackFacts, tomogram: Tomogram, stated: Collection[str], role: str, *, alone: bool) -> float | None:
    """What people state of the only file of its kind wins, then the file's own header, then the record."""
    field = "pixel_spacing_angstrom" if role in _SERIES else "voxel_spacing_angstrom"
    said: float | None = getattr(tomogram, field)
    if said is not None and alone and field in stated:
        return said
    return facts.spacing_angstrom or said


def _angles(dataset: SourceDataset, file: SourceFile, facts: StackFacts) -> tuple[float, ...]:
    """One angle a section: of the extended header, an mdoc, a rawtlt or a tlt; of the same name before others."""
    sections = facts.shape[0]
    if sections > MAX_TILTS:
        return ()
    kinds: list[list[tuple[str, tuple[float, ...]]]] = [
        [(file.path, facts.tilt_angles_deg)],
        [(one.path, one.mdoc.tilt_angles_deg) for one in dataset.files if one.mdoc is not None],
        [(one.path, one.tilt_angles_deg) for one in dataset.files if one.path.lower().endswith(".rawtlt")],
        [(one.path, one.tilt_angles_deg) for one in dataset.files if one.path.lower().endswith(".tlt")],
    ]
    stem = PurePosixPath(file.path).name.split(".")[0]
    for kind in kinds:
        fitting = [(path, angles) for path, angles in kind if len(angles) == sections]
        if fitting:
            return min(fitting, key=lambda pair: not PurePosixPath(pair[0]).name.startswith(stem))[1]
    return ()
