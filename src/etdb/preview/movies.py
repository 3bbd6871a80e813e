"""What a movie shows, frame by frame: slices through a volume, or a tilt series rocked to and fro.

Both end where they begin, so that a player that begins anew shows no jump.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from etdb.em.contrast import robust_levels, spread_indices, to_grey
from etdb.media import Planes, ScaleBar, draw_label, draw_scale_bar, plan_scale_bar
from etdb.preview.frames import bin_for, frames_in_order, group_sections, on_canvas, read_frame
from etdb.preview.planning import PreviewSource

__all__ = ["MAX_MOVIE_FRAMES", "Movie", "count_frames", "slice_movie", "there_and_back", "tilt_movie"]

MAX_MOVIE_FRAMES: Final = 120
_SAMPLED_FRAMES: Final = 9
# The fewest frames a second, the most, and the seconds that all sections should take.
_SLICE_RATE: Final = (5.0, 20.0, 6.0)
_TILT_RATE: Final = (4.0, 15.0, 4.0)

Grey = NDArray[np.uint8]


class Movie(Struct, frozen=True, kw_only=True):
    """Frames to come, all of one size: width and height, both even. ``told`` says in words what is shown."""

    frames: Iterator[Grey]
    count: int
    size: tuple[int, int]
    frames_per_second: float
    told: str


def slice_movie(source: PreviewSource, planes: Planes) -> Movie:
    """From the middle, where the key image is, to the last section, to the first, and to the middle again.

    The ends of a tomogram are often empty: nobody should see them first. Neighbours are averaged, so that there are at
    most 120 frames. One contrast for all of them, from a few as they will be shown: averages have a narrower range than
    voxels.
    """
    sections, rows, columns = planes.facts.shape
    factor = bin_for(rows, columns)
    groups = group_sections(sections, MAX_MOVIE_FRAMES)
    size, overlay = _frame_size(source, (rows, columns), factor)

    def values(group: range) -> NDArray[np.float32]:
        return read_frame(planes, group, factor)

    def frames() -> Iterator[Grey]:
        sampled = [groups[n] for n in spread_indices(len(groups), _SAMPLED_FRAMES)]
        levels = robust_levels(list(frames_in_order(values, sampled, planes)))

        def frame(group: int) -> Grey:
            return to_grey(values(groups[group]), levels)

        for grey in _in_this_order(frame, there_and_back(len(groups)), planes):
            yield _finish(grey, size, overlay)

    each = max(len(group) for group in groups)
    return Movie(
        frames=frames(),
        count=len(groups),
        size=size,
        frames_per_second=_rate(len(groups), _SLICE_RATE),
        told=f"slices through z, {f'means of {each} sections' if each > 1 else 'one section each'}",
    )


def tilt_movie(source: PreviewSource, planes: Planes) -> Movie:
    """From the lowest angle to the highest and back, each projection with its own contrast and its angle written on it.

    Where no angles are known the order is that of the file, and the number of the section is shown.
    """
    sections, rows, columns = planes.facts.shape
    angles = source.angles_deg
    factor = bin_for(rows, columns)
    order = sorted(range(sections), key=lambda n: (angles[n], n)) if angles else list(range(sections))
    order = [order[n] for n in spread_indices(sections, MAX_MOVIE_FRAMES)]

    def frame(section: int) -> Grey:
        values = read_frame(planes, range(section, section + 1), factor)
        return to_grey(values, robust_levels([values]))

    size, overlay = _frame_size(source, (rows, columns), factor)
    digits = len(str(sections))
    labels = {n: _angle_text(angles[n]) if angles else f"{n + 1:{digits}d} / {sections}" for n in order}
    there = _in_this_order(frame, order, planes)

    def frames() -> Iterator[Grey]:
        kept = []
        for section, grey in zip(order, there, strict=True):
            shown = draw_label(_finish(grey, size, overlay), labels[section])
            kept.append(shown)
            yield shown
        yield from kept[-2:0:-1]

    low, high = (round(angle, 1) + 0.0 for angle in (min(angles, default=0.0), max(angles, default=0.0)))
    return Movie(
        frames=frames(),
        count=max(1, 2 * len(order) - 2),
        size=size,
        frames_per_second=_rate(len(order), _TILT_RATE),
        told=f"tilt series from {low:.1f} to {high:.1f} degrees" if angles else "tilt series in the order of its file",
    )


def there_and_back(count: int) -> list[int]:
    """Each of so many once: from the middle every other one upwards, downwards those between, and up to the middle.

    So the way back costs no second reading, and no frame has to be kept for it.
    """
    middle = count // 2
    upwards = range(middle % 2, count, 2)
    downwards = sorted(set(range(count)) - set(upwards), reverse=True)
    return [*upwards[middle // 2 :], *downwards, *upwards[: middle // 2]]


def count_frames(frames: Iterable[Grey], count: int, progress: Callable[[int, int], None]) -> Iterator[Grey]:
    """The same frames, told to whoever watches."""
    for number, frame in enumerate(frames, 1):
        yield frame
        progress(number, count)


def _in_this_order(frame: Callable[[int], Grey], order: Sequence[int], planes: Planes) -> Iterator[Grey]:
    """A file that is only read onwards is read once, in its own order; frames, at most 1 MiB each, can wait."""
    if not planes.facts.is_sequential:
        yield from frames_in_order(frame, order, planes)
        return
    found = {one: frame(one) for one in sorted(order)}
    yield from (found.pop(one) for one in order)


def _rate(frames: int, wanted: tuple[float, float, float]) -> float:
    least, most, seconds = wanted
    return min(most, max(least, float(round(frames / seconds))))


def _angle_text(angle_deg: float) -> str:
    return f"{round(angle_deg, 1) + 0.0:.1f}°"  # never "-0.0"; the font has no other minus sign than the hyphen


class _Overlay:
    """A scale bar that is drawn once and laid over every frame."""

    def __init__(self, size: tuple[int, int], bar: ScaleBar | None) -> None:
        width, height = size
        dark = draw_scale_bar(np.zeros((height, width), np.uint8), bar)
        light = draw_scale_bar(np.full((height, width), 255, np.uint8), bar)
        # What is drawn hides the ground by the same part, whatever the ground is.
        through = light.astype(np.uint16) - dark  # in 255ths
        rows, columns = np.nonzero(through < 255)
        self._box = slice(int(rows.min()), int(rows.max()) + 1), slice(int(columns.min()), int(columns.max()) + 1)
        self._through = through[self._box]
        self._drawn = dark[self._box]

    def lay_on(self, frame: Grey) -> None:
        """Draw it on a frame, in place."""
        box = frame[self._box]
        frame[self._box] = (box * self._through + 127) // 255 + self._drawn


def _frame_size(source: PreviewSource, shape: tuple[int, int], factor: int) -> tuple[tuple[int, int], _Overlay]:
    rows, columns = shape
    height, width = max(1, rows // factor), max(1, columns // factor)
    canvas, times = on_canvas(np.zeros((height, width), np.uint8))
    size = canvas.shape[1] + canvas.shape[1] % 2, canvas.shape[0] + canvas.shape[0] % 2
    pixel = source.spacing_angstrom * factor / times if source.spacing_angstrom else None
    return size, _Overlay(size, plan_scale_bar(size[0], pixel))


def _finish(grey: Grey, size: tuple[int, int], overlay: _Overlay) -> Grey:
    """Enlarged where it is tiny, padded to even sides, with its scale bar."""
    shown, _ = on_canvas(grey)
    width, height = size
    shown = np.pad(shown, ((0, height - shown.shape[0]), (0, width - shown.shape[1])), mode="edge")
    overlay.lay_on(shown)
    return shown
