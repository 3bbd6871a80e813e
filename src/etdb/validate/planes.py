"""Checks of the images themselves: not finite, constant or all zero planes.

By default some planes are looked at: the first, the middle, the last and three that the file's name chooses. A plane of
integers is read no further than to the first rows that differ. With `full` every plane is read. One buffer at a time is
in memory, whatever the size of a plane.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterator
from typing import Any, BinaryIO, Final

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from etdb.em import MrcLook, PackedFile, PlaneLayout, decode_planes, plane_layout
from etdb.errors import FormatError
from etdb.sources import SourceFile
from etdb.validate.finding import Told, check, some
from etdb.validate.subject import STACK_ROLES, VOLUME_ROLES, Subject

__all__ = ["BUFFER_BYTES", "PlaneFacts", "look_at_planes", "sampled_sections", "walk_planes"]

BUFFER_BYTES: Final = 4 << 20
SEEDED_PLANES: Final = 3
_FLOAT_MODES: Final = (2, 4, 12)
_SHOWN: Final = 10
_Source = BinaryIO | PackedFile


class PlaneFacts(Struct, frozen=True, kw_only=True):
    """What was seen of a file's planes: numbers of sections from 0, and of how many.

    `damage` says why reading ended early.
    """

    looked: int
    not_finite: tuple[int, ...] = ()
    constant: tuple[int, ...] = ()
    zero: tuple[int, ...] = ()
    damage: str = ""


def sampled_sections(name: str, sections: int) -> list[int]:
    """Which planes are looked at: first, middle, last and some that are chosen by the name, the same every time."""
    chosen = {0, sections // 2, sections - 1}
    for number in range(SEEDED_PLANES):
        digest = hashlib.sha256(f"{name}\0{number}".encode("utf-8", "surrogateescape")).digest()
        chosen.add(int.from_bytes(digest[:8], "big") % sections)
    return sorted(chosen)


@check(
    "plane-not-finite",
    "error",
    "Planes hold values that are not finite",
    hint="find the step of processing that made them (NaN, infinity) and run it again",
    better="theirs never reads the data",
)
def not_finite(subject: Subject) -> Iterator[Told]:
    """NaN and infinity."""
    yield from _told(subject, "not_finite", "hold values that are not finite")


@check(
    "plane-zero",
    "warning",
    "Planes are all zero",
    hint="an image was not written or not copied: compare with the microscope's file; leave out the bad views",
    better="theirs never reads the data",
)
def zero(subject: Subject) -> Iterator[Told]:
    """Nothing but zeros."""
    yield from _told(subject, "zero", "are all zero")


@check(
    "plane-constant",
    "warning",
    "Planes hold one value only",
    hint="a closed shutter or a blank image: leave out the bad views, or say why in the notes",
    better="theirs never reads the data",
)
def constant(subject: Subject) -> Iterator[Told]:
    """One value other than zero."""
    yield from _told(subject, "constant", "hold one value")


@check(
    "data-damaged",
    "error",
    "The planes of a file cannot be read to where they should end",
    hint="copy it again from where it is whole",
    better="packed files are unpacked, with --full to their end",
)
def damaged(subject: Subject) -> Iterator[Told]:
    """A packed file that breaks off, or a disk that fails."""
    for file, facts in _facts(subject):
        if facts.damage:
            yield Told(file.path, facts.damage, {"planes_read": facts.looked})


def _told(subject: Subject, field: str, words: str) -> Iterator[Told]:
    for file, facts in _facts(subject):
        sections: tuple[int, ...] = getattr(facts, field)
        if sections:
            shown = some(sections, most=_SHOWN)
            text = f"{len(sections)} of the {facts.looked} planes looked at {words}: {shown} (from 0)"
            yield Told(file.path, text, {"sections": sections[:1000], "planes_looked_at": facts.looked})


def _facts(subject: Subject) -> list[tuple[SourceFile, PlaneFacts]]:
    """Read once for all checks of this module."""

    def look() -> list[tuple[SourceFile, PlaneFacts]]:
        wanted = {*STACK_ROLES, *VOLUME_ROLES}
        return [
            (file, look_at_planes(file, header, full=subject.full))
            for file, header in subject.headers
            if file.role in wanted
        ]

    return subject.once("planes", look)


def look_at_planes(file: SourceFile, look: MrcLook, *, full: bool = False) -> PlaneFacts:
    """Look at a file's planes, those that are there.

    Args:
        file: where it is, and whether it is packed.
        look: what its header says.
        full: all planes rather than some.
    """
    try:
        layout = plane_layout(look, unsigned_bytes=look.data_type == "uint8")
    except FormatError as error:
        return PlaneFacts(looked=0, damage=error.message)
    found: dict[str, list[int]] = {"not_finite": [], "constant": [], "zero": []}
    looked = 0
    damage = ""
    try:
        for section, blocks in walk_planes(file, look, layout, full=full):
            kind = _judge(blocks, reads_all=layout.mode in _FLOAT_MODES or bool(file.packing))
            looked += 1
            if kind:
                found[kind].append(section)
    except (EOFError, OSError, FormatError) as error:
        damage = f"plane {looked} of {look.sections} cannot be read: {str(error) or type(error).__name__}"
    return PlaneFacts(looked=looked, damage=damage, **{name: tuple(numbers) for name, numbers in found.items()})


def walk_planes(
    file: SourceFile, look: MrcLook, layout: PlaneLayout, *, full: bool = False
) -> Iterator[tuple[int, Iterator[NDArray[Any]]]]:
    """The planes that are there, each as its number and its rows in blocks; all of them, or a sample.

    Raises:
        EOFError, OSError, FormatError: while it goes: the file ends or breaks off.
    """
    there = look.sections
    if not file.packing:
        there = min(there, max(0, file.size_bytes - layout.data_offset) // layout.plane_bytes)
    if file.packing and not full:
        there = min(there, 1)  # what is packed is read from its beginning
    if there == 0:
        return
    with file.absolute.open("rb") as opened:
        source = PackedFile(opened, file.packing) if file.packing else opened
        at = 0
        for section in range(there) if full else sampled_sections(file.path, there):
            at = _go_to(source, layout.plane_offset(section), at)
            yield section, _blocks(source, layout)
            at += layout.plane_bytes


def _go_to(source: _Source, offset: int, at: int) -> int:
    """Go to a place of the file, never back in a packed one."""
    if not isinstance(source, PackedFile):
        return source.seek(offset)
    while at < offset:
        at += len(_read(source, min(BUFFER_BYTES, offset - at)))
    return at


def _blocks(source: _Source, layout: PlaneLayout) -> Iterator[NDArray[Any]]:
    """The rows of the plane that begins here, as many at a time as a buffer holds."""
    rows_at_once = max(1, min(layout.rows, BUFFER_BYTES // layout.row_bytes))
    for start in range(0, layout.rows, rows_at_once):
        rows = min(rows_at_once, layout.rows - start)
        yield decode_planes(_read(source, rows * layout.row_bytes), _rows_of(layout, rows))


def _judge(blocks: Iterator[NDArray[Any]], *, reads_all: bool) -> str:
    """Which list a plane belongs to, "" for none.

    With `reads_all` it is read to its end: a packed file goes on there, and a number that is not finite may come in the
    last row. Of plain integers no more is to be learnt when two differ.
    """
    first: Any = None
    is_constant = True
    kind = ""
    for values in blocks:
        if not bool(np.isfinite(values).all()):
            kind = "not_finite"
        if is_constant:
            first = values.flat[0] if first is None else first
            is_constant = bool((values == first).all())
        if not is_constant and not reads_all:
            return ""
    if kind or not is_constant:
        return kind
    return "zero" if first == 0 else "constant"


@functools.lru_cache(maxsize=32)
def _rows_of(layout: PlaneLayout, rows: int) -> PlaneLayout:
    return msgspec.structs.replace(layout, rows=rows)


def _read(source: _Source, count: int) -> bytes:
    data = source.read(count)
    if len(data) < count:
        raise EOFError(f"{count - len(data)} bytes are missing")
    return data
