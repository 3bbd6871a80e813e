"""Make the planned previews: pictures, movies, copies for viewers."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from etdb.durable import make_folder, storage_errors, sync_folder, write_durably
from etdb.em.contrast import robust_levels, to_grey
from etdb.media import (
    Planes,
    draw_scale_bar,
    encode_jpeg,
    encode_webp,
    fit_grey,
    open_planes,
    plan_scale_bar,
    write_movie,
    write_zarr,
)
from etdb.preview.frames import bin_for, on_canvas, read_frame, section_nearest_zero, upright
from etdb.preview.movies import Movie, count_frames, slice_movie, tilt_movie
from etdb.preview.planning import PreviewSource, Product

__all__ = ["MadeFile", "Progress", "encode_pictures", "make_product", "plan_movie", "thumbnail_jpeg"]

Progress = Callable[[int, int], None]
"""Called with what is done of one product, and how much that is in all."""

THUMBNAIL_SIDE: Final = 256
_SLAB_SECTIONS = (3, 21)
_SLAB_SHARE = 20


class MadeFile(Struct, frozen=True, kw_only=True):
    """A file that was made: its path in the dataset, and where it lies now."""

    path: str
    role: str
    media_type: str
    notes: str
    file: Path


def make_product(product: Product, folder: Path, progress: Progress = lambda _done, _total: None) -> list[MadeFile]:
    """Make one product in a folder; each file has its name only when it is whole and on the disk.

    Args:
        product: what.
        folder: where; made when missing.
        progress: told how far it is.

    Raises:
        SourceFileError: the image data cannot be read.
        FormatError: they are not what they should be.
        MovieError: ffmpeg failed.
        MissingExtraError: a library is not installed.
        StorageError: the folder cannot be written.
    """
    with storage_errors(folder):
        make_folder(folder)
        with open_planes(product.source.file, product.source.header) as planes:
            if product.kind == "pictures":
                return _make_pictures(product, planes, folder)
            if product.kind == "zarr":
                return _make_zarr(product, planes, folder, progress)
            return _make_movie(product, planes, folder, progress)


def thumbnail_jpeg(source: PreviewSource, longest: int) -> bytes:
    """A small picture of a source, for a sheet."""
    with open_planes(source.file, source.header) as planes:
        picture, pixel_angstrom, _ = _key_picture(source, planes)
    return encode_jpeg(_small(picture, pixel_angstrom, longest))


def _key_picture(
    source: PreviewSource, planes: Planes, *, hastily: bool = False
) -> tuple[NDArray[np.uint8], float | None, str]:
    """The key image without its bar, what one of its pixels is in angstrom, and what it shows in words."""
    if not source.is_series:
        planes = upright(planes)
    sections, rows, columns = planes.facts.shape
    if source.is_series:
        nearest = section_nearest_zero(source.angles_deg, sections)
        chosen = range(nearest, nearest + 1)
        told = (
            f"projection at {round(source.angles_deg[nearest], 1) + 0.0:.1f} degrees"
            if source.angles_deg
            else "a projection"
        )
    else:
        chosen = _central_slab(sections)
        told = f"mean of sections {chosen.start + 1}-{chosen.stop} of {sections}" if len(chosen) > 1 else "a section"
    if hastily:
        at = 0 if planes.facts.is_sequential else chosen[len(chosen) // 2]
        chosen = range(at, at + 1)
    factor = bin_for(rows, columns)
    frame = read_frame(planes, chosen, factor)
    picture, times = on_canvas(to_grey(frame, robust_levels([frame])))
    return picture, source.spacing_angstrom * factor / times if source.spacing_angstrom else None, told


def _central_slab(sections: int) -> range:
    least, most = _SLAB_SECTIONS
    count = min(sections, max(least, min(most, sections // _SLAB_SHARE)))
    first = (sections - count) // 2
    return range(first, first + count)


def _small(picture: NDArray[np.uint8], pixel_angstrom: float | None, longest: int) -> NDArray[np.uint8]:
    small = fit_grey(picture, longest)
    pixel = pixel_angstrom * picture.shape[1] / small.shape[1] if pixel_angstrom else None
    bar = plan_scale_bar(small.shape[1], pixel)
    return draw_scale_bar(small, bar) if bar is not None else small


def encode_pictures(
    source: PreviewSource, planes: Planes, *, hastily: bool = False
) -> tuple[dict[tuple[str, str], bytes], str]:
    """The key image and the thumbnail by role and media type, and in words what they show.

    Args:
        source: what is shown.
        planes: of its file.
        hastily: of one plane that is read soon, to see how large they are.
    """
    picture, pixel, told = _key_picture(source, planes, hastily=hastily)
    bar = plan_scale_bar(picture.shape[1], pixel)
    shown = {"key_image": draw_scale_bar(picture, bar), "thumbnail": _small(picture, pixel, THUMBNAIL_SIDE)}
    encoders = {"image/jpeg": encode_jpeg, "image/webp": encode_webp}
    pictures = {(role, kind): encode(grey) for role, grey in shown.items() for kind, encode in encoders.items()}
    return pictures, f"{told}; {f'bar {bar.text}' if bar is not None else 'scale not known'}"


def _make_pictures(product: Product, planes: Planes, folder: Path) -> list[MadeFile]:
    pictures, told = encode_pictures(product.source, planes)
    made = []
    for planned in product.files:
        write_durably(folder / planned.path, [pictures[planned.role, planned.media_type]])
        made.append(
            MadeFile(
                path=planned.path,
                role=planned.role,
                media_type=planned.media_type,
                notes=told if planned.role == "key_image" else "",
                file=folder / planned.path,
            )
        )
    return made


def plan_movie(source: PreviewSource, planes: Planes) -> Movie:
    """The movie of a source; nothing is read before its first frame is asked for."""
    return tilt_movie(source, planes) if source.is_series else slice_movie(source, upright(planes))


def _make_movie(product: Product, planes: Planes, folder: Path, progress: Progress) -> list[MadeFile]:
    (planned,) = product.files
    target = folder / planned.path
    temporary = folder / f".{planned.path}.tmp"
    movie = plan_movie(product.source, planes)
    # The ffmpeg of a run that was killed may still be writing there: it must not write into ours.
    temporary.unlink(missing_ok=True)
    counted = count_frames(movie.frames, movie.count, progress)
    write_movie(counted, movie.size, movie.frames_per_second, temporary)
    _sync_file(temporary)
    temporary.replace(target)
    sync_folder(folder)
    return [
        MadeFile(path=planned.path, role=planned.role, media_type=planned.media_type, notes=movie.told, file=target)
    ]


def _sync_file(path: Path) -> None:
    """Wait until a file's bytes are on the disk."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _make_zarr(product: Product, planes: Planes, folder: Path, progress: Progress) -> list[MadeFile]:
    assert product.zarr is not None
    spacing = product.source.spacing_angstrom
    target = folder / product.zarr_name
    temporary = folder / f".{product.zarr_name}.tmp"
    for left in (temporary, target):  # of a run that was cut off, or an older one
        shutil.rmtree(left, ignore_errors=True)
    write_zarr(
        planes,
        product.zarr,
        temporary,
        name=product.source.path,
        spacing_angstrom=(planes.facts.depth_angstrom or spacing, spacing, spacing) if spacing else None,
        progress=progress,
    )
    written = sorted(path for path in temporary.rglob("*") if path.is_file())
    for path in written:
        _sync_file(path)
    temporary.replace(target)
    sync_folder(folder)
    names = [path.relative_to(temporary).as_posix() for path in written]
    return [
        MadeFile(
            path=f"{product.zarr_name}/{name}",
            role="preview",
            media_type="application/json" if name.endswith("zarr.json") else "application/octet-stream",
            notes="",
            file=target / name,
        )
        for name in names
    ]
