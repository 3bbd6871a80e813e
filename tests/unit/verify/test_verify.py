"""A real record on a local chain, its files in place, a download; then everything that can be wrong with them."""

import datetime as dt
import json
import shutil

import pytest
from msgspec.structs import replace

from etdb.blocks import FilesInPlace, MemoryStore
from etdb.download import Evidence, TransactionEvidence, download, plan_download, targets_of
from etdb.errors import FormatError, InputError
from etdb.flo import REGTEST, PrivateKey, sign_message
from etdb.ledger.coins import Limits
from etdb.ledger.local import LocalChain
from etdb.ledger.wallet import Wallet
from etdb.manifest import MANIFEST_NAME, ManifestFile, encode_manifest
from etdb.oip import FileEntry, Tomogram, artifact_preimage, encode_publish, parse_message, split
from etdb.sources.received import RECEIVED_NAME, load_received, store_received
from etdb.trust import Claim, Outcome
from etdb.verify import verify_dataset, verify_folder

FILES = {"raw/a b.st": b"tilt" * 400_000, "b.rec": b"rec" * 1000, "notes.txt": b"n"}
ROLES = {"raw/a b.st": "tilt_series", "b.rec": "reconstruction", "notes.txt": "metadata"}
KEY = PrivateKey.generate(bytes(range(1, 33)))


class Published:
    def __init__(self, folder, *, manifest=True):
        self.store = FilesInPlace(folder / "d.sqlite", content_folder=folder / "content")
        added = {}
        for path, data in FILES.items():
            place = folder / "lab" / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(data)
            added[path] = self.store.add_file(place)
        entries = tuple(FileEntry(path=p, size_bytes=len(d), role=ROLES[p]) for p, d in FILES.items())
        address = KEY.address(REGTEST)
        draft = Tomogram(
            title="T",
            description="A long one " * 90,
            species="S",
            sid="rr1",
            publisher=address,
            timestamp_s=1_700_000_000,
            acquired_on=dt.date(2014, 1, 14),
            files=entries,
        )
        if manifest:
            described = [
                ManifestFile(
                    path=e.path,
                    size_bytes=len(FILES[e.path]),
                    cid=str(added[e.path].cid),
                    role=e.role,
                    sha256=added[e.path].sha256,
                )
                for e in entries
            ]
            text = encode_manifest(draft, described, prepared_on=dt.date(2024, 1, 1))
            added[MANIFEST_NAME] = self.store.add_bytes(text)
        root = str(self.store.add_directory(added))
        signature = sign_message(KEY, artifact_preimage(root, address, draft.timestamp_s))
        message = encode_publish(replace(draft, location=root), signature)
        self.tomogram = parse_message(message).tomogram
        self.chain = LocalChain(folder / "chain", writable=True, clock=lambda: 1_700_000_000.0)
        self.chain.earn(address, 1)
        wallet = Wallet(KEY, REGTEST, Limits(), self.chain.coins(address))
        pieces = split(message, address, sign=lambda preimage: sign_message(KEY, preimage))
        first = wallet.sign(pieces.first())
        self.dataset_id = self.chain.submit(first.raw)
        self.txids = [self.dataset_id]
        self.txids += [self.chain.submit(wallet.sign(data).raw) for data in pieces.rest(self.dataset_id)]
        self.chain.settle()

    def evidence(self):
        return [self.chain.evidence(txid) for txid in self.txids]

    def kept(self):
        return tuple(
            TransactionEvidence(**{f: getattr(e, f) for f in TransactionEvidence.__struct_fields__})
            for e in self.evidence()
        )

    def block_hash_at(self, height):
        found = self.chain.block_ref(height)
        return found.block_hash if found else None

    def get(self, target, types=()):
        plan = plan_download([(self.dataset_id, self.tomogram)], types)
        evidence = {self.dataset_id: Evidence(network="local", transactions=self.kept())}
        report = download(plan, [self.store], target, evidence=evidence)
        assert report.is_complete
        return report.datasets[0].folder

    def close(self):
        self.chain.close()
        self.store.close()


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    made = Published(tmp_path_factory.mktemp("published"))
    yield made
    made.close()


@pytest.fixture
def folder(published, tmp_path):
    return published.get(tmp_path / "out")


def verify(folder, **options):
    return verify_folder(folder, targets_of=targets_of, **options)


def outcomes(verification):
    return {result.claim: result.outcome for result in verification.results}


ALL_HELD = dict.fromkeys(Claim, Outcome.HELD) | {Claim.HEADER_CHAIN_WORK: Outcome.NOT_POSSIBLE}
WITHOUT_A_CHAIN = ALL_HELD | {Claim.BLOCK_INCLUSION: Outcome.NOT_CHECKED}


def test_everything_holds_that_can_hold(published, folder):
    assert len(published.txids) > 1, "the record takes several transactions"
    told = []
    verification = verify(folder, progress=told.append)
    assert outcomes(verification) == WITHOUT_A_CHAIN, verification.failed
    assert "a branch leads to the block" in verification[Claim.BLOCK_INCLUSION].detail
    assert "not compared with a chain" in verification[Claim.BLOCK_INCLUSION].detail
    assert sum(told) >= sum(map(len, FILES.values()))
    assert outcomes(verify(folder, block_hash_at=published.block_hash_at)) == ALL_HELD


def test_the_dataset_in_a_store(published):
    verification = verify_dataset(
        published.dataset_id,
        published.tomogram,
        published.evidence(),
        published.store,
        block_hash_at=published.block_hash_at,
    )
    assert outcomes(verification) == ALL_HELD, verification.failed


def test_a_part_of_the_files_is_tied_to_the_signed_root_by_the_manifest(published, tmp_path):
    folder = published.get(tmp_path / "part", ["reconstructions"])
    verification = verify(folder)
    assert outcomes(verification) == WITHOUT_A_CHAIN
    assert verification[Claim.FILE_BYTES].detail == "1 file and the manifest; 2 more of the dataset not here"


def test_the_folder_can_be_moved(folder, tmp_path):
    shutil.move(folder, tmp_path / "elsewhere")
    assert outcomes(verify(tmp_path / "elsewhere")) == WITHOUT_A_CHAIN


@pytest.mark.parametrize("damage", ["flip", "gone", "empty", "link", "manifest"])
def test_changed_files_fail(folder, damage, tmp_path):
    path = folder / "raw/a b.st"
    if damage == "flip":
        data = bytearray(path.read_bytes())
        data[1_200_000] ^= 1
        path.write_bytes(data)
    elif damage == "gone":
        path.unlink()
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "link":
        path.rename(tmp_path / "moved")
        path.symlink_to(tmp_path / "moved")
    else:
        manifest = folder / MANIFEST_NAME
        manifest.write_bytes(manifest.read_bytes() + b"\n")
    verification = verify(folder)
    assert outcomes(verification) == WITHOUT_A_CHAIN | {Claim.FILE_BYTES: Outcome.FAILED}
    assert damage == "manifest" or "raw/a b.st" in verification[Claim.FILE_BYTES].detail


def test_a_manifest_that_agrees_with_changed_files_does_not_help(folder):
    """Someone changes a file and its line in the manifest: the signed root no longer fits."""
    received = load_received(folder)
    path = folder / "notes.txt"
    old = next(f.cid for f in received.files if f.path == "notes.txt")
    path.write_bytes(b"m")
    memory = MemoryStore()
    new = str(memory.put(b"m"))
    manifest = folder / MANIFEST_NAME
    import hashlib

    text = manifest.read_text().replace(old, new)
    text = text.replace(hashlib.sha256(b"n").hexdigest(), hashlib.sha256(b"m").hexdigest())
    manifest.write_text(text)
    files = tuple(
        replace(f, cid=new) if f.path == "notes.txt" else f for f in received.files if f.path != MANIFEST_NAME
    )
    files += tuple(f for f in received.files if f.path == MANIFEST_NAME)
    store_received(folder, replace(received, files=files))
    verification = verify(folder)
    assert verification[Claim.FILE_BYTES].outcome is Outcome.FAILED


def test_a_changed_record_fails(folder):
    received = load_received(folder)
    store_received(folder, replace(received, tomogram=replace(received.tomogram, title="Better")))
    verification = verify(folder)
    assert verification[Claim.ARTIFACT_SIGNATURE].outcome is Outcome.FAILED
    assert verification[Claim.MANIFEST_AGREES].outcome is Outcome.FAILED


def changed_evidence(folder, change, **options):
    received = load_received(folder)
    store_received(folder, replace(received, transactions=tuple(change(list(received.transactions)))))
    return verify(folder, **options)


def test_evidence_that_is_missing_or_wrong(folder):
    original = (folder / RECEIVED_NAME).read_bytes()

    def again(change):
        (folder / RECEIVED_NAME).write_bytes(original)
        return changed_evidence(folder, change)

    assert again(lambda _: [])[Claim.ARTIFACT_SIGNATURE].outcome is Outcome.NOT_CHECKED
    assert again(lambda t: t[1:])[Claim.ARTIFACT_SIGNATURE].outcome is Outcome.FAILED
    assert "missing" in again(lambda t: t[:-1])[Claim.ARTIFACT_SIGNATURE].detail
    rubbish = again(lambda t: [replace(t[0], raw_transaction=b"rubbish"), *t[1:]])
    assert rubbish[Claim.TRANSACTION_SIGNATURE].outcome is Outcome.FAILED
    moved = again(lambda t: [replace(t[0], position=t[0].position + 1), *t[1:]])
    assert moved[Claim.BLOCK_INCLUSION].outcome is Outcome.FAILED
    assert moved[Claim.ARTIFACT_SIGNATURE].outcome is Outcome.HELD
    no_block = again(lambda t: [replace(t[0], header=b""), *t[1:]])
    assert no_block[Claim.BLOCK_INCLUSION].outcome is Outcome.NOT_CHECKED
    assert again(lambda t: list(reversed(t)))[Claim.MULTIPART_SIGNATURES].outcome is Outcome.HELD
    strange = again(lambda t: [replace(t[0], network="mars")])
    assert strange[Claim.ARTIFACT_SIGNATURE].outcome is Outcome.FAILED


def test_a_block_that_the_chain_has_not_at_its_height_fails(published, folder):
    """The block before it is in both: so it is the same chain, and not the block that it has."""
    heights = {one.height for one in published.evidence()}

    def other_at_its_height(height):
        return "00" * 32 if height in heights else published.block_hash_at(height)

    result = verify(folder, block_hash_at=other_at_its_height)[Claim.BLOCK_INCLUSION]
    assert result.outcome is Outcome.FAILED
    assert "00" * 32 in result.detail


def test_a_chain_of_somebody_else_tells_nothing(published, folder):
    """Chains by regtest's rules have one name and one first block, whoever made them."""

    def another(height):
        return published.block_hash_at(0) if height == 0 else "00" * 32

    verification = verify(folder, block_hash_at=another)
    assert outcomes(verification) == WITHOUT_A_CHAIN
    assert "another one" in verification[Claim.BLOCK_INCLUSION].detail


def test_a_chain_that_is_shorter_tells_nothing(published, folder):
    last = max(one.height for one in published.evidence())
    for chain in (lambda _: None, lambda height: published.block_hash_at(height) if height < last else None):
        verification = verify(folder, block_hash_at=chain)
        assert outcomes(verification) == WITHOUT_A_CHAIN
        assert f"no block at height {last}" in verification[Claim.BLOCK_INCLUSION].detail


def test_of_several_blocks_the_one_that_was_not_compared_counts(published, folder):
    changed = changed_evidence(
        folder, lambda t: [replace(t[0], height=10**6), *t[1:]], block_hash_at=published.block_hash_at
    )
    assert changed[Claim.BLOCK_INCLUSION].outcome is Outcome.NOT_CHECKED
    for height in (None, -1, 1 << 80):
        changed = changed_evidence(
            folder, lambda t, h=height: [replace(t[0], height=h), *t[1:]], block_hash_at=published.block_hash_at
        )
        assert changed[Claim.BLOCK_INCLUSION].outcome is Outcome.NOT_CHECKED


def test_targets_that_leave_the_folder_are_not_read(folder):
    document = json.loads((folder / RECEIVED_NAME).read_bytes())
    for target in ("../../etc/passwd", "/etc/passwd", ""):
        document["files"][0]["target"] = target
        (folder / RECEIVED_NAME).write_text(json.dumps(document))
        verification = verify(folder)
        assert verification[Claim.FILE_BYTES].outcome is Outcome.FAILED


def change_files(folder, change):
    received = load_received(folder)
    store_received(folder, replace(received, files=tuple(change(file) for file in received.files if change(file))))


@pytest.mark.parametrize("path", ["b.rec", "raw/a b.st", MANIFEST_NAME])
def test_a_file_that_is_said_to_lie_elsewhere_fails(folder, path):
    """The right bytes are where `etdb-dataset.json` points, and wrong ones where everybody looks for them."""
    hidden = folder / ".x" / path
    hidden.parent.mkdir(parents=True)
    (folder / path).rename(hidden)
    (folder / path).write_bytes(hidden.read_bytes()[:-2] + b"?\n")
    change_files(folder, lambda file: replace(file, target=f".x/{path}") if file.path == path else file)
    result = verify(folder)[Claim.FILE_BYTES]
    assert result.outcome is Outcome.FAILED
    assert f"{path!r} is said to lie at '.x/{path}'" in result.detail


@pytest.mark.parametrize("path", ["b.rec", "raw/a b.st", MANIFEST_NAME])
def test_a_file_that_is_here_and_not_listed_is_read(folder, path):
    change_files(folder, lambda file: file if file.path != path else None)
    result = verify(folder)[Claim.FILE_BYTES]
    assert (result.outcome, result.detail) == (Outcome.HELD, "3 files and the manifest")
    (folder / path).write_bytes((folder / path).read_bytes()[:-2] + b"?\n")
    assert verify(folder)[Claim.FILE_BYTES].outcome is Outcome.FAILED


def test_the_manifest_tells_of_files_that_the_record_does_not_name(folder):
    received = load_received(folder)
    fewer = tuple(entry for entry in received.tomogram.files if entry.path != "notes.txt")
    store_received(folder, replace(received, tomogram=replace(received.tomogram, files=fewer)))
    change_files(folder, lambda file: file if file.path != "notes.txt" else None)
    assert verify(folder)[Claim.FILE_BYTES].outcome is Outcome.HELD
    (folder / "notes.txt").write_bytes(b"m")
    result = verify(folder)[Claim.FILE_BYTES]
    assert result.outcome is Outcome.FAILED
    assert "notes.txt" in result.detail


def test_what_belongs_to_nothing_is_named(folder):
    (folder / "raw/more.txt").write_bytes(b"x")
    (folder / "other.rec").write_bytes(b"x")
    (folder / ".DS_Store").write_bytes(b"x")
    result = verify(folder)[Claim.FILE_BYTES]
    assert result.outcome is Outcome.HELD
    assert result.detail == "3 files and the manifest; not of the dataset: 'other.rec', 'raw/more.txt'"
    for number in range(30):
        (folder / f"z{number:02d}").write_bytes(b"x")
    assert verify(folder)[Claim.FILE_BYTES].detail.endswith("'z07', and 22 more")


def test_folders_that_are_no_downloads(tmp_path):
    with pytest.raises(InputError, match="not a downloaded dataset"):
        verify(tmp_path)
    for text in ("", "{}", "[" * 5000, '{"format": "other"}'):
        (tmp_path / RECEIVED_NAME).write_text(text)
        with pytest.raises(FormatError):
            verify(tmp_path)


def test_without_a_manifest(tmp_path):
    made = Published(tmp_path / "p", manifest=False)
    try:
        verification = verify(made.get(tmp_path / "all"))
        assert verification[Claim.MANIFEST_AGREES].outcome is Outcome.NOT_POSSIBLE
        assert verification[Claim.FILE_BYTES].outcome is Outcome.HELD
        folder = made.get(tmp_path / "part", ["reconstructions"])
        assert verify(folder)[Claim.FILE_BYTES].outcome is Outcome.NOT_POSSIBLE
        # The others come later, into the same folder: then all are here, whichever the last download brought.
        for types in (["tilt-series"], ["others"]):
            assert made.get(tmp_path / "part", types) == folder
        assert verify(folder)[Claim.FILE_BYTES].outcome is Outcome.HELD
        (folder / "b.rec").write_bytes(b"other")
        assert verify(folder)[Claim.FILE_BYTES].outcome is Outcome.FAILED
    finally:
        made.close()


def test_content_out_of_reach_is_not_a_failure(published):
    verification = verify_dataset(published.dataset_id, published.tomogram, published.evidence(), MemoryStore())
    assert verification[Claim.FILE_BYTES].outcome is Outcome.NOT_CHECKED
    assert verification[Claim.MANIFEST_AGREES].outcome is Outcome.NOT_CHECKED
    verification = verify_dataset(published.dataset_id, published.tomogram, [], published.store, content=False)
    assert verification[Claim.FILE_BYTES].outcome is Outcome.NOT_CHECKED
    assert verification[Claim.MANIFEST_AGREES].outcome is Outcome.HELD


def test_a_record_whose_files_are_not_what_the_dataset_has(published):
    t = published.tomogram
    for files in (
        (replace(t.files[0], path="other.st"), *t.files[1:]),
        (replace(t.files[0], size_bytes=1), *t.files[1:]),
    ):
        verification = verify_dataset(published.dataset_id, replace(t, files=files), [], published.store)
        assert verification[Claim.FILE_BYTES].outcome is Outcome.FAILED
