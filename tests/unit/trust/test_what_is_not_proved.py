"""Evidence that is almost right: each kind of it, and in which words it is refused."""

from __future__ import annotations

import datetime as dt

import msgspec
import pytest

from etdb import flo, ipfs, oip, trust
from etdb.manifest import Manifest, ManifestFile, encode_manifest, parse_manifest
from etdb.trust import Claim, Outcome

KEY = flo.PrivateKey(b"\x01" * 32)
ADDRESS = KEY.address(flo.REGTEST)
SCRIPT = flo.address_script(ADDRESS, flo.REGTEST)
WITNESS = flo.Destination(flo.DestinationKind.P2WPKH, KEY.public_key.hash)
FULL = oip.Tomogram(
    title="t",
    description="d",
    tags=("a",),
    year=2014,
    nsfw=False,
    acquired_on=dt.date(2026, 1, 2),
    ncbi_taxon_id=666,
    notes="n",
    microscope="m",
    roles="r",
    species="s",
    strain="w",
    tilt_axes=1,
    defocus_um=-6.0,
    dose_e_per_a2=100.0,
    tilt_constant_increment=True,
    tilt_min_deg=-60.0,
    tilt_max_deg=60.0,
    tilt_step_deg=1.0,
    magnification=22500.0,
    acquisition_software="u",
    reconstruction_software="i",
    emdb_id="EMD-1",
    microscopist="p",
    institution="c",
    lab="l",
    sid="x1",
    voxel_spacing_angstrom=9.6,
    pixel_spacing_angstrom=4.8,
    voltage_kv=300.0,
    detector="k",
    licence="CC0-1.0",
    authors=("A",),
    publications=("P",),
    keywords=("K",),
    sample_preparation="v",
    tilt_scheme="dose-symmetric",
    tilt_count=41,
    dose_per_tilt_e_per_a2=2.5,
    publisher=ADDRESS,
    location="bafyroot",
    timestamp_s=1_700_000_000,
    files=(oip.FileEntry(path="a.mrc", size_bytes=5, role="tilt_series", media_type="m/m", notes="f", software="g"),),
    extra={"own": 1},
)
FILE = ManifestFile(
    path="a.mrc",
    size_bytes=5,
    cid=str(ipfs.cid_of(b"hello")),
    media_type="m/m",
    role="tilt_series",
    notes="f",
    software="g",
)
AFTER_THE_MANIFEST = {"publisher", "timestamp_s", "location", "storage_network", "files", "unknown"}
"""What cannot differ: it comes after the manifest, or is compared file by file."""


def manifest() -> Manifest:
    return parse_manifest(encode_manifest(FULL, [FILE], prepared_on=dt.date(2026, 1, 3)))


def other(value: object) -> object:
    match value:
        case bool():
            return not value
        case int() | float():
            return value + 1
        case str():
            return value + "!"
        case tuple():
            return (*value, "more")
        case dict():
            return {**value, "more": 2}
        case dt.date():
            return value + dt.timedelta(days=1)
    raise AssertionError(value)


def signed(hash_type: int) -> bytes:
    plain = flo.Transaction(
        inputs=(flo.TxInput("ab" * 32, 0), flo.TxInput("cd" * 32, 1)),
        outputs=(flo.TxOutput(7, SCRIPT), flo.TxOutput(8, SCRIPT)),
        flo_data=b"text",
    )
    digest = flo.signature_hash(plain, 0, SCRIPT, hash_type)
    shown = flo.push(KEY.sign(digest) + bytes([hash_type])) + flo.push(KEY.public_key.encoded)
    inputs = (msgspec.structs.replace(plain.inputs[0], script_sig=shown), plain.inputs[1])
    return msgspec.structs.replace(plain, inputs=inputs).encode()


@pytest.mark.parametrize("field", sorted(set(oip.Tomogram.__struct_fields__) - AFTER_THE_MANIFEST))
def test_each_field_that_differs_is_named(field):
    assert trust.check_manifest(manifest(), FULL).outcome is Outcome.HELD
    lying = msgspec.structs.replace(FULL, **{field: other(getattr(FULL, field))})
    found = trust.check_manifest(manifest(), lying)
    assert (found.claim, found.outcome) == (Claim.MANIFEST_AGREES, Outcome.FAILED)
    assert found.detail.startswith(f"{field}: manifest ")


@pytest.mark.parametrize("field", ["size_bytes", "role", "media_type", "notes", "software", "path", "display_name"])
def test_each_field_of_a_file_that_differs_is_named(field):
    value = getattr(FULL.files[0], field)
    wrong = "other" if field == "role" else other(value)
    lying = msgspec.structs.replace(FULL, files=(msgspec.structs.replace(FULL.files[0], **{field: wrong}),))
    found = trust.check_manifest(manifest(), lying)
    assert found.outcome is Outcome.FAILED
    assert found.detail.startswith("files[a.mrc]")


def test_many_long_differences_are_told_in_short():
    lying = msgspec.structs.replace(FULL, title="x" * 5_000)
    assert trust.check_manifest(manifest(), lying).detail == f"title: manifest 't', record {'x' * 80!r}"
    everything = {field: other(getattr(FULL, field)) for field in set(FULL.__struct_fields__) - AFTER_THE_MANIFEST}
    told = trust.check_manifest(manifest(), msgspec.structs.replace(FULL, **everything)).detail.split("; ")
    assert len(told) == 21
    assert told[-1] == f"and {len(everything) - 20} more"
    twenty = dict(sorted(everything.items())[:20])
    told = trust.check_manifest(manifest(), msgspec.structs.replace(FULL, **twenty)).detail.split("; ")
    assert len(told) == 20


def test_the_manifest_is_the_one_that_the_directory_links():
    data = encode_manifest(FULL, [FILE], prepared_on=dt.date(2026, 1, 3))
    linked = str(ipfs.cid_of(data))
    assert trust.check_manifest(parse_manifest(data), FULL, block=(linked, data)).outcome is Outcome.HELD
    for block in ((linked, data + b" "), (str(ipfs.cid_of(b"else")), data), ("no cid", data)):
        found = trust.check_manifest(parse_manifest(data), FULL, block=block)
        assert (found.claim, found.outcome) == (Claim.MANIFEST_AGREES, Outcome.FAILED)
        assert found.detail


@pytest.mark.parametrize(
    "hash_type", [flo.SIGHASH_NONE, flo.SIGHASH_SINGLE, flo.SIGHASH_ALL | flo.SIGHASH_ANYONECANPAY]
)
def test_a_signature_of_a_part_of_the_transaction_is_not_enough(hash_type):
    """It covers the text; but whoever can change the coins can also make another transaction with the same text."""
    held = trust.check_transaction_signatures([(signed(flo.SIGHASH_ALL), b"text")], ADDRESS, flo.REGTEST)
    assert held.outcome is Outcome.HELD
    found = trust.check_transaction_signatures([(signed(hash_type), b"text")], ADDRESS, flo.REGTEST)
    assert (found.claim, found.outcome) == (Claim.TRANSACTION_SIGNATURE, Outcome.FAILED)
    assert "does not cover" in found.detail


def test_a_signature_without_the_text_is_not_enough():
    found = trust.check_transaction_signatures(
        [(signed(flo.SIGHASH_ALL | flo.SIGHASH_OMIT_FLO_DATA), b"text")], ADDRESS, flo.REGTEST
    )
    assert found.outcome is Outcome.FAILED
    assert "does not cover" in found.detail


def test_one_right_signature_among_inputs_of_others_is_enough():
    """The publisher's signature over everything covers the others' inputs as well, wherever it stands."""
    raw = flo.parse_transaction(signed(flo.SIGHASH_ALL))
    stranger = flo.PrivateKey(b"\x02" * 32)
    mixed = flo.sign_input(raw, 1, stranger).encode()
    assert trust.check_transaction_signatures([(mixed, b"text")], ADDRESS, flo.REGTEST).outcome is Outcome.HELD
    swapped = msgspec.structs.replace(raw, inputs=(raw.inputs[0], flo.parse_transaction(mixed).inputs[1]))
    assert (
        trust.check_transaction_signatures([(swapped.encode(), b"text")], ADDRESS, flo.REGTEST).outcome is Outcome.HELD
    )
    late = flo.sign_input(flo.sign_input(raw, 0, stranger), 1, KEY).encode()
    assert trust.check_transaction_signatures([(late, b"text")], ADDRESS, flo.REGTEST).outcome is Outcome.HELD


def test_every_transaction_counts():
    good, bad = (signed(flo.SIGHASH_ALL), b"text"), (signed(flo.SIGHASH_NONE), b"text")
    assert trust.check_transaction_signatures([good, good], ADDRESS, flo.REGTEST).outcome is Outcome.HELD
    assert trust.check_transaction_signatures([good, bad], ADDRESS, flo.REGTEST).outcome is Outcome.FAILED
    assert trust.check_transaction_signatures([bad, good], ADDRESS, flo.REGTEST).outcome is Outcome.FAILED


def test_work_behind_a_header():
    genesis = flo.REGTEST.genesis_block[: flo.HEADER_BYTES]
    found = trust.check_work(genesis, flo.REGTEST, has_work=True)
    assert (found.claim, found.outcome) == (Claim.HEADER_CHAIN_WORK, Outcome.NOT_CHECKED)
    assert "not checked yet" in found.detail
    for blocks in (1, 7):
        found = trust.check_work(genesis, flo.REGTEST, has_work=True, checked_blocks=blocks)
        assert found.outcome is Outcome.HELD
        assert found.detail == f"checked from a known block up to {blocks - 1} blocks above this one"
    for header in (genesis[:-5] + bytes(5), genesis[:-1]):
        found = trust.check_work(header, flo.REGTEST, has_work=True, checked_blocks=7)
        assert (found.claim, found.outcome) == (Claim.HEADER_CHAIN_WORK, Outcome.FAILED)
        assert found.detail


def test_a_part_that_its_address_did_not_sign_is_not_signed():
    preimage = "0-2-" + ADDRESS + "--x"
    part = oip.parse_part(f"oip-mp(0,2,{ADDRESS},,{flo.sign_message(KEY, preimage)}):x".encode())
    assert part is not None
    assert trust.is_part_signed(part, flo.REGTEST) is True
    assert trust.is_part_signed(msgspec.structs.replace(part, preimages=(b"y",)), flo.REGTEST) is False
    assert trust.is_part_signed(msgspec.structs.replace(part, signature="!"), flo.REGTEST) is False


def test_a_signature_that_can_be_judged_counts_behind_one_that_cannot():
    """The first input is a witness, whose amount is not at hand; the second signs everything in the open."""
    plain = flo.parse_transaction(signed(flo.SIGHASH_ALL))
    bare = msgspec.structs.replace(
        plain, inputs=tuple(msgspec.structs.replace(one, script_sig=b"") for one in plain.inputs)
    )
    witnessed = flo.sign_input(bare, 0, KEY, flo.TxOutput(5_000, WITNESS.script))
    both = flo.sign_input(witnessed, 1, KEY)
    found = trust.check_transaction_signatures([(witnessed.encode(), b"text")], ADDRESS, flo.REGTEST)
    assert found.outcome is Outcome.NOT_POSSIBLE
    found = trust.check_transaction_signatures([(both.encode(), b"text")], ADDRESS, flo.REGTEST)
    assert found.outcome is Outcome.HELD


def test_sixty_four_bytes_prove_no_transaction():
    """They can be two hashes of the tree, side by side: also when they are a transaction that is in the block."""

    def block_of(script: bytes) -> tuple[bytes, bytes, str]:
        transaction = flo.Transaction(
            inputs=(flo.TxInput("ab" * 32, 0),), outputs=(flo.TxOutput(1, script),), flo_data=b""
        )
        header = flo.BlockHeader(
            version=4, prev_hash="00" * 32, merkle_root=transaction.txid, time_s=1, bits=0x207FFFFF, nonce=0
        )
        return transaction.encode(), header.encode(), header.block_hash

    for script in (b"\x51" * length for length in range(1, 8)):
        raw, header, block_hash = block_of(script)
        found = trust.check_inclusion(raw, header, 0, (), block_hash)
        assert (found.outcome is Outcome.FAILED) == (len(raw) == 64)
    assert {len(block_of(b"\x51" * length)[0]) for length in range(1, 8)} >= {63, 64, 65}


def test_of_two_results_that_are_equally_bad_the_first_counts():
    first, second = (
        trust.ClaimResult(claim=Claim.FILE_BYTES, outcome=Outcome.FAILED, detail=detail) for detail in ("a", "b")
    )
    assert trust.Verification.of([first, second])[Claim.FILE_BYTES] == first
    assert trust.Verification.of([second, first])[Claim.FILE_BYTES] == second


def test_newer_results_take_the_place_of_older_ones_also_when_they_are_better():
    failed = trust.ClaimResult(claim=Claim.FILE_BYTES, outcome=Outcome.FAILED, detail="x")
    held = trust.ClaimResult(claim=Claim.FILE_BYTES, outcome=Outcome.HELD)
    inside = trust.ClaimResult(claim=Claim.BLOCK_INCLUSION, outcome=Outcome.HELD)
    newer = trust.Verification.of([failed, inside]).with_results([held])
    assert newer[Claim.FILE_BYTES] == held
    assert newer[Claim.BLOCK_INCLUSION] == inside
    assert len(newer.results) == len(Claim)
