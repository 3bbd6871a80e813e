"""Frames of a stack: planes averaged along z and binned, read strip by strip so that memory stays small.

The largest tomogram is read once; what is held is one strip of rows and one frame for each worker.
"""

from __future__ import annotations

import itertools
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final, TypeVar

import numpy as np
from msgspec import structs
from numpy.typing import NDArray

from etdb.media import Planes

__all__ = [
    "MAX_FRAME_SIDE",
    "TurnedPlanes",
    "bin_for",
    "frames_in_order",
    "group_sections",
    "on_canvas",
    "read_frame",
    "section_nearest_zero",
    "upright",
]

MAX_FRAME_SIDE: Final = 1024
_STRIP_BYTES: Final = 1 << 20
_WORKERS: Final = 2
_AHEAD: Final = 4
_LEAST_SIDE: Final = 512
_LEAST_CANVAS: Final = 48

T = TypeVar("T")


def bin_for(rows: int, columns: int, longest: int = MAX_FRAME_SIDE) -> int:
    """By how much a plane is binned so that its longer side is at most this."""
    return max(1, -(-max(rows, columns) // longest))


def group_sections(sections: int, most: int) -> tuple[range, ...]:
    """Neighbouring sections that are averaged, so that there are at most so many groups, of as equal size as can be."""
    count = -(-sections // -(-sections // most))
    edges = [n * sections // count for n in range(count + 1)]
    return tuple(range(a, b) for a, b in itertools.pairwise(edges))


def read_frame(planes: Planes, sections: range, factor: int) -> NDArray[np.float32]:
    """The mean over some sections, binned by a factor; `(y, x)` with the top of the picture first.

    What is not a finite number does not count; where nothing counts the frame holds NaN. Rows and columns that are
    left over at the end of a binned plane are left out, unless there are no others.
    """
    _, rows, columns = planes.facts.shape
    lines, across = (
        (rows // min(factor, rows), min(factor, rows)),
        (columns // min(factor, columns), min(factor, columns)),
    )
    total = np.zeros((lines[0], across[0]), dtype=np.float32)
    missing: NDArray[np.float32] | None = None
    row_bytes = max(1, columns * np.dtype(planes.facts.dtype).itemsize)
    at_once = max(1, _STRIP_BYTES // (row_bytes * lines[1]))
    # Section by section, so that a file that can only be read onwards is.
    for section, top in itertools.product(sections, range(0, lines[0], at_once)):
        part = slice(top, min(top + at_once, lines[0]))
        boxes = (part.stop - top, lines[1])
        strip = planes.read(section, top * lines[1], boxes[0] * lines[1])[:, : across[0] * across[1]]
        sums = _binned(strip, boxes, across)
        if strip.dtype.kind == "f" and not np.isfinite(sums).all():
            finite = np.isfinite(strip)
            missing = np.zeros_like(total) if missing is None else missing
            missing[part] += _binned(~finite, boxes, across)
            sums = _binned(np.where(finite, strip, 0), boxes, across)
        with np.errstate(over="ignore", invalid="ignore"):
            total[part] += sums
    values_each = len(sections) * lines[1] * across[1]
    with np.errstate(invalid="ignore", divide="ignore"):
        total /= values_each if missing is None else values_each - missing  # nothing of nothing is NaN
    return total[::-1] if planes.facts.rows_upwards else total


def _binned(strip: NDArray[Any], lines: tuple[int, int], across: tuple[int, int]) -> NDArray[np.float32]:
    """Sums over boxes. Rows first: they lie beside each other, and leave less to add along the columns."""
    (height, down), (width, right) = lines, across
    with np.errstate(over="ignore", invalid="ignore"):
        if down == 1:
            by_rows = strip.astype(np.float32)
        else:
            rows = strip.reshape(height, down, width * right)
            by_rows = rows[:, 0].astype(np.float32)
            for n in range(1, down):
                by_rows += rows[:, n]
        if right == 1:
            return by_rows
        boxes = by_rows.reshape(height, width, right)
        sums: NDArray[np.float32] = boxes[..., 0].copy()
        for n in range(1, right):
            sums += boxes[..., n]
        return sums


def frames_in_order(work: Callable[[T], NDArray[Any]], items: Iterable[T], planes: Planes) -> Iterator[NDArray[Any]]:
    """The results in the order of the items, worked out a few ahead, on two cores where the file allows it."""
    if planes.facts.is_sequential or (os.cpu_count() or 1) == 1:
        yield from map(work, items)
        return
    waiting: deque[Future[NDArray[Any]]] = deque()
    with ThreadPoolExecutor(_WORKERS, thread_name_prefix="frames") as pool:
        try:
            for item in items:
                waiting.append(pool.submit(work, item))
                if len(waiting) >= _AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


class TurnedPlanes:
    """A volume seen along its rows: its sections are the rows of all planes.

    IMOD's `tilt` writes volumes whose thin axis is y; slices through them show the specimen from the side.
    """

    def __init__(self, planes: Planes) -> None:
        self._planes = planes
        sections, rows, columns = planes.facts.shape
        self.facts = structs.replace(planes.facts, shape=(rows, sections, columns))

    def read(self, section: int, first_row: int, rows: int) -> NDArray[Any]:
        """See :class:`~etdb.media.Planes`."""
        return np.concatenate([self._planes.read(at, section, 1) for at in range(first_row, first_row + rows)])


def upright(planes: Planes) -> Planes:
    """The volume so that slices show the specimen from above: turned when its rows are by far the shortest axis."""
    sections, rows, columns = planes.facts.shape
    is_lying = 2 * rows <= min(sections, columns) and not planes.facts.is_sequential
    return TurnedPlanes(planes) if is_lying else planes


def section_nearest_zero(angles_deg: Sequence[float], sections: int) -> int:
    """The section whose angle is nearest zero; the middle one when there are no angles."""
    if not angles_deg:
        return sections // 2
    return min(range(len(angles_deg)), key=lambda n: (abs(angles_deg[n]), n))


def on_canvas(picture: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], int]:
    """What is tiny enlarged by whole pixels, what is a mere line with a dark border; and by how much it is enlarged."""
    times = max(1, round(_LEAST_SIDE / max(picture.shape)))
    if times > 1:
        picture = picture.repeat(times, axis=0).repeat(times, axis=1)
    lacking = [max(0, _LEAST_CANVAS - n) for n in picture.shape]
    if any(lacking):
        picture = np.pad(picture, [(n // 2, n - n // 2) for n in lacking])
    return picture, times
