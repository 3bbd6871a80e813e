"""A multiscale copy of a volume as OME-Zarr 0.5 (https://ngff.openmicroscopy.org/0.5/), written with zarr-python.

Level 0 holds the volume's own values, each further level the means over two values along every axis that is still
long. Chunks are what a viewer fetches; shards are the files that hold them, so that a tomogram is tens of files
and not a hundred thousand. A shard spans all columns and as many rows as fit in 32 MiB: then the strips of rows that
it needs are read in a few pieces. Memory is bounded by a few shards.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from etdb.media.extras import import_extra
from etdb.media.planes import Planes

__all__ = ["ZarrLevel", "ZarrPlan", "plan_zarr", "write_zarr"]

Shape = tuple[int, int, int]
_CHUNK: Final[Shape] = (16, 128, 128)
"""Flat, because people go through slices: one slice costs a sixteenth of what a cube of the same size would."""
MAX_SHARD_BYTES: Final = 32 << 20
_SHARD_DEPTH = 64
_SMALLEST = 128
"""No further level when all axes are at most this."""
_METADATA_BYTES = 2048
_CHUNK_INDEX_BYTES = 16
_FEW_AT_ONCE: Final = {"async.concurrency": 4, "threading.max_workers": 2}


class ZarrLevel(Struct, frozen=True, kw_only=True):
    """One array: its shape, chunks and shards `(z, y, x)`, and what one of its values is of the volume's."""

    shape: Shape
    chunk: Shape
    shard: Shape
    factors: Shape

    @property
    def shards(self) -> int:
        """How many files hold it."""
        return math.prod(-(-n // s) for n, s in zip(self.shape, self.shard, strict=True))


class ZarrPlan(Struct, frozen=True, kw_only=True):
    """What a copy will consist of.

    Attributes:
        dtype: of all its arrays.
        levels: from the volume's own size down.
    """

    dtype: str
    levels: tuple[ZarrLevel, ...]

    @property
    def files(self) -> int:
        """How many files it will have at the most: shards that hold only zeros are left out."""
        return 1 + sum(1 + level.shards for level in self.levels)

    @property
    def max_bytes(self) -> int:
        """What it takes at the most: values that no compression makes smaller."""
        size = np.dtype(self.dtype).itemsize
        values = sum(math.prod(level.shape) for level in self.levels)
        chunks = sum(
            level.shards * math.prod(s // c for s, c in zip(level.shard, level.chunk, strict=True))
            for level in self.levels
        )
        # Chunks at the edges are stored whole; their rest is one value, which takes next to nothing.
        return round(values * size * 1.01) + chunks * _CHUNK_INDEX_BYTES + (1 + len(self.levels)) * _METADATA_BYTES


def plan_zarr(shape: Shape, dtype: str) -> ZarrPlan:
    """Levels, chunks and shards for a volume `(z, y, x)`."""
    size = np.dtype(dtype).itemsize
    levels = []
    factors: Shape = (1, 1, 1)
    while True:
        levels.append(_level(shape, size, factors))
        if max(shape) <= _SMALLEST:
            return ZarrPlan(dtype=dtype, levels=tuple(levels))
        halved = tuple(2 if n > _SMALLEST // 2 else 1 for n in shape)
        shape = _triple(-(-n // h) for n, h in zip(shape, halved, strict=True))
        factors = _triple(f * h for f, h in zip(factors, halved, strict=True))


def _level(shape: Shape, size: int, factors: Shape) -> ZarrLevel:
    chunk = _triple(min(n, c) for n, c in zip(shape, _CHUNK, strict=True))
    wide = -(-shape[2] // chunk[2]) * chunk[2]
    depth = min(_SHARD_DEPTH, -(-shape[0] // chunk[0]) * chunk[0])
    depth -= depth % chunk[0]
    while depth > chunk[0] and depth * chunk[1] * wide * size > MAX_SHARD_BYTES:
        depth -= chunk[0]
    while wide > chunk[2] and depth * chunk[1] * wide * size > MAX_SHARD_BYTES:
        wide = -(-wide // 2 // chunk[2]) * chunk[2]
    fitting = max(1, MAX_SHARD_BYTES // (depth * wide * size * chunk[1]))
    high = min(fitting, -(-shape[1] // chunk[1])) * chunk[1]
    # Where all rows fit there may be room for more sections.
    while depth < shape[0] and (depth + chunk[0]) * high * wide * size <= MAX_SHARD_BYTES and high >= shape[1]:
        depth += chunk[0]
    return ZarrLevel(shape=shape, chunk=chunk, shard=(depth, high, wide), factors=factors)


def write_zarr(
    planes: Planes,
    plan: ZarrPlan,
    target: Path,
    *,
    name: str,
    spacing_angstrom: tuple[float, float, float] | None,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> None:
    """Write the copy.

    Args:
        planes: the volume.
        plan: of ``plan_zarr`` for its shape and type.
        target: a folder that does not exist yet.
        name: of the image, for people.
        spacing_angstrom: between values along z, y and x; None when it is not known.
        progress: told the values of all levels that are done, and how many there are.

    Raises:
        SourceFileError: the volume cannot be read.
        MissingExtraError: zarr is not installed.
    """
    zarr = import_extra("zarr", "previews", what="making OME-Zarr copies")
    group = zarr.open_group(
        store=str(target), mode="w-", zarr_format=3, attributes=_attributes(plan, name, spacing_angstrom)
    )
    total = sum(math.prod(level.shape) for level in plan.levels)
    with zarr.config.set(_FEW_AT_ONCE):
        _write_levels(zarr, group, planes, plan, lambda done: progress(done, total))


def _write_levels(zarr: Any, group: Any, planes: Planes, plan: ZarrPlan, advance: Callable[[int], None]) -> None:
    done = 0
    before: Any = None
    for number, level in enumerate(plan.levels):
        array = group.create_array(
            str(number),
            shape=level.shape,
            dtype=plan.dtype,
            chunks=level.chunk,
            shards=level.shard,
            compressors=zarr.codecs.BloscCodec(cname="zstd", clevel=5, shuffle="bitshuffle"),
            dimension_names=("z", "y", "x"),
        )
        for place in _boxes(level):
            values = (
                _read_box(planes, place) if before is None else _halved(before, plan.levels[number - 1], level, place)
            )
            array[place] = values
            done += values.size
            advance(done)
        before = array


def _boxes(level: ZarrLevel) -> Iterator[tuple[slice, slice, slice]]:
    ranges = [
        [slice(start, min(start + step, n)) for start in range(0, n, step)]
        for n, step in zip(level.shape, level.shard, strict=True)
    ]
    for z in ranges[0]:
        for y in ranges[1]:
            for x in ranges[2]:
                yield z, y, x


def _read_box(planes: Planes, place: tuple[slice, slice, slice]) -> NDArray[Any]:
    z, y, x = place
    box = np.empty((z.stop - z.start, y.stop - y.start, x.stop - x.start), dtype=planes.facts.dtype)
    for section in range(z.start, z.stop):
        box[section - z.start] = planes.read(section, y.start, y.stop - y.start)[:, x]
    return box


def _halved(array: Any, finer: ZarrLevel, level: ZarrLevel, place: tuple[slice, slice, slice]) -> NDArray[Any]:
    """Means of the finer level, in float64 where needed so that no type overflows; at an odd end of what there is."""
    steps = [a // b for a, b in zip(level.factors, finer.factors, strict=True)]
    out = np.empty([s.stop - s.start for s in place], dtype=array.dtype)
    # A layer of the finer level's chunks at a time: each is unpacked once, and the memory is bounded.
    deep, high = (max(1, chunk // step) for chunk, step in zip(finer.chunk[:2], steps[:2], strict=True))
    for z in _pieces(place[0], deep):
        for y in _pieces(place[1], high):
            source = tuple(
                slice(s.start * step, min(s.stop * step, n))
                for s, step, n in zip((z, y, place[2]), steps, finer.shape, strict=True)
            )
            into = tuple(slice(s.start - p.start, s.stop - p.start) for s, p in zip((z, y), place, strict=False))
            out[into] = _means(array[source], steps)
    return out


def _pieces(whole: slice, step: int) -> Iterator[slice]:
    for start in range(whole.start, whole.stop, step):
        yield slice(start, min(start + step, whole.stop))


def _means(values: NDArray[Any], steps: list[int]) -> NDArray[Any]:
    kind = values.dtype
    work = np.float64 if kind.itemsize > 2 and kind.kind in "iuf" else np.float32
    for axis, step in enumerate(steps):
        if step == 1:
            continue
        if values.shape[axis] % 2:  # the last one stands for itself
            last = np.take(values, [-1], axis=axis)
            values = np.concatenate([values, last], axis=axis)
        first = values[tuple(slice(None, None, 2) if a == axis else slice(None) for a in range(3))]
        second = values[tuple(slice(1, None, 2) if a == axis else slice(None) for a in range(3))]
        values = (first.astype(work) + second) * work(0.5)
    if kind.kind in "iu":
        values = np.rint(values)
    return values.astype(kind)


def _attributes(plan: ZarrPlan, name: str, spacing: tuple[float, float, float] | None) -> dict[str, Any]:
    unit = {} if spacing is None else {"unit": "angstrom"}
    base = spacing or (1.0, 1.0, 1.0)
    datasets = [
        {
            "path": str(number),
            "coordinateTransformations": [
                {"type": "scale", "scale": [b * f for b, f in zip(base, level.factors, strict=True)]},
                # The first value of a coarser level lies in the middle of those that it stands for.
                {
                    "type": "translation",
                    "translation": [b * (f - 1) / 2 for b, f in zip(base, level.factors, strict=True)],
                },
            ],
        }
        for number, level in enumerate(plan.levels)
    ]
    multiscale = {
        "name": name,
        "axes": [{"name": axis, "type": "space", **unit} for axis in "zyx"],
        "datasets": datasets,
        "type": "mean",
    }
    return {"ome": {"version": "0.5", "multiscales": [multiscale]}}


def _triple(numbers: Any) -> Shape:
    z, y, x = (int(n) for n in numbers)
    return z, y, x
