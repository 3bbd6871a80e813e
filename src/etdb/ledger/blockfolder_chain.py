"""From blocks in the order of a folder to one chain: the one with the most work that begins at a known block.

Memory has a bound whatever the order: the chain lies in a temporary file with a record for each height, only its top
is at hand by hash, and of the blocks that wait for their parent those that waited longest are put aside on disk and
looked at again. Links and claimed work are all that counts here; the rules are the header chain's to judge.
"""

from __future__ import annotations

import functools
import struct
import tempfile
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Final, NamedTuple

from etdb.durable import storage_errors
from etdb.errors import FormatError
from etdb.flo import bits_to_target, sha256d

__all__ = ["FolderBlock", "FolderChain"]

_RECORD: Final = struct.Struct("<80sIII")
_BUFFER_BYTES: Final = 1 << 20
_READ_RECORDS: Final = 8_192


class FolderBlock(NamedTuple):
    """A block by its header, and where it lies: the file's number, the offset and length of its bytes."""

    header: bytes
    file: int
    offset: int
    length: int

    @property
    def previous(self) -> bytes:
        """The hash of the block before it."""
        return self.header[4:36]


@functools.lru_cache(maxsize=4_096)
def _claimed_work(bits: bytes) -> int:
    return (1 << 256) // (bits_to_target(int.from_bytes(bits, "little")) + 1)


class _Side(NamedTuple):
    block: FolderBlock
    height: int
    work: int


class _Records:
    """Blocks one behind another in a temporary file without a name."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder or Path(tempfile.gettempdir())
        with storage_errors(self._folder):
            self._file = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115
        self._buffer = bytearray()
        self._written = 0
        self.count = 0

    def append(self, block: FolderBlock) -> None:
        self._buffer += _RECORD.pack(*block)
        self.count += 1
        if len(self._buffer) >= _BUFFER_BYTES:
            self._flush()

    def read(self, first: int, count: int) -> list[FolderBlock]:
        self._flush()
        count = max(0, min(count, self.count - first))
        with storage_errors(self._folder):
            self._file.seek(first * _RECORD.size)
            data = self._file.read(count * _RECORD.size)
        return [FolderBlock(*fields) for fields in _RECORD.iter_unpack(data)]

    def cut(self, count: int) -> None:
        self._flush()
        self.count = self._written = count

    def close(self) -> None:
        self._file.close()

    def _flush(self) -> None:
        if not self._buffer:
            return
        with storage_errors(self._folder):
            self._file.seek(self._written * _RECORD.size)
            data = memoryview(self._buffer)
            while data:
                data = data[self._file.write(data) :]
        self._written = self.count
        self._buffer = bytearray()


class FolderChain:
    """Takes blocks in any order, and holds the chain of the most work above a known block.

    Of two chains with the same work it holds the one whose last hash is lower: so the order does not matter.

    Args:
        root_height: of the known block.
        root_hash: of the known block, in wire order.
        scratch: where temporary files are made; the system's place when None.
        reach: how deep below its tip a better chain may branch off.
        max_waiting: how many blocks wait in memory for their parent.
        max_side: how many blocks of other branches are kept.
    """

    def __init__(
        self,
        root_height: int,
        root_hash: bytes,
        *,
        scratch: Path | None = None,
        reach: int = 10_000,
        max_waiting: int = 50_000,
        max_side: int = 20_000,
    ) -> None:
        self.root_height = root_height
        self._root_hash = root_hash
        self._scratch = scratch
        self._reach = reach
        self._max_waiting = max_waiting
        self._max_side = max_side
        self._records = _Records(scratch)
        self._aside: _Records | None = None
        self._top: dict[bytes, tuple[int, int]] = {}
        """Hash to height and work of the last blocks of the chain, lowest first."""
        self._side: dict[bytes, _Side] = {}
        self._waiting: dict[bytes, list[FolderBlock]] = {}
        self._waiting_count = 0
        self._tip = b""
        self._work = 0

    @property
    def height(self) -> int:
        """Of the newest block; one below the root's when not even that was seen."""
        return self.root_height + self._records.count - 1

    @property
    def tip_hash(self) -> bytes:
        """Of the newest block, in wire order; empty when there is none."""
        return self._tip

    @property
    def waiting(self) -> int:
        """How many blocks wait in memory for their parent."""
        return self._waiting_count

    def read(self, height: int, count: int) -> list[FolderBlock]:
        """Blocks of the chain from a height on."""
        return self._records.read(height - self.root_height, count) if height >= self.root_height else []

    def height_of(self, block_hash: bytes) -> int | None:
        """The height of a block of the chain. Quick near the tip; all headers are hashed for one far below."""
        if (at := self._top.get(block_hash)) is not None:
            return at[0]
        for first in range(0, self._records.count, _READ_RECORDS):
            for place, block in enumerate(self._records.read(first, _READ_RECORDS), first):
                if sha256d(block.header) == block_hash:
                    return self.root_height + place
        return None

    def beside(self, block_hash: bytes) -> FolderBlock | None:
        """A block of another branch that is kept."""
        side = self._side.get(block_hash)
        return side.block if side is not None else None

    def feed(self, block: FolderBlock) -> int:
        """Take a block: it goes on the chain, beside it, or waits for its parent.

        Returns:
            How many blocks found their place: this one, and those that waited for it.
        """
        previous = block[0][4:36]
        if previous != self._tip and previous not in self._top and previous not in self._side:
            if not self._tip:
                return self._begin(block, previous)
            self._wait(block, previous)
            return 0
        linked = 0
        blocks = [block]
        waiting = self._waiting
        while blocks:
            block = blocks.pop()
            header = block[0]
            block_hash = sha256(sha256(header).digest()).digest()
            try:
                work = _claimed_work(header[72:76])
            except FormatError:
                continue  # no block's header
            if header[4:36] == self._tip:
                self._push(block, block_hash, self._work + work)
            elif not self._put_beside(block, block_hash, work):
                continue
            linked += 1
            if block_hash in waiting:
                children = waiting.pop(block_hash)
                self._waiting_count -= len(children)
                blocks += children
        return linked

    def settle(self) -> None:
        """Look at what was put aside once more, until nothing of it finds its parent."""
        linked = 1
        while linked and (aside := self._take_aside()) is not None:
            linked = sum(self.feed(block) for block in _each(aside))
            aside.close()
        if (rest := self._take_aside()) is not None:
            rest.close()

    def close(self) -> None:
        """Let go of the temporary files."""
        self._records.close()
        if (aside := self._take_aside()) is not None:
            aside.close()

    # -- inside

    def _take_aside(self) -> _Records | None:
        aside, self._aside = self._aside, None
        return aside

    def _begin(self, block: FolderBlock, previous: bytes) -> int:
        """Take a block whose parent is not here: it waits, unless it is the known one."""
        if sha256d(block[0]) != self._root_hash:
            self._wait(block, previous)
            return 0
        self._push(block, self._root_hash, _claimed_work(block.header[72:76]))
        children = self._waiting.pop(self._root_hash, [])
        self._waiting_count -= len(children)
        return 1 + sum(map(self.feed, children))

    def _put_beside(self, block: FolderBlock, block_hash: bytes, work: int) -> bool:
        """Keep a block that follows another one than the tip; whether it is new."""
        if block_hash in self._top or block_hash in self._side:
            return False
        if (parent := self._top.get(block.previous)) is not None:
            height, work = parent[0] + 1, parent[1] + work
        elif (beside := self._side.get(block.previous)) is not None:
            height, work = beside.height + 1, beside.work + work
        else:
            return False  # its parent was let go meanwhile
        self._side[block_hash] = _Side(block, height, work)
        if (work, self._tip[::-1]) > (self._work, block_hash[::-1]):
            self._switch(block_hash)
        if len(self._side) > self._max_side:
            self._shed()
        return True

    def _push(self, block: FolderBlock, block_hash: bytes, work: int) -> None:
        records = self._records
        top = self._top
        top[block_hash] = (self.root_height + records.count, work)
        records.append(block)
        self._tip, self._work = block_hash, work
        if len(top) > 2 * self._reach:
            for old in list(top)[: self._reach]:
                del top[old]

    def _switch(self, block_hash: bytes) -> None:
        """Make a branch the chain; what it replaces is kept beside it. One that begins too deep stays beside."""
        branch = []
        while (one := self._side.get(block_hash)) is not None:
            branch.append((block_hash, one))
            block_hash = one.block.previous
        if block_hash not in self._top:
            return
        fork = self._top[block_hash][0]
        above = list(self._top.items())[fork - self.height :] if fork < self.height else []
        for (old_hash, (height, work)), block in zip(above, self.read(fork + 1, len(above)), strict=True):
            self._side[old_hash] = _Side(block, height, work)
            del self._top[old_hash]
        self._records.cut(fork - self.root_height + 1)
        for new_hash, one in reversed(branch):
            del self._side[new_hash]
            self._push(one.block, new_hash, one.work)

    def _wait(self, block: FolderBlock, previous: bytes) -> None:
        if previous in self._waiting:
            self._waiting[previous].append(block)
        else:
            self._waiting[previous] = [block]
        self._waiting_count += 1
        while self._waiting_count > self._max_waiting:
            longest = self._waiting.pop(next(iter(self._waiting)))
            self._waiting_count -= len(longest)
            if self._aside is None:
                self._aside = _Records(self._scratch)
            for one in longest:
                self._aside.append(one)

    def _shed(self) -> None:
        """Let go of the branches that lead to less work, until half of what is allowed is left."""
        leads_to: dict[bytes, int] = {}
        for block_hash, one in sorted(self._side.items(), key=lambda item: item[1].height, reverse=True):
            most = leads_to[block_hash] = max(leads_to.get(block_hash, 0), one.work)
            parent = one.block.previous
            leads_to[parent] = max(leads_to.get(parent, 0), most)
        best_first = sorted(self._side, key=lambda one: (-leads_to[one], self._side[one].height))
        self._side = {one: self._side[one] for one in best_first[: self._max_side // 2]}


def _each(records: _Records) -> Iterator[FolderBlock]:
    for first in range(0, records.count, _READ_RECORDS):
        yield from records.read(first, _READ_RECORDS)
