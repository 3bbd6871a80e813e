"""A node's blocks folder: in any order, torn, padded, hidden behind a key, with branches, or not one at all."""

from __future__ import annotations

import os
import random
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etdb.errors import NotFoundError, VerificationError
from etdb.flo import (
    MAX_BLOCK_BYTES,
    REGTEST,
    Block,
    BlockHeader,
    MerkleProof,
    Transaction,
    TxInput,
    TxOutput,
    build_coinbase,
    encode_block,
    merkle_root,
    parse_block,
    parse_header,
    parse_transaction,
    verify_proof,
)
from etdb.ledger import blockfolder
from etdb.ledger.blockfolder import BlockFolder
from etdb.ledger.blockfolder_chain import FolderBlock, FolderChain
from etdb.ledger.blockfolder_files import MAX_FILE_BYTES, MAX_TORN, BlockFolderError, FolderFiles

GENESIS = REGTEST.genesis_block
EASY = 0x207FFFFF
KEY = bytes.fromhex("0123456789abcdef")


def make_block(
    previous: bytes, height: int, texts: tuple[bytes, ...] = (), *, bits: int = EASY, mark: int = 0
) -> bytes:
    """A block over another one; without work, which a folder does not judge."""
    transactions = [build_coinbase(height, 100, b"\x51", b"")]
    transactions += [
        Transaction(inputs=(TxInput(f"{number + 1:064x}", mark, b""),), outputs=(TxOutput(1, b"\x51"),), flo_data=text)
        for number, text in enumerate(texts)
    ]
    header = BlockHeader(
        version=4,
        prev_hash=parse_header(previous[:80]).block_hash,
        merkle_root=merkle_root([one.txid for one in transactions]),
        time_s=1_600_000_000 + height,
        bits=bits,
        nonce=mark,
    )
    return encode_block(Block(header=header, transactions=tuple(transactions)))


def make_chain(count: int, start: bytes = GENESIS, height: int = 0, **more) -> list[bytes]:
    """Blocks above one of this height, lowest first; each third one has a text."""
    blocks, previous = [], start
    for at in range(height + 1, height + count + 1):
        texts = (b"text %d" % at,) if at % 3 == 0 else ()
        previous = make_block(previous, at, texts, **more)
        blocks.append(previous)
    return blocks


def frame(block: bytes) -> bytes:
    return REGTEST.magic + len(block).to_bytes(4, "little") + block


def hide(data: bytes, key: bytes) -> bytes:
    return bytes(byte ^ key[at % 8] for at, byte in enumerate(data))


def write(folder: Path, *files: bytes, key: bytes = b"") -> Path:
    folder.mkdir(exist_ok=True)
    if key:
        (folder / "xor.dat").write_bytes(key)
    for number, data in enumerate(files):
        (folder / f"blk{number:05d}.dat").write_bytes(hide(data, key) if key else data)
    return folder


def hash_of(block: bytes) -> str:
    return parse_header(block[:80]).block_hash


def read_all(folder: Path) -> list[bytes]:
    """Every block of the chain, by headers and then by hash."""
    with closing(BlockFolder(folder, REGTEST)) as source:
        tip = source.tip()
        headers = source.headers(0, tip.height + 1)
        assert parse_header(headers[-1]).block_hash == tip.block_hash
        return list(source.blocks([parse_header(one).block_hash for one in headers]))


CHAIN = [GENESIS, *make_chain(40)]


def test_blocks_come_in_the_order_of_their_chain(tmp_path):
    write(tmp_path, b"".join(map(frame, CHAIN[:20])), b"".join(map(frame, CHAIN[20:])))
    assert read_all(tmp_path) == CHAIN
    with closing(BlockFolder(tmp_path, REGTEST)) as source:
        assert source.tip().height == 40
        assert source.where == str(tmp_path)
        assert source.headers(39, 10) == [CHAIN[39][:80], CHAIN[40][:80]]
        assert source.headers(41, 10) == []


@settings(max_examples=40, deadline=None)
@given(
    order=st.randoms(use_true_random=False),
    cut=st.integers(1, 60),
    key=st.sampled_from([b"", KEY, bytes(8)]),
    padding=st.integers(0, 3000),
    again=st.integers(0, 5),
)
def test_any_order_gives_the_same_chain(tmp_path_factory, *, order, cut, key, padding, again):
    """With branches that lose, one that wins late, duplicates, padding and a hidden folder."""
    folder = tmp_path_factory.mktemp("any")
    loser = make_chain(5, CHAIN[30], 30, mark=1)
    branch = make_chain(6, CHAIN[38], 38, mark=2)
    strangers = make_chain(3, make_block(CHAIN[5], 6, mark=9), 6)
    blocks = [*CHAIN, *loser, *branch, *strangers]
    blocks += order.sample(blocks, again)
    order.shuffle(blocks)
    files = [b"".join(map(frame, part)) + bytes(padding) for part in (blocks[:cut], blocks[cut:])]
    write(folder, *files, key=key)
    assert read_all(folder) == CHAIN[:39] + branch


def test_of_two_tips_with_the_same_work_the_order_does_not_choose(tmp_path):
    tips = [make_block(CHAIN[40], 41, mark=mark) for mark in range(6)]
    found = set()
    for number in range(6):
        folder = tmp_path / str(number)
        random.Random(number).shuffle(tips)
        write(folder, b"".join(map(frame, [*CHAIN, *tips])))
        found.add(read_all(folder)[-1])
    assert len(found) == 1


def test_work_counts_not_length(tmp_path):
    heavy = make_chain(2, CHAIN[30], 30, bits=0x1F00FFFF)
    write(tmp_path, b"".join(map(frame, [*CHAIN, *heavy])))
    assert read_all(tmp_path) == CHAIN[:31] + heavy


@pytest.mark.parametrize("key", [b"", KEY])
def test_a_record_that_is_still_written_comes_with_the_next_look(tmp_path, key):
    """At whatever byte the node has come to: the tip is what is whole."""
    before = b"".join(map(frame, CHAIN[:-1]))
    last = frame(CHAIN[-1])
    for written in (1, 4, 8, 40, 87, 88, 90, len(last) - 6):  # its last five bytes are zeros
        for rest in (b"", bytes(len(last))):  # the end of the file, or room that the node took before
            folder = write(tmp_path, before + last[:written] + rest, key=key)
            with closing(BlockFolder(folder, REGTEST)) as source:
                assert source.tip().height == 39, (written, rest)
                write(tmp_path, before + last + rest, key=key)
                assert source.tip().block_hash == hash_of(CHAIN[-1])
                more = make_block(CHAIN[-1], 41)
                write(tmp_path, before + last + frame(more) + rest, key=key)
                assert source.tip().block_hash == hash_of(more)
                assert list(source.blocks([hash_of(more), hash_of(CHAIN[3])])) == [more, CHAIN[3]]


def test_what_a_crash_left_between_two_records_is_passed_over(tmp_path):
    data = [frame(one) for one in CHAIN]
    torn = frame(CHAIN[12])[:100]
    magic_at_a_chunks_end = b"\xfa\xbf" * 9 + REGTEST.magic[:3]
    huge = REGTEST.magic + (MAX_BLOCK_BYTES + 1).to_bytes(4, "little")
    data[10:10] = [torn]
    data[5:5] = [bytes(1 << 20), magic_at_a_chunks_end, huge, REGTEST.magic + bytes(200)]
    write(tmp_path, b"".join(data))
    assert read_all(tmp_path) == CHAIN


def test_a_folder_that_grows_by_a_file_and_changes_its_mind(tmp_path):
    write(tmp_path, b"".join(map(frame, CHAIN)))
    with closing(BlockFolder(tmp_path, REGTEST)) as source:
        assert source.tip().height == 40
        branch = make_chain(9, CHAIN[35], 35, mark=3)
        write(tmp_path, b"".join(map(frame, CHAIN)), b"".join(map(frame, branch)))
        assert source.tip().block_hash == hash_of(branch[-1])
        assert source.headers(34, 3) == [one[:80] for one in (CHAIN[34], CHAIN[35], branch[0])]
        assert list(source.blocks([hash_of(CHAIN[40]), hash_of(branch[0])])) == [CHAIN[40], branch[0]]


def test_a_chain_begins_at_a_checkpoint_and_the_old_blocks_are_let_go(tmp_path):
    network = msgspec.structs.replace(REGTEST, checkpoints=((20, hash_of(CHAIN[20])),))
    write(tmp_path, b"".join(map(frame, CHAIN)))
    with closing(BlockFolder(tmp_path, network, start_height=25)) as source:
        assert source.tip().height == 40
        assert source.headers(20, 50) == [one[:80] for one in CHAIN[20:]]
        assert [one.height for one in source.scan(30)] == list(range(30, 41))
        with pytest.raises(NotFoundError, match="from block 20 on"):
            source.headers(19, 1)
        with pytest.raises(NotFoundError, match="does not have block"):
            list(source.blocks([hash_of(CHAIN[19])]))


def test_texts_come_with_what_proves_their_place(tmp_path):
    texts = (b"one", b"", b"\x00\xfftwo", b"three")
    chain = [*CHAIN, make_block(CHAIN[40], 41, texts)]
    write(tmp_path, b"".join(map(frame, chain)))
    with closing(BlockFolder(tmp_path, REGTEST)) as source:
        found = list(source.scan(1))
        assert [(one.height, one.block_hash) for one in found] == [
            (height, hash_of(block)) for height, block in enumerate(chain[1:], 1)
        ]
        for one, raw in zip(found, chain[1:], strict=True):
            block = parse_block(raw)
            expected = [(at, each) for at, each in enumerate(block.transactions) if each.flo_data]
            assert [(text.position, text.txid, text.flo_data) for text, _ in one.texts] == [
                (at, each.txid, each.flo_data) for at, each in expected
            ]
            for text, branch in one.texts:
                assert parse_transaction(raw[text.offset : text.offset + text.length]).txid == text.txid
                verify_proof(MerkleProof(txid=text.txid, index=text.position, branch=branch), block.header.merkle_root)
        chosen = list(source.scan(0, is_wanted=lambda text: text == b"three"))
        assert [one.height for one in chosen] == list(range(42))
        assert [text.flo_data for one in chosen for text, _ in one.texts] == [b"three"]


def test_a_chain_that_changes_under_a_scan_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(blockfolder, "_AHEAD", 10)
    write(tmp_path, b"".join(map(frame, CHAIN)))
    with closing(BlockFolder(tmp_path, REGTEST)) as source:
        scan = source.scan(30)
        assert next(scan).height == 30
        write(tmp_path, b"".join(map(frame, CHAIN + make_chain(9, CHAIN[35], 35, mark=3))))
        source.tip()
        with pytest.raises(BlockFolderError, match="changed while it was read"):
            list(scan)


def test_a_text_that_was_changed_on_the_disk_is_found(tmp_path):
    data = b"".join(map(frame, CHAIN))
    write(tmp_path, data.replace(b"text 21", b"text 12"))
    with closing(BlockFolder(tmp_path, REGTEST)) as source, pytest.raises(VerificationError, match=hash_of(CHAIN[21])):
        list(source.scan(0))


def test_a_file_that_was_made_anew_behind_our_back_is_named(tmp_path):
    write(tmp_path, b"".join(map(frame, CHAIN)))
    with closing(BlockFolder(tmp_path, REGTEST)) as source:
        source.tip()
        with (tmp_path / "blk00000.dat").open("r+b") as file:
            file.truncate(5000)
        with pytest.raises(BlockFolderError, match=r"blk00000\.dat no longer has block"):
            list(source.blocks([hash_of(CHAIN[40])]))


def test_a_pruned_file_is_named(tmp_path):
    write(tmp_path, b"".join(map(frame, CHAIN[:20])), b"".join(map(frame, CHAIN[20:])))
    with closing(BlockFolder(tmp_path, REGTEST)) as source:
        source.tip()
    (tmp_path / "blk00000.dat").unlink()
    with closing(BlockFolder(tmp_path, REGTEST)) as source, pytest.raises(BlockFolderError, match="height 0") as caught:
        source.tip()
    assert "pruned" in caught.value.hint


@pytest.mark.parametrize("name", ["nowhere", "empty"])
def test_a_folder_without_blocks_is_named(tmp_path, name):
    (tmp_path / "empty").mkdir()
    with pytest.raises(BlockFolderError, match=name), closing(BlockFolder(tmp_path / name, REGTEST)) as source:
        source.tip()


def test_a_key_of_another_length_is_refused(tmp_path):
    write(tmp_path, frame(GENESIS), key=KEY)
    (tmp_path / "xor.dat").write_bytes(KEY + b"x")
    with pytest.raises(BlockFolderError, match="not a key of 8 bytes"):
        BlockFolder(tmp_path, REGTEST)


def test_what_is_no_block_file_is_refused(tmp_path):
    os.mkfifo(tmp_path / "blk00000.dat")
    with closing(BlockFolder(tmp_path, REGTEST)) as source, pytest.raises(BlockFolderError, match="is not a file"):
        source.tip()
    (tmp_path / "blk00000.dat").unlink()
    with (tmp_path / "blk00000.dat").open("wb") as file:
        file.truncate(MAX_FILE_BYTES + 1)
    with closing(BlockFolder(tmp_path, REGTEST)) as source, pytest.raises(BlockFolderError, match="more than a node"):
        source.tip()


def test_a_file_full_of_false_records_is_given_up(tmp_path):
    false = (REGTEST.magic + (100).to_bytes(4, "little") + bytes(100) + b"!") * (MAX_TORN + 1)
    write(tmp_path, frame(GENESIS) + false)
    with closing(BlockFolder(tmp_path, REGTEST)) as source, pytest.raises(BlockFolderError, match="torn records"):
        source.tip()


@given(data=st.binary(max_size=400), at=st.integers(0, 3))
def test_any_bytes_are_a_folder_or_a_named_error(tmp_path_factory, data, at):
    pieces = [frame(GENESIS), frame(CHAIN[1]), frame(CHAIN[2])]
    pieces.insert(at, data)
    folder = write(tmp_path_factory.mktemp("bytes"), b"".join(pieces))
    with closing(FolderFiles(folder, REGTEST.magic)) as files:
        frames = list(files.frames(0, 0))
    headers = {one.header for one in frames}
    assert CHAIN[2][:80] in headers or at == 3 or REGTEST.magic in data


# -- the chain by itself: what it keeps has a bound


def places(blocks: list[bytes]) -> list[FolderBlock]:
    return [FolderBlock(block[:80], 0, at, len(block)) for at, block in enumerate(blocks)]


def feed(blocks: list[bytes], **limits: int) -> FolderChain:
    chain = FolderChain(0, bytes.fromhex(REGTEST.genesis_hash)[::-1], **limits)
    for block in places(blocks):
        chain.feed(block)
        assert chain.waiting <= limits.get("max_waiting", 50_000)
    chain.settle()
    return chain


@given(order=st.randoms(use_true_random=False), room=st.integers(1, 50))
@settings(deadline=None)
def test_few_may_wait_and_still_all_find_their_place(order, room):
    blocks = list(CHAIN)
    order.shuffle(blocks)
    with closing(feed(blocks, max_waiting=room)) as chain:
        assert [one.header for one in chain.read(0, 100)] == [one[:80] for one in CHAIN]


def test_the_other_way_round(tmp_path):
    with closing(feed(CHAIN[::-1], max_waiting=3, scratch=tmp_path)) as chain:
        assert chain.height == 40
    assert list(tmp_path.iterdir()) == []


def test_branches_that_begin_too_deep_or_are_too_many_do_not_win():
    deep = make_chain(60, CHAIN[3], 3, mark=1)
    with closing(feed([*CHAIN, *deep], reach=10)) as chain:
        assert chain.height == 40
    beside = [make_block(CHAIN[20], 21, mark=mark) for mark in range(1, 40)]
    best = make_chain(30, CHAIN[30], 30, mark=50)
    with closing(feed([*CHAIN, *beside, *best, *beside], max_side=20)) as chain:
        assert chain.read(60, 1)[0].header == best[-1][:80]
    long = make_chain(36, CHAIN[3], 3, mark=7, bits=0x207FFFFF)
    with closing(feed([*CHAIN, *long, *best], max_side=20)) as chain:
        assert chain.read(60, 1)[0].header == best[-1][:80]


def test_a_header_whose_target_is_none_is_passed_over():
    with closing(feed([*CHAIN, make_block(CHAIN[40], 41, bits=0xFF000000)])) as chain:
        assert chain.height == 40
        assert chain.height_of(b"x" * 32) is None
