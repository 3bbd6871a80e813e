"""A ledger in one file: what it gives back, that it has one form, and that nothing else is taken for one."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
from contextlib import closing

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from etdb.errors import FormatError, InputError, LedgerError, NotFoundError, StorageError, VerificationError
from etdb.flo import MAIN, REGTEST, TESTNET, MerkleProof, make_proof, parse_block, parse_header, sha256d, verify_proof
from etdb.ledger import LocalChain, Outpoint, archive_format, archive_scan
from etdb.ledger.archive import LedgerFile
from etdb.ledger.archive_format import (
    DIGEST_BYTES,
    FRAME_BYTES,
    Preamble,
    Section,
    encode_end,
    encode_frame,
    encode_preamble,
    encode_section,
    header_stub,
    parse_frame,
    parse_preamble,
    parse_section,
)
from etdb.ledger.archive_proofs import BlockProof, join_branches, split_proof
from etdb.ledger.archive_scan import expand_section
from etdb.ledger.archive_writing import export_ledger


def export(ledger, path, **options):
    return export_ledger(ledger, path, network_name="regtest", **{"messages": "all", **options})


@pytest.fixture
def filled(chain, wallet, address):
    """A chain with messages in several blocks, seven in one."""
    for count in (7, 1, 2):
        for number in range(count):
            chain.submit(wallet.sign(b"text:%d of %d" % (number, count)).raw)
        chain.settle()
        chain.mine(2, address)
    return chain


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """The bytes of a small file: three blocks, two with a message of their miner."""
    folder = tmp_path_factory.mktemp("small")
    with closing(LocalChain(folder / "chain", writable=True)) as chain:
        chain.mine(1, flo_data=b"text:one")
        chain.mine(1)
        chain.mine(1, flo_data=b"text:two")
        export(chain, folder / "small.etdb-ledger")
    return (folder / "small.etdb-ledger").read_bytes()


def opened(path):
    with closing(LedgerFile(path)) as ledger:
        return list(ledger.blocks(0))


def mended(data):
    """The same bytes with the digests that belong to them, as who changes a file on purpose would leave it."""
    _, offset = parse_preamble(data[:1024])
    out = data[:offset]
    while True:
        is_end, length = parse_frame(data[offset : offset + FRAME_BYTES], offset)
        out += data[offset : offset + FRAME_BYTES + length]
        out += hashlib.sha256(out).digest()
        offset += FRAME_BYTES + length + DIGEST_BYTES
        if is_end:
            return out + data[offset:]


def file_of(preamble, *sections):
    out = encode_preamble(preamble)
    for section in sections:
        payload = encode_section(section)
        out += encode_frame(payload) + payload
        out += hashlib.sha256(out).digest()
    tip, count = bytes.fromhex(preamble.after)[::-1], 0
    for section in sections:
        tip, count = sha256d(expand_section(section, tip)[-1]), count + len(section.stubs)
    end = encode_end(preamble.start + count - 1, tip)
    out += encode_frame(end, is_end=True) + end
    return out + hashlib.sha256(out).digest()


# -- what it gives back


def test_the_file_says_what_the_chain_says(filled, tmp_path):
    report = export(filled, tmp_path / "f")
    assert report.tip_hash == filled.tip().block_hash
    assert report.new_blocks == filled.tip().height + 1
    assert report.sha256 == hashlib.sha256((tmp_path / "f").read_bytes()).hexdigest()
    with closing(LedgerFile(tmp_path / "f")) as ledger:
        assert ledger.tip() == filled.tip()
        assert list(ledger.blocks(0)) == list(filled.blocks(0))
        assert ledger.headers(0, 10_000) == filled.headers(0, 10_000)
        assert ledger.headers(3, 2) == filled.headers(3, 2)
        messages = [message for block in filled.blocks(0) for message in block.messages]
        assert report.messages == len(messages) > 9
        for message in messages:
            assert ledger.evidence(message.txid) == filled.evidence(message.txid)
            assert ledger.raw(message.txid) == filled.raw(message.txid)
            assert ledger.status(message.txid) == filled.status(message.txid)


def test_messages_can_be_chosen(filled, wallet, tmp_path):
    """The protocol's texts, well-formed or not, and nothing else."""
    texts = (b"oip-mp(0,1,", b'text:json:{"a":1}', b"json:", b"p64:!", b"hello", b"\xff\x00")
    for text in texts:
        filled.submit(wallet.sign(text).raw)
    filled.settle()
    export(filled, tmp_path / "f", messages="oip")
    with closing(LedgerFile(tmp_path / "f")) as ledger:
        assert ledger.checked.preamble.messages == "oip"
        found = [message.data for block in ledger.blocks(0) for message in block.messages]
        assert sorted(found) == sorted(texts[:4])
        assert ledger.tip() == filled.tip()
    with pytest.raises(InputError, match="no selection"):
        export(filled, tmp_path / "g", messages="some")


def test_what_a_file_cannot_know_is_refused_not_guessed(small, tmp_path):
    (tmp_path / "f").write_bytes(small)
    with closing(LedgerFile(tmp_path / "f")) as ledger:
        for ask in (lambda: ledger.coins("x"), lambda: ledger.submit(b"x"), lambda: ledger.spender(Outpoint("00", 0))):
            with pytest.raises(LedgerError, match="does not have"):
                ask()
        with pytest.raises(NotFoundError):
            ledger.evidence("not hexadecimal")


# -- one form


def test_the_same_chain_gives_the_same_bytes_however_it_came(filled, address, tmp_path, monkeypatch):
    """Written at once, gone on with at each height, or copied from a file."""
    monkeypatch.setattr(archive_format, "SECTION_BLOCKS", 40)
    once, grown = tmp_path / "once", tmp_path / "grown"
    for _ in range(4):
        before = filled.tip().height if grown.exists() else -1
        filled.mine(17, address, flo_data=b"text:more")
        report = export(filled, grown)
        assert report.new_blocks == filled.tip().height - before
        once.unlink(missing_ok=True)
        assert export(filled, once) == msgspec.structs.replace(report, new_blocks=filled.tip().height + 1)
        assert grown.read_bytes() == once.read_bytes()
    assert export(filled, grown).new_blocks == 0
    with closing(LedgerFile(grown)) as ledger:
        assert len(ledger.checked.sections) > 3
        export(ledger, tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == once.read_bytes()


def test_a_file_follows_its_chain_through_a_reorganisation(filled, folder, address, tmp_path, monkeypatch):
    monkeypatch.setattr(archive_format, "SECTION_BLOCKS", 20)
    with closing(LocalChain(folder.parent / "other", writable=True)) as other:
        for height in range(1, filled.tip().height - 30):
            other.append_block(filled.raw_block(height))
        export(filled, tmp_path / "f")
        other.mine(50, address, flo_data=b"text:the other side")
        report = export(other, tmp_path / "f")
        export(other, tmp_path / "new")
        assert report.tip_hash == other.tip().block_hash
    assert (tmp_path / "f").read_bytes() == (tmp_path / "new").read_bytes()


def test_a_full_section_ends_before_it_is_too_long(filled, tmp_path, monkeypatch):
    monkeypatch.setattr(archive_format, "MAX_SECTION_BYTES", 3_000)
    export(filled, tmp_path / "f")
    with closing(LedgerFile(tmp_path / "f")) as ledger:
        sections = ledger.checked.sections
        assert len(sections) > 2
        assert all(one.length <= 3_000 for one in sections)
        assert list(ledger.blocks(0)) == list(filled.blocks(0))


def test_a_section_that_ends_too_early_is_refused(small, tmp_path):
    with closing(LedgerFile(write(tmp_path, small))) as ledger:
        stubs = tuple(header_stub(one) for one in ledger.headers(0, 10))
        preamble = msgspec.structs.replace(ledger.checked.preamble, messages="all")
    assert opened(write(tmp_path, file_of(preamble, Section(stubs, ()))))
    with pytest.raises(FormatError, match="before it is full"):
        opened(write(tmp_path, file_of(preamble, Section(stubs[:2], ()), Section(stubs[2:], ()))))


def test_another_file_is_not_gone_on_with(filled, tmp_path):
    export(filled, tmp_path / "f")
    before = (tmp_path / "f").read_bytes()
    with pytest.raises(InputError, match="something else"):
        export(filled, tmp_path / "f", messages="oip")
    (tmp_path / "f").write_bytes(before[:-1])
    with pytest.raises(FormatError):
        export(filled, tmp_path / "f")
    assert (tmp_path / "f").read_bytes() == before[:-1]


def test_a_ledger_that_is_behind_does_not_shorten_a_file(filled, folder, tmp_path):
    export(filled, tmp_path / "f")
    before = (tmp_path / "f").read_bytes()
    with closing(LocalChain(folder.parent / "behind", writable=True)) as behind:
        for height in range(1, filled.tip().height - 3):
            behind.append_block(filled.raw_block(height))
        with pytest.raises(InputError, match="reaches block"):
            export(behind, tmp_path / "f")
    assert (tmp_path / "f").read_bytes() == before


def test_a_ledger_that_changes_while_it_is_read_leaves_the_file_as_it_was(filled, tmp_path):
    class Changing:
        def __getattr__(self, name):
            return getattr(filled, name)

        def headers(self, start_height, count):
            return filled.headers(start_height + 1, count)

    with pytest.raises(LedgerError, match="changed while"):
        export(Changing(), tmp_path / "f")
    assert not (tmp_path / "f").exists()


# -- hostile bytes


def write(folder, data):
    path = folder / "written.etdb-ledger"
    path.write_bytes(data)
    return path


def test_each_changed_byte_is_noticed(small, tmp_path):
    for place in range(len(small)):
        changed = bytearray(small)
        changed[place] ^= 1 + place % 255
        with pytest.raises((FormatError, VerificationError)):
            opened(write(tmp_path, bytes(changed)))


def test_each_length_but_the_right_one_is_noticed(small, tmp_path):
    ends = len(small) - 40
    for length in (*range(0, ends, 5), *range(ends, len(small))):
        with pytest.raises(FormatError):
            opened(write(tmp_path, small[:length]))
    with pytest.raises(FormatError, match="follow the end"):
        opened(write(tmp_path, small + b"\x00"))


@given(place=st.integers(0, 10_000), turned=st.integers(1, 255))
def test_who_mends_the_digests_cannot_keep_the_newest_block(small, tmp_path_factory, place, turned):
    """Its hash commits to every header and every message; all else is refused, or changes nothing."""
    changed = bytearray(small)
    changed[place % len(small)] ^= turned
    folder = tmp_path_factory.mktemp("mended")
    before = opened(write(folder, small))
    with contextlib.suppress(FormatError, VerificationError):
        assert opened(write(folder, mended(bytes(changed)))) == before


@given(st.binary(max_size=300))
def test_any_bytes_are_refused_in_our_own_words(data):
    for parse in (parse_section, parse_preamble, lambda one: parse_preamble(b"etdb-ledger 1\n" + one)):
        with pytest.raises(FormatError):
            parse(data)


@given(st.binary(max_size=5))
def test_a_frame_is_one_of_two(data):
    try:
        is_end, length = parse_frame(data, 7)
    except FormatError:
        return
    assert is_end == (data[:1] == b"E")
    assert length <= archive_format.MAX_SECTION_BYTES


def test_a_later_version_says_so(tmp_path):
    with pytest.raises(FormatError, match="version '2'") as refused:
        LedgerFile(write(tmp_path, b"etdb-ledger 2\n{}\n"))
    assert "update" in refused.value.hint
    for strange in (b"", b"\x1f\x8b\x08\x00", b"{}", b"etdb-ledger 1\n" + b"{" * 5000):
        with pytest.raises(FormatError):
            LedgerFile(write(tmp_path, strange))


def test_a_section_cannot_be_longer_than_the_limit(small, tmp_path):
    _, offset = parse_preamble(small[:1024])
    claimed = small[:offset] + b"S" + (archive_format.MAX_SECTION_BYTES + 1).to_bytes(4, "little")
    with pytest.raises(FormatError, match="no section"):
        opened(write(tmp_path, claimed))


def test_too_many_messages_are_refused(small, tmp_path, monkeypatch):
    monkeypatch.setattr(archive_scan, "MAX_MESSAGES", 1)
    with pytest.raises(FormatError, match="more than 1 messages"):
        opened(write(tmp_path, small))


def test_a_chain_that_nobody_knows_is_refused(filled, tmp_path):
    """Without the network's first block or a checkpoint, anybody can make headers that hang together."""
    export(filled, tmp_path / "f", start=5)
    with pytest.raises(VerificationError, match="no block that is known"):
        LedgerFile(tmp_path / "f")


def test_a_chain_may_begin_at_a_checkpoint(shared_vectors, tmp_path):
    block = next(one for one in shared_vectors("flo_headers.json")["blocks"] if one["height"] == 50_000)
    raw = bytes.fromhex(block["header"])
    preamble = Preamble(network="testnet", start=50_000, after=parse_header(raw).prev_hash, messages="oip")
    path = write(tmp_path, file_of(preamble, Section((header_stub(raw),), ())))
    with closing(LedgerFile(path, check_work=True)) as ledger:
        assert ledger.checked.checkpoints == 1
        assert (ledger.checked.work_checked, ledger.checked.work_height) == (0, 50_000)  # it is known
        assert ledger.tip().block_hash == dict(TESTNET.checkpoints)[50_000]
        assert ledger.block_ref(49_999) is None
        assert ledger.headers(0, 5) == []
    wrong = raw[:-1] + bytes([raw[-1] ^ 1])
    with pytest.raises(VerificationError, match="known at height"):
        LedgerFile(write(tmp_path, file_of(preamble, Section((header_stub(wrong),), ()))))


def test_another_networks_first_block_is_refused(small, tmp_path):
    with closing(LedgerFile(write(tmp_path, small))) as ledger:
        stubs = tuple(header_stub(one) for one in ledger.headers(0, 10))
        preamble = msgspec.structs.replace(ledger.checked.preamble, network="main")
    with pytest.raises(VerificationError, match="begins with another"):
        LedgerFile(write(tmp_path, file_of(preamble, Section(stubs, ()))))


def test_work_is_checked_when_asked_for(small, tmp_path):
    with closing(LedgerFile(write(tmp_path, small), check_work=True)) as ledger:
        assert ledger.checked.work_checked == 3  # the first block is known
        raws = ledger.headers(0, 10)
        preamble = ledger.checked.preamble
    last = bytearray(raws[-1])
    for nonce in range(1_000):  # half of all hashes meet regtest's target: find one that does not
        last[76:80] = nonce.to_bytes(4, "little")
        digest = hashlib.scrypt(bytes(last), salt=bytes(last), n=1024, r=1, p=1, dklen=32)
        if int.from_bytes(digest, "little") > REGTEST.pow_limit:
            break
    stubs = tuple(header_stub(bytes(one)) for one in (*raws[:-1], last))
    path = write(tmp_path, file_of(preamble, Section(stubs, ())))
    with pytest.raises(VerificationError, match="does not meet its target"):
        LedgerFile(path, check_work=True)


def test_of_a_chain_with_work_the_evidence_says_how_far_it_was_checked(tmp_path):
    """Main net's first block alone, which has a message and is known."""
    block = parse_block(MAIN.genesis_block)
    carried = archive_format.CarriedTransaction(0, block.transactions[0].encode())
    section = Section(
        (header_stub(MAIN.genesis_block[:80]),), (archive_format.CarriedBlock(0, (carried,), BlockProof(0, ())),)
    )
    path = write(tmp_path, file_of(Preamble(network="main", start=0, after="00" * 32, messages="all"), section))
    with closing(LedgerFile(path)) as ledger:
        (message,) = next(ledger.blocks(0)).messages
        assert message.data == b"text:Florincoin genesis block"
        evidence = ledger.evidence(message.txid)
    assert (evidence.has_work, evidence.checked_work_blocks) == (True, 1)


def test_a_file_that_changes_under_its_reader_is_noticed(small, tmp_path):
    path = write(tmp_path, small)
    with closing(LedgerFile(path)) as ledger:
        with path.open("r+b") as file:
            file.seek(200)
            file.write(b"\xff" * 8)
            file.flush()
            os.fsync(file.fileno())
        with pytest.raises(StorageError, match="changed while"):
            list(ledger.blocks(0))


def test_a_file_that_was_verified_is_not_verified_again(filled, tmp_path):
    path, memory = tmp_path / "f", tmp_path / "cache" / "f.checked"
    export(filled, path)
    told = []
    options = {"memory": memory, "progress": lambda *words: told.append(words)}
    with closing(LedgerFile(path, **options)) as ledger:
        expected, checked = list(ledger.blocks(0)), ledger.checked
    assert told
    told.clear()
    with closing(LedgerFile(path, **options)) as ledger:
        assert not told
        assert ledger.checked == checked
        assert list(ledger.blocks(0)) == expected
        for block in expected:
            for message in block.messages:
                assert ledger.evidence(message.txid) == filled.evidence(message.txid)
    with closing(LedgerFile(path, check_work=True, **options)) as ledger:
        assert ledger.checked.work_checked
    with closing(LedgerFile(path)) as ledger:
        assert ledger.checked.work_height == 0
        (tmp_path / "copy").write_bytes(path.read_bytes())
    with closing(LedgerFile(path, check_work=True)) as ledger:
        ledger.remember(tmp_path / "copy", memory)
    told.clear()
    with closing(LedgerFile(tmp_path / "copy", **options)) as ledger:
        assert not told
        assert ledger.checked.work_height == filled.tip().height
    for nonsense in (b"", b"\x90", b"\xff" * 99):
        memory.write_bytes(nonsense)
        told.clear()
        LedgerFile(path, **options).close()
        assert told


def test_what_changed_after_it_was_verified_is_not_believed(filled, wallet, tmp_path):
    """Another file in its place is verified; the same with other bytes is noticed wherever they are read."""
    path, memory = tmp_path / "f", tmp_path / "f.checked"
    export(filled, path)
    LedgerFile(path, memory=memory).close()
    before = path.read_bytes()
    filled.submit(wallet.sign(b"text:later").raw)
    filled.settle()
    export(filled, path)
    with closing(LedgerFile(path, memory=memory)) as ledger:
        assert ledger.tip() == filled.tip()
    path.write_bytes(before)
    LedgerFile(path, memory=memory).close()
    status = path.stat()
    for text in (b"text:1 of 7", parse_header(filled.headers(50, 1)[0]).merkle_root.encode()):
        place = before.find(text) if text.startswith(b"text") else before.find(bytes.fromhex(text.decode())[::-1])
        changed = bytearray(before)
        changed[place + 5] ^= 1
        path.write_bytes(changed)
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
        with closing(LedgerFile(path, memory=memory)) as ledger, pytest.raises(StorageError, match="changed while"):
            list(ledger.blocks(0))


def test_a_folder_is_no_ledger_file(tmp_path):
    with pytest.raises(StorageError):
        LedgerFile(tmp_path)
    with pytest.raises(StorageError):
        LedgerFile(tmp_path / "absent")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(StorageError, match="regular"):
        LedgerFile(tmp_path / "pipe")


# -- proofs


@given(st.integers(1, 40), st.data())
def test_proofs_that_share_are_the_branches_again(count, data):
    txids = [hashlib.sha256(b"%d" % number).hexdigest() for number in range(count)]
    places = data.draw(st.sets(st.integers(0, count - 1), min_size=1))
    branches = {place: make_proof(txids, place).branch for place in places}
    proof = join_branches(branches)
    leaves = {place: bytes.fromhex(txids[place])[::-1] for place in places}
    root, found = split_proof(leaves, proof)
    assert found == branches
    for place in places:
        verify_proof(MerkleProof(txid=txids[place], index=place, branch=found[place]), root[::-1].hex())
    assert len(proof.hashes) <= sum(map(len, branches.values()))
    for wrong in (proof.hashes[:-1], (*proof.hashes, bytes(32))):
        if len(wrong) != len(proof.hashes):
            with pytest.raises(FormatError):
                split_proof(leaves, BlockProof(proof.depth, wrong))


def test_branches_of_two_trees_are_not_joined():
    one, two = ([hashlib.sha256(b"%d %d" % (tree, n)).hexdigest() for n in range(4)] for tree in range(2))
    for other in (make_proof(two, 1).branch, make_proof(one[:2], 1).branch):
        with pytest.raises(VerificationError):
            join_branches({0: make_proof(one, 0).branch, 1: other})


def test_a_proof_that_repeats_a_transaction_is_refused():
    leaf = bytes(range(32))
    with pytest.raises(FormatError, match="repeats"):
        split_proof({0: leaf, 1: leaf}, BlockProof(1, ()))
    with pytest.raises(FormatError, match="repeats"):
        split_proof({1: leaf}, BlockProof(1, (leaf,)))
    root, _ = split_proof({0: leaf}, BlockProof(1, (leaf,)))
    assert len(root) == 32


def test_an_inner_node_is_no_transaction(small, tmp_path):
    with closing(LedgerFile(write(tmp_path, small))) as ledger:
        section = parse_section(small[ledger.checked.sections[0].offset :][: ledger.checked.sections[0].length])
        preamble = ledger.checked.preamble
    first = section.carried[0]
    for raw in (b"\x01" * 64, first.transactions[0].raw[:-1], b""):
        swapped = msgspec.structs.replace(
            first, transactions=(archive_format.CarriedTransaction(first.transactions[0].position, raw),)
        )
        changed = Section(section.stubs, (swapped, *section.carried[1:]))
        with pytest.raises((FormatError, VerificationError)):
            LedgerFile(write(tmp_path, file_of(preamble, changed)))


def test_sections_with_their_parts_out_of_order_are_refused(small, tmp_path):
    with closing(LedgerFile(write(tmp_path, small))) as ledger:
        section = parse_section(small[ledger.checked.sections[0].offset :][: ledger.checked.sections[0].length])
    assert len(section.carried) == 3  # the first block of all has a message too
    for order in itertools.permutations(range(3)):
        changed = Section(section.stubs, tuple(section.carried[number] for number in order))
        if order == (0, 1, 2):
            assert parse_section(encode_section(changed)) == section
            continue
        with pytest.raises(FormatError, match="in order"):
            parse_section(encode_section(changed))


def test_a_ledger_that_ends_early_does_not_take_the_place_of_a_longer_file(tmp_path):
    class Early:
        def __init__(self, chain):
            self._chain = chain

        def __getattr__(self, name):
            return getattr(self._chain, name)

        def blocks(self, start_height):
            return (block for block in self._chain.blocks(start_height) if block.ref.height < 20)

    with closing(LocalChain(tmp_path / "chain", writable=True)) as chain:
        chain.mine(30)
        path = tmp_path / "f.etdb-ledger"
        export(chain, path)
        before = path.read_bytes()
        with pytest.raises(LedgerError, match="changed while it was read"):
            export(Early(chain), path)
    assert path.read_bytes() == before
