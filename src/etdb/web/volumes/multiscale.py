"""OME-Zarr folders of the store as volumes: slices from the level that fits, chunk by chunk.

Every chunk comes through the reader, which checks it against the folder's CID.
"""

from __future__ import annotations

import itertools
import math
import threading
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any, Final

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from etdb.blocks import DagReader
from etdb.em import ZarrVolume, level_paths, parse_ome_zarr
from etdb.em.contrast import Levels, robust_levels, spread_indices
from etdb.errors import FormatError, InputError, NotFoundError
from etdb.ipfs import Cid
from etdb.oip.strict_json import load_json
from etdb.web.volumes.volume import AXES, MAX_TOUCHED_BYTES, Axis, Shape, VolumeFacts, binned, too_much
from etdb.web.volumes.zarrchunks import ArrayLayout, decode_chunk, index_entry, parse_layout

__all__ = ["MAX_KEPT_CHUNK_BYTES", "ChunkCache", "MultiscaleVolume", "open_multiscale"]

MAX_KEPT_CHUNK_BYTES: Final = 256 << 20
"""Of all OME-Zarr volumes together: going through slices unpacks each chunk once."""
MAX_KEPT_INDEX_BYTES: Final = 16 << 20
"""Of the indices of shards of one volume; a stranger's may have a MiB each."""
MAX_SLICE_CHUNKS: Final = 1 << 15
"""Each chunk takes its time, however few values it has."""
_MAX_JSON_BYTES: Final = 1 << 20
_ENTRY_BYTES: Final = 512
"""What a kept chunk takes beside its values, about."""
_SAMPLED_CHUNKS: Final = 8
Key = tuple[str, int, tuple[int, ...]]


class ChunkCache:
    """Chunks that were unpacked last, up to a limit. Can be used from several threads."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Key, NDArray[Any]] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def get(self, key: Key) -> NDArray[Any] | None:
        """A chunk, if it is kept."""
        with self._lock:
            found = self._kept.get(key)
            if found is not None:
                self._kept.move_to_end(key)
            return found

    def keep(self, key: Key, chunk: NDArray[Any]) -> None:
        """Keep a chunk instead of those that nobody wanted for longest."""
        with self._lock:
            if key in self._kept:
                return
            self._kept[key] = chunk
            self._bytes += chunk.nbytes + _ENTRY_BYTES
            while self._bytes > MAX_KEPT_CHUNK_BYTES:
                self._bytes -= self._kept.popitem(last=False)[1].nbytes + _ENTRY_BYTES


class _Level(Struct, frozen=True, kw_only=True):
    """An array of the folder; ``factors`` is how many values of the finest level are one here, along z, y, x."""

    path: str
    layout: ArrayLayout
    factors: Shape

    @property
    def shape(self) -> Shape:
        z, y, x = self.layout.shape[-3:]
        return z, y, x

    def is_too_much(self, chunks: int) -> bool:
        """Whether so many chunks are more than one slice is cut from."""
        return chunks > MAX_SLICE_CHUNKS or chunks * self.layout.chunk_bytes > MAX_TOUCHED_BYTES


class MultiscaleVolume:
    """An OME-Zarr image. Of axes before z, the first of each is shown. Can be used from several threads."""

    def __init__(
        self, cid: Cid, facts: VolumeFacts, levels: tuple[_Level, ...], reader: DagReader, kept: ChunkCache
    ) -> None:
        self.cid, self.facts = cid, facts
        self._levels, self._reader, self._chunks = levels, reader, kept
        self._indices: OrderedDict[str, tuple[Cid | None, int, bytes]] = OrderedDict()
        self._index_bytes = 0
        self._lock = threading.Lock()

    def planes(self, axis: Axis, first: int, last: int, binning: int) -> Iterator[NDArray[Any]]:
        """See :class:`~etdb.web.volumes.volume.Volume`. Binned slices come from the coarsest level that divides it."""
        upright = AXES[axis]
        across = [n for n in range(3) if n != upright]
        number, level = self._level_for(binning, across)
        rows, columns = (max(1, self.facts.shape[n] // binning) for n in across)
        for at in range(first, last):
            index = min(level.shape[upright] - 1, at // level.factors[upright])
            plane = self._plane(number, level, upright, index, last - first)
            left = [max(1, binning // level.factors[n]) for n in across]
            yield binned(plane, *left)[:rows, :columns]

    def _level_for(self, binning: int, across: list[int]) -> tuple[int, _Level]:
        fitting = [
            (number, one)
            for number, one in enumerate(self._levels)
            if all(binning % one.factors[n] == 0 for n in across)
        ]
        return max(fitting, key=lambda pair: max(pair[1].factors[n] for n in across))

    def _plane(self, number: int, level: _Level, upright: int, index: int, thickness: int) -> NDArray[Any]:
        chunk = level.layout.chunk
        lead = len(chunk) - 3
        along = [range(-(-n // c)) for n, c in zip(level.shape, chunk[lead:], strict=True)]
        along[upright] = range(index // chunk[lead + upright], index // chunk[lead + upright] + 1)
        count = len(along[0]) * len(along[1]) * len(along[2])
        count *= 1 + thickness // chunk[lead + upright]
        if count > MAX_SLICE_CHUNKS:
            raise InputError(
                f"more than {MAX_SLICE_CHUNKS} chunks would be read for this slice",
                hint="raise the binning, or take fewer slices together",
            )
        if level.is_too_much(count):
            raise too_much()
        across = [n for n in range(3) if n != upright]
        out = np.empty([level.shape[n] for n in across], np.dtype(level.layout.dtype).newbyteorder("="))
        inside = index % chunk[lead + upright]
        for place in itertools.product(*along):
            values = self._chunk(number, level, (0,) * lead + place)
            cut = values[(0,) * lead].take(inside, axis=upright)
            start = [place[n] * chunk[lead + n] for n in across]
            part = out[start[0] : start[0] + cut.shape[0], start[1] : start[1] + cut.shape[1]]
            part[...] = cut[: part.shape[0], : part.shape[1]]
        return out

    def _chunk(self, number: int, level: _Level, place: tuple[int, ...]) -> NDArray[Any]:
        key = (str(self.cid), number, place)
        found = self._chunks.get(key)
        if found is None:
            data = self._packed(level, place)
            layout = level.layout
            found = (
                decode_chunk(layout, data)
                if data is not None
                else np.broadcast_to(np.dtype(layout.dtype).type(layout.fill), layout.chunk)
            )
            self._chunks.keep(key, found)
        return found

    def _packed(self, level: _Level, place: tuple[int, ...]) -> bytes | None:
        """A chunk's bytes as they are stored; None where the whole is the fill value."""
        layout = level.layout
        file, size, index = self._file(f"{level.path}/{layout.file_name(place)}", layout)
        if file is None:
            return None
        if layout.shard is None:
            return b"".join(self._reader.content(file))
        span = index_entry(layout, index, place, size)
        return None if span is None else b"".join(self._reader.content(file, *span))

    def _file(self, path: str, layout: ArrayLayout) -> tuple[Cid | None, int, bytes]:
        """The file of a chunk or shard, its size, and the shard's index."""
        with self._lock:
            if path in self._indices:
                self._indices.move_to_end(path)
                return self._indices[path]
        found: tuple[Cid | None, int, bytes]
        try:
            file = self._reader.resolve(self.cid, path)[-1]
        except NotFoundError:
            found = None, 0, b""
        else:
            size, index = self._reader.file_size(file), b""
            if layout.shard is not None:
                index = b"".join(self._reader.content(file, max(0, size - layout.index_bytes), size))
            elif size > 2 * layout.chunk_bytes + 1024:
                raise FormatError("a chunk of this Zarr is longer than its values")
            found = file, size, index
        with self._lock:
            if path not in self._indices:
                self._indices[path] = found
                self._index_bytes += len(found[2])
            while len(self._indices) > 512 or self._index_bytes > MAX_KEPT_INDEX_BYTES:
                self._index_bytes -= len(self._indices.popitem(last=False)[1][2])
        return found

    def sampled_levels(self) -> Levels:
        """Black and white for the finest level, from a few of its chunks."""
        level = self._levels[0]
        chunk = level.layout.chunk
        # Chunks at the far edges are partly fill.
        inner = [max(1, n // c) for n, c in zip(level.shape, chunk[-3:], strict=True)]
        total = inner[0] * inner[1] * inner[2]
        taken = []
        for n in spread_indices(total, _SAMPLED_CHUNKS):
            place = (n // (inner[1] * inner[2]), n // inner[2] % inner[1], n % inner[2])
            values = self._chunk(0, level, (0,) * (len(chunk) - 3) + place)[(0,) * (len(chunk) - 3)]
            z, y, x = (
                slice(0, min(c, extent - at * c)) for at, c, extent in zip(place, chunk[-3:], level.shape, strict=True)
            )
            taken.append(values[z, y, x])
        return robust_levels(taken)


def open_multiscale(cid: Cid, reader: DagReader, kept: ChunkCache) -> MultiscaleVolume:
    """The image in a folder.

    Raises:
        InputError: it is no OME-Zarr image of a volume, or one that is not read here.
        NotFoundError: its metadata are not here.
    """
    try:
        group_name = next((name for name in ("zarr.json", ".zattrs") if reader.find(cid, name) is not None), ".zattrs")
        group = _json(reader, cid, group_name)
        array_name = "zarr.json" if group_name == "zarr.json" else ".zarray"
        arrays = {path: _json(reader, cid, f"{path}/{array_name}") for path in level_paths(group)}
        image = parse_ome_zarr("", group, arrays)
        levels = _levels(image, arrays)
    except FormatError as error:
        raise InputError(f"this is not a volume that can be shown: {error.message}") from error
    spacing = image.levels[0].spacing_angstrom[-3:]
    known = all(one is not None for one in spacing)
    facts = VolumeFacts(
        kind="ome-zarr",
        shape=levels[0].shape,
        data_type=image.levels[0].data_type,
        voxel_spacing_angstrom=(spacing[2] or 0, spacing[1] or 0, spacing[0] or 0) if known else None,
        levels=Levels(0, 0),
        finest_binning=_finest(levels),
    )
    volume = MultiscaleVolume(cid, facts, levels, reader, kept)
    try:
        volume.facts = msgspec.structs.replace(facts, levels=volume.sampled_levels())
    except FormatError as error:
        raise InputError(f"this is not a volume that can be shown: {error.message}") from error
    return volume


def _levels(image: ZarrVolume, arrays: dict[str, Any]) -> tuple[_Level, ...]:
    if tuple(name.lower() for name in image.axes[-3:]) != ("z", "y", "x"):
        raise FormatError("its axes do not end with z, y and x")
    layouts = [parse_layout(arrays[one.path]) for one in image.levels]
    finest = layouts[0].shape[-3:]
    levels = []
    for one, layout in zip(image.levels, layouts, strict=True):
        z, y, x = (max(1, round(a / b)) for a, b in zip(finest, layout.shape[-3:], strict=True))
        # A level that is no whole fraction of the finest would not lie over it.
        if all(-(-a // f) == b or a // f == b for a, b, f in zip(finest, layout.shape[-3:], (z, y, x), strict=True)):
            levels.append(_Level(path=one.path, layout=layout, factors=(z, y, x)))
    return tuple(levels)


def _finest(levels: tuple[_Level, ...]) -> Shape:
    """The least binning along x, y and z for which the chunks of a slice are not too much."""
    found = []
    for upright in (2, 1, 0):
        across = [n for n in range(3) if n != upright]
        binning = 1
        for level in levels:
            chunk = level.layout.chunk[-3:]
            count = math.prod(-(-level.shape[n] // chunk[n]) for n in across)
            binning = max(level.factors[n] for n in across)
            if not level.is_too_much(count):
                break
        found.append(binning)
    return found[0], found[1], found[2]


def _json(reader: DagReader, folder: Cid, path: str) -> Any:
    file = reader.resolve(folder, path)[-1]
    if reader.file_size(file) > _MAX_JSON_BYTES:
        raise FormatError(f"metadata of a Zarr above {_MAX_JSON_BYTES} bytes")
    return load_json(b"".join(reader.content(file)))
