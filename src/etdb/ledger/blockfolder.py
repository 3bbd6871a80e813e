"""A FLO node's blocks folder as a source of blocks: the fast way to the whole chain, beside a node that may be running.

    with closing(BlockFolder(Path("~/.flo/blocks").expanduser(), MAIN, start_height=2_600_000)) as folder:
        for block in folder.scan(2_600_000):
            ...                                 # height, hash, and its texts with what proves their places

Nothing is written into the folder. The first look reads the header of each block and notes its place; later ones go on
from there. What the folder gives is only claimed, as with every source.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Final

import msgspec

from etdb.errors import NotFoundError
from etdb.flo import (
    FloDataTx,
    Network,
    display_hex,
    internal_bytes,
    scan_proofs,
    sha256d,
)
from etdb.ledger.blockfolder_chain import FolderBlock, FolderChain
from etdb.ledger.blockfolder_files import BlockFolderError, FolderFiles
from etdb.ledger.blocksource import MAX_HEADERS
from etdb.ledger.port import BlockRef

__all__ = ["BlockFolder", "BlockTexts"]

_AHEAD: Final = 2_000


class BlockTexts(msgspec.Struct, frozen=True, gc=False):
    """A block of the chain, and those of its texts that were asked for, each with the Merkle branch of its place."""

    height: int
    block_hash: str
    texts: tuple[tuple[FloDataTx, tuple[bytes, ...]], ...]


class BlockFolder:
    """The blocks of a folder as a ``BlockSource``.

    Args:
        folder: the node's ``blocks``.
        network: whose blocks they are.
        start_height: from where on they are wanted: the chain begins at the last checkpoint that is not above it, or
            at the network's first block.
        scratch: where temporary files are made, 92 bytes a block; the system's place when None.

    Raises:
        BlockFolderError: it cannot be read.
    """

    def __init__(self, folder: Path, network: Network, *, start_height: int = 0, scratch: Path | None = None) -> None:
        self._network = network
        self._files = FolderFiles(folder, network.magic)
        root = network.known_height(start_height)
        self._root_hash = dict(network.checkpoints).get(root, network.genesis_hash)
        self._chain = FolderChain(root, internal_bytes(self._root_hash), scratch=scratch)
        self._next: dict[int, int] = {}
        """By file, the offset behind the last block that was seen in it."""
        self._ahead: dict[bytes, FolderBlock] = {}
        self._ahead_from = root

    @property
    def where(self) -> str:
        """The folder."""
        return str(self._files.folder)

    def tip(self) -> BlockRef:
        """The newest block, after a look at what the node has written since the last time.

        Raises:
            BlockFolderError: the folder cannot be read, or does not have the block that the chain begins with.
        """
        numbers = self._look()
        if not self._chain.tip_hash:
            wanted = f"the block {self._root_hash} of height {self._chain.root_height}"
            raise BlockFolderError(
                f"{self.where} does not have {wanted}" if numbers else f"{self.where} has no block files",
                hint=f"it should be the `blocks` folder of a node of {self._network.name} that is not pruned",
                path=self.where,
            )
        return BlockRef(self._chain.height, display_hex(self._chain.tip_hash))

    def headers(self, start_height: int, count: int, *, with_blocks: bool = False) -> list[bytes]:
        """Headers from a height on.

        Raises:
            NotFoundError: the chain here begins above.
        """
        if not self._chain.tip_hash:
            self.tip()
        if start_height < self._chain.root_height:
            raise NotFoundError(
                f"the chain of {self.where} was read from block {self._chain.root_height} on, not from {start_height}",
                path=self.where,
            )
        count = min(count, MAX_HEADERS)
        if with_blocks:
            return [block.header for block in self._fill(start_height, count)]
        return [block.header for block in self._chain.read(start_height, count)]

    def blocks(self, hashes: Sequence[str]) -> Iterator[bytes]:
        """Whole blocks, in the order asked: quickest when that is the order of the chain."""
        for shown in hashes:
            block_hash = internal_bytes(shown)
            block = self._ahead.pop(block_hash) if block_hash in self._ahead else self._find(block_hash, shown)
            yield self._read(block, shown)

    def scan(self, start_height: int, *, is_wanted: Callable[[bytes], bool] | None = None) -> Iterator[BlockTexts]:
        """Blocks of the chain from a height up to the tip that the last look saw, in order.

        Each follows the one before it, and has the transactions of its header where a text depends on them.

        Args:
            start_height: of the first block.
            is_wanted: which texts are given, by their floData; None gives all.

        Raises:
            BlockFolderError: the folder cannot be read, a block is no longer there, or another chain is better since.
            FormatError, VerificationError: a block is not what its header says.
        """
        if not self._chain.tip_hash:
            self.tip()
        height, last = max(start_height, self._chain.root_height), b""
        while blocks := self._chain.read(height, _AHEAD + 1):
            # The hash of a block stands in the one behind it, or is that of the tip.
            if last and blocks[0].previous != last:
                raise BlockFolderError(f"the chain of {self.where} changed while it was read", hint="try again")
            hashes = [one.previous for one in blocks[1:]]
            if len(blocks) <= _AHEAD:
                hashes.append(sha256d(blocks[-1].header))
            for block, block_hash in zip(blocks, hashes, strict=False):
                found = scan_proofs(self._read(block, None))
                yield BlockTexts(
                    height,
                    display_hex(block_hash),
                    tuple(one for one in found if is_wanted is None or is_wanted(one[0].flo_data)) if found else (),
                )
                height += 1
            last = hashes[-1]

    def close(self) -> None:
        """Let go of files."""
        self._files.close()
        self._chain.close()

    # -- inside

    def _look(self) -> list[int]:
        files, chain = self._files, self._chain
        files.forget()
        numbers = files.numbers()
        for number in numbers:
            end = self._next.get(number)
            if end is not None and not files.begins_record(number, end):
                continue
            end = end or 0
            for block in files.frames(number, end):
                chain.feed(block)
                end = block[2] + block[3]  # by place: this runs for every block of the chain
            self._next[number] = end
        chain.settle()
        return numbers

    def _find(self, block_hash: bytes, shown: str) -> FolderBlock:
        if not self._chain.tip_hash:
            self.tip()
        self._fill(self._ahead_from, _AHEAD)
        if block_hash not in self._ahead and (height := self._chain.height_of(block_hash)) is not None:
            self._fill(height, _AHEAD)
        block = self._ahead.pop(block_hash, None) or self._chain.beside(block_hash)
        if block is None:
            raise NotFoundError(
                f"{self.where} does not have block {shown}",
                hint="is the node's chain another one, or is it pruned?",
                path=self.where,
                block_hash=shown,
            )
        return block

    def _fill(self, height: int, count: int) -> list[FolderBlock]:
        """Have blocks at hand by their hashes: each but the last has its in the one behind it."""
        blocks = self._chain.read(height, count)
        self._ahead = {after.header[4:36]: block for block, after in pairwise(blocks)}
        if blocks:
            self._ahead[sha256d(blocks[-1].header)] = blocks[-1]
        self._ahead_from = height + len(blocks)
        return blocks

    def _read(self, block: FolderBlock, shown: str | None) -> bytes:
        header, file, offset, length = block
        raw = self._files.read_near(file, offset, length)
        if not raw.startswith(header) or len(raw) != length:
            path = self._files.path(block.file)
            raise BlockFolderError(
                f"{path} no longer has block {shown or display_hex(sha256d(block.header))} at byte {block.offset}",
                hint="was the node's chain made anew, or pruned? Try again; look at its disk when it stays so",
                path=str(path),
                offset=block.offset,
            )
        return raw
