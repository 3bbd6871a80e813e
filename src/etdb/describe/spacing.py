"""Pixel and voxel sizes: what headers say, what makes no sense, and what the other files say in its place.

Programs that do not know a spacing write 0, or 1 on each axis, or leave a cell that does not fit the grid.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

from msgspec.structs import replace

from etdb.describe.acquisition import EXTENDED_NAMES
from etdb.describe.evidence import Witness
from etdb.describe.rules import Authority, rule_of
from etdb.describe.sectionwise import spread
from etdb.describe.series import Series
from etdb.em import AcquisitionLog, FrameStack, ImodModel, MdocLook, MrcLook, ZarrVolume
from etdb.sources import SourceDataset, SourceFile

__all__ = ["derived_pixel", "derived_voxel", "tell_spacings"]

# Beyond: no image of a specimen in an electron microscope.
PLAUSIBLE_ANGSTROM: Final = (0.05, 5_000.0)
MAX_BINNING: Final = 32
_SQUARE: Final = 1e-3
PIXEL: Final = "pixel_spacing_angstrom"
VOXEL: Final = "voxel_spacing_angstrom"

Told = Iterator[tuple[str, Witness]]


def tell_spacings(dataset: SourceDataset, series: Series) -> Told:
    """Statements on spacings: pairs of a field's name and a witness."""
    # Frames may have more pixels than the series that was made of them.
    of_frames: Authority = "frames" if series.mdocs else "mdoc"
    for file in series.mdocs:
        assert file.mdoc is not None
        yield from _mdoc(file, file.mdoc, "mdoc")
    for file in series.frame_mdocs:
        assert file.mdoc is not None
        yield from _mdoc(file, file.mdoc, of_frames)
    for file in series.stacks:
        assert file.header is not None
        name = EXTENDED_NAMES.get(file.header.extended_form, "extended header")
        told = [one.pixel_spacing_angstrom for one in file.header.per_section]
        for value, where in spread(rule_of(PIXEL), told, name):
            yield PIXEL, Witness(value=value, authority="extended-header", source=file.path, where=where)
        yield PIXEL, _header(file, file.header, axes=2)
    for file in series.logs:
        assert isinstance(file.look, AcquisitionLog)
        if file.look.pixel_spacing_angstrom is not None:
            yield (
                PIXEL,
                Witness(
                    value=file.look.pixel_spacing_angstrom, authority="log", source=file.path, where="acquisition log"
                ),
            )
    for file in dataset.files:
        yield from _volume(file)


def _mdoc(file: SourceFile, look: MdocLook, authority: Authority) -> Told:
    found = spread(rule_of(PIXEL), [one.pixel_spacing_angstrom for one in look.sections_facts], "mdoc")
    if not found and look.pixel_spacing_angstrom is not None:
        found = [(look.pixel_spacing_angstrom, "mdoc")]
    for value, where in found:
        yield PIXEL, Witness(value=value, authority=authority, source=file.path, where=where)


def _volume(file: SourceFile) -> Told:
    look = file.look
    if file.role != "reconstruction":
        return
    if isinstance(look, MrcLook):
        yield VOXEL, _header(file, look, axes=3)
    elif isinstance(look, ZarrVolume) and look.levels and not look.is_labels:
        known = [one for one in look.levels[0].spacing_angstrom if one]
        if len(known) >= 3 and max(known) <= min(known) * (1 + _SQUARE):
            where = f"OME-Zarr level {look.levels[0].path}"
            yield VOXEL, Witness(value=known[-1], authority="header", source=file.path, where=where)
    elif isinstance(look, FrameStack) and look.pixel_spacing_angstrom:
        yield (
            VOXEL,
            Witness(value=look.pixel_spacing_angstrom, authority="header", source=file.path, where="TIFF header"),
        )


def _header(file: SourceFile, header: MrcLook, *, axes: int) -> Witness:
    found = header.voxel_spacing_angstrom
    as_found = found if found is not None else header.voxel_spacing_as_found
    shown = " x ".join("nothing" if math.isnan(one) else f"{one:.4g}" for one in as_found)
    remark = ""
    if found is None or not all(_is_plausible(one) for one in found[:axes]):
        remark = "makes no sense"
    elif max(found[:axes]) > min(found[:axes]) * (1 + _SQUARE):
        remark = "differs along the axes"
    value = round(found[0], 4) if found is not None and not remark else shown
    return Witness(
        value=value,
        authority="header",
        source=file.path,
        where="MRC header",
        remark=remark,
        is_usable=not remark,
    )


def derived_voxel(dataset: SourceDataset, series: Series, pixel_angstrom: float | None) -> Iterator[Witness]:
    """For volumes without a usable voxel size: what models drawn on them say, and pixel size times binning."""
    volumes = [f.header for f in dataset.files if f.role == "reconstruction" and f.header is not None]
    for file in dataset.files:
        model = file.look
        if (
            isinstance(model, ImodModel)
            and model.pixel_spacing_angstrom
            and _is_plausible(model.pixel_spacing_angstrom)
        ):
            for header in volumes:
                if model.image_size == (header.columns, header.rows, header.sections):
                    where = "IMOD model drawn on the volume"
                    value = model.pixel_spacing_angstrom
                    yield Witness(value=value, authority="derived", source=file.path, where=where)
    for stack in (*series.aligned, *series.stacks):
        assert stack.header is not None
        base = _header(stack, stack.header, axes=2) if stack.role == "aligned_series" else None
        pixel = pixel_angstrom if base is None else base.value if base.is_usable else None
        for header in volumes:
            binning = _binning(stack.header.columns, header.columns)
            if pixel is not None and binning:
                where = (
                    f"its pixel of {pixel:g} Å, binned {binning} x: {stack.header.columns} to {header.columns} columns"
                )
                value = round(pixel * binning, 4)
                yield Witness(value=value, authority="derived", source=stack.path, where=where)


def derived_pixel(series: Series) -> Iterator[Witness]:
    """Where only aligned copies are left: their pixels, which may be binned."""
    for stack in series.aligned:
        assert stack.header is not None
        told = _header(stack, stack.header, axes=2)
        yield replace(told, authority="derived", where="MRC header of the aligned series")


def _binning(of_stack: int, of_volume: int) -> int:
    """How many columns of the stack are one of the volume, if that is a whole number; else 0."""
    for binning in range(1, MAX_BINNING + 1):
        if abs(of_stack / binning - of_volume) <= 1:
            return binning
    return 0


def _is_plausible(angstrom: float) -> bool:
    return PLAUSIBLE_ANGSTROM[0] <= angstrom <= PLAUSIBLE_ANGSTROM[1]
