"""What a file turned out to be, in a few words for people."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePosixPath

from msgspec import Struct

from etdb.em import (
    AcquisitionLog,
    CtfEstimates,
    FrameStack,
    ImodModel,
    MdocLook,
    Movie,
    MrcLook,
    Note,
    Picture,
    PointAnnotations,
    TiltAngles,
    Transforms,
    ZarrVolume,
    tilt_range,
)
from etdb.oip.tomogram import FILE_ROLES
from etdb.sources import SourceFile

__all__ = ["Shown", "look_text", "shown_files"]


class Shown(Struct, frozen=True, kw_only=True):
    """One line of a listing: a file, or a Zarr folder with all its files."""

    path: str
    role: str
    look: str
    unread: str
    size_bytes: int


def shown_files(files: Iterable[SourceFile]) -> list[Shown]:
    """The files as people count them, by role: an OME-Zarr folder is one image, however many chunks it has."""
    listed = list(files)
    volumes = {f.look.folder: f for f in listed if isinstance(f.look, ZarrVolume)}
    sizes = dict.fromkeys(volumes, 0)
    shown = []
    for file in listed:
        folder = next((str(one) for one in PurePosixPath(file.path).parents if str(one) in volumes), None)
        if folder is not None:
            sizes[folder] += file.size_bytes
        else:
            shown.append(_shown(file, file.path, file.size_bytes))
    shown += [_shown(file, f"{folder}/", sizes[folder]) for folder, file in volumes.items()]
    return sorted(shown, key=lambda one: (FILE_ROLES.index(one.role), one.path))


def _shown(file: SourceFile, path: str, size_bytes: int) -> Shown:
    return Shown(path=path, role=file.role, look=look_text(file), unread=file.unread, size_bytes=size_bytes)


def look_text(file: SourceFile) -> str:
    """Size and type of images in the order z, y, x; what else there is to count; "" when nothing is known."""
    look = file.look
    words = ""
    if isinstance(look, MrcLook):
        words = f"{look.sections} x {look.rows} x {look.columns} {look.data_type}"
        words += _spaced(look.voxel_spacing_angstrom[0] if look.voxel_spacing_angstrom else None)
    elif isinstance(look, MdocLook):
        words = "montage" if look.is_montage else _counted(look.sections, "section") + _ranged(look.tilt_angles_deg)
    elif isinstance(look, TiltAngles):
        words = _counted(len(look.angles_deg), "angle") + _ranged(look.angles_deg)
    elif isinstance(look, Transforms):
        words = _counted(len(look.per_section), "transform")
    elif isinstance(look, ImodModel):
        words = f"{_counted(len(look.objects), 'object')}, {_counted(look.contours, 'contour')}"
    elif isinstance(look, AcquisitionLog):
        words = "acquisition log"
    elif isinstance(look, CtfEstimates):
        words = f"CTF, {_counted(len(look.sections), 'line')}"
    elif isinstance(look, PointAnnotations):
        words = _counted(look.points, "point")
    elif isinstance(look, FrameStack):
        words = f"{look.frames} x {look.height} x {look.width} {look.data_type}{_spaced(look.pixel_spacing_angstrom)}"
    elif isinstance(look, Picture):
        words = f"{look.height} x {look.width} {look.form}"
    elif isinstance(look, Movie):
        size = f"{look.height} x {look.width}" if look.width and look.height else look.form
        words = size + (f", {look.duration_s:.3g} s" if look.duration_s else "")
    elif isinstance(look, ZarrVolume):
        shape = " x ".join(str(one) for one in look.levels[0].shape) if look.levels else ""
        words = f"OME-Zarr, {_counted(len(look.levels), 'level')}" + (f", {shape}" if shape else "")
    elif isinstance(look, Note):
        words = f"PDF, {_counted(look.pages, 'page')}" if look.pages is not None else look.form
    return " ".join(part for part in (words, f"({file.packing})" if file.packing else "") if part)


def _counted(count: int, name: str) -> str:
    return f"{count} {name}" if count == 1 else f"{count} {name}s"


def _spaced(angstrom: float | None) -> str:
    return f", {angstrom:.4g} Å" if angstrom is not None else ""


def _ranged(angles_deg: tuple[float, ...]) -> str:
    tilts = tilt_range(angles_deg)
    return f", {tilts.min_deg:g} to {tilts.max_deg:g}°" if tilts is not None else ""
