"""A node with its blocks folder: the node says which chain holds, what is buried comes from the folder."""

from __future__ import annotations

from contextlib import closing

import pytest

from etdb.errors import NotFoundError
from etdb.flo import REGTEST, BlockHeader, parse_header
from etdb.ledger import blockfolder_beside
from etdb.ledger.blockfolder import BlockFolder
from etdb.ledger.blockfolder_beside import FolderBesideNode
from etdb.ledger.blockfolder_files import BlockFolderError
from etdb.ledger.port import BlockRef


def hash_of(raw: bytes) -> str:
    return parse_header(raw[:80]).block_hash


def make_blocks(count: int, mark: int = 0, under: tuple[bytes, ...] = (REGTEST.genesis_block,)) -> list[bytes]:
    """A chain of so many blocks that only have a header worth looking at."""
    blocks = list(under)
    for height in range(len(under), count):
        header = BlockHeader(
            version=4, prev_hash=hash_of(blocks[-1]), merkle_root="00" * 32, time_s=height, bits=0x207FFFFF, nonce=mark
        )
        blocks.append(header.encode() + b"\0\0")
    return blocks


class ListNode:
    """A node that counts what it is asked for."""

    where = "http://node"

    def __init__(self, blocks: list[bytes]) -> None:
        self.held = blocks
        self.gave = 0

    def tip(self) -> BlockRef:
        return BlockRef(len(self.held) - 1, hash_of(self.held[-1]))

    def headers(self, start_height: int, count: int, *, with_blocks: bool = False) -> list[bytes]:
        found = [block[:80] for block in self.held[start_height : start_height + count]]
        self.gave += len(found)
        return found

    def blocks(self, hashes):
        by_hash = {hash_of(block): block for block in self.held}
        for one in hashes:
            if one not in by_hash:
                raise NotFoundError("not here")
            self.gave += 1
            yield by_hash[one]

    def close(self) -> None:
        self.held = []


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(blockfolder_beside, "_MUCH", 100)


@pytest.fixture
def opened(tmp_path):
    """Writes blocks into a folder; gives what opens it, which counts how often it did."""

    def write(blocks: list[bytes]):
        frames = (REGTEST.magic + len(block).to_bytes(4, "little") + block for block in [*blocks, blocks[0]])
        (tmp_path / "blk00000.dat").write_bytes(b"".join(frames))
        write.count = 0

        def open_folder() -> BlockFolder:
            write.count += 1
            return BlockFolder(tmp_path, REGTEST)

        return open_folder

    return write


def read(source: FolderBesideNode) -> list[bytes]:
    headers: list[bytes] = []
    while found := source.headers(len(headers), 37):
        headers += found
    return list(source.blocks([hash_of(one) for one in headers]))


BLOCKS = make_blocks(400)


def test_what_is_buried_comes_from_the_folder(opened):
    node = ListNode(BLOCKS)
    with closing(FolderBesideNode(node, opened(BLOCKS[:390]))) as source:
        assert read(source) == BLOCKS
        assert source.tip() == BlockRef(399, hash_of(BLOCKS[-1]))
        assert source.where == "http://node"
    assert node.gave == 1 + (399 - 289) + 10  # a look, headers above the buried ones, and blocks not on the disk yet
    assert opened.count == 1


def test_a_few_blocks_do_not_open_the_folder(opened):
    with closing(FolderBesideNode(ListNode(BLOCKS), opened(BLOCKS))) as source:
        assert source.headers(390, 100) == [one[:80] for one in BLOCKS[390:]]
        assert source.headers(0, 1) == [BLOCKS[0][:80]]
        assert list(source.blocks([hash_of(BLOCKS[390])])) == [BLOCKS[390]]
    assert opened.count == 0


def test_many_blocks_without_headers_open_it_too(opened):
    node = ListNode(BLOCKS)
    with closing(FolderBesideNode(node, opened(BLOCKS))) as source:
        for first in range(0, 400, 60):
            part = BLOCKS[first : first + 60]
            assert list(source.blocks([hash_of(one) for one in part])) == part
    assert node.gave == 120 + 1
    assert opened.count == 1


def test_of_a_long_chain_more_must_be_wanted_before_it_is_opened(opened, monkeypatch):
    monkeypatch.setattr(blockfolder_beside, "_LOOK_SHARE", 2)
    with closing(FolderBesideNode(ListNode(BLOCKS), opened(BLOCKS))) as source:
        assert len(source.headers(250, 20)) == 20
        assert opened.count == 0
        assert len(source.headers(190, 20)) == 20
        assert opened.count == 1


def test_the_folder_of_another_chain_is_named(opened):
    with (
        closing(FolderBesideNode(ListNode(BLOCKS), opened(make_blocks(400, mark=1)))) as source,
        pytest.raises(BlockFolderError, match=r"and the node at http://node have different blocks at height 299"),
    ):
        source.headers(0, 2000)


def test_the_branch_that_the_node_left_is_not_taken_from_the_folder(opened):
    """The folder's own choice among its blocks does not count near the tip."""
    other = make_blocks(380, mark=1, under=tuple(BLOCKS[:350]))
    with closing(FolderBesideNode(ListNode(other), opened([*BLOCKS, *other[350:]]))) as source:
        assert read(source) == other


def test_a_node_behind_its_folder_is_believed(opened):
    node = ListNode(BLOCKS[:150])
    with closing(FolderBesideNode(node, opened(BLOCKS))) as source:
        assert read(source) == BLOCKS[:150]
        with pytest.raises(NotFoundError):
            list(source.blocks(["11" * 32]))
