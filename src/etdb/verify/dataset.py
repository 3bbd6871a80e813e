"""A dataset of the catalogue, verified against the ledger's evidence and a block store."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from etdb.blocks.port import BlockStore
from etdb.blocks.reader import DagReader
from etdb.errors import EtdbError, FormatError, NotFoundError, SourceError, VerificationError
from etdb.ipfs import DagWalk, DirectoryFound, FileFound, InlineFound, LeafFound, SymlinkFound, parse_cid, verify_leaf
from etdb.manifest import MANIFEST_NAME, counted_files, parse_manifest
from etdb.oip import Tomogram
from etdb.trust import Claim, ClaimResult, Outcome, Verification, check_manifest
from etdb.verify.record import LedgerEvidence, verify_record

__all__ = ["read_manifest", "verify_dataset"]

MAX_MANIFEST_BYTES = 64 << 20


def verify_dataset(
    dataset_id: str,
    tomogram: Tomogram,
    evidence: Sequence[LedgerEvidence],
    store: BlockStore | None = None,
    *,
    content: bool = True,
    block_hash_at: Callable[[int], str | None] | None = None,
    progress: Callable[[int], None] | None = None,
) -> Verification:
    """Verify a record and, with a store, what it points to.

    Args:
        dataset_id: the id of its first transaction.
        tomogram: the record.
        evidence: its transactions, as a ledger gives them.
        store: where its blocks are; None leaves manifest and bytes unchecked.
        content: read every byte; otherwise only the manifest.
        block_hash_at: the hash of the block at a height of the reader's own chain.
        progress: told of each number of bytes that was checked.
    """
    results = verify_record(dataset_id, tomogram, evidence, block_hash_at=block_hash_at)
    if store is not None:
        results.append(_verify_manifest(tomogram, store))
        if content:
            results.append(_verify_content(tomogram, store, progress))
    return Verification.of(results)


def read_manifest(location: str, store: BlockStore) -> bytes | None:
    """The manifest of a dataset, as its location commits to it; None when it has none.

    Raises:
        NotFoundError, SourceError: the store does not have it.
        VerificationError: the location is none, its nodes are not what they should be, or the manifest is too long.
    """
    reader = DagReader(store)
    root = parse_cid(location)
    if not reader.is_directory(root):
        return None
    cid = reader.find(root, MANIFEST_NAME)
    if cid is None:
        return None
    if reader.file_size(cid) > MAX_MANIFEST_BYTES:
        raise FormatError(f"the manifest is larger than {MAX_MANIFEST_BYTES} bytes", cid=str(cid))
    return b"".join(reader.content(cid))


def _verify_manifest(tomogram: Tomogram, store: BlockStore) -> ClaimResult:
    claim = Claim.MANIFEST_AGREES
    try:
        text = read_manifest(tomogram.location, store)
        return check_manifest(None if text is None else parse_manifest(text), tomogram)
    except VerificationError as error:
        return ClaimResult(claim=claim, outcome=Outcome.FAILED, detail=error.message)
    except EtdbError as error:
        return ClaimResult(claim=claim, outcome=Outcome.NOT_CHECKED, detail=error.message)


def _verify_content(tomogram: Tomogram, store: BlockStore, progress: Callable[[int], None] | None) -> ClaimResult:
    """Walk the whole DAG; every leaf is read and hashed."""
    sizes: dict[str, int] = {}
    links: set[str] = set()
    try:
        walk = DagWalk(parse_cid(tomogram.location))
        events = walk.start()
        while True:
            for event in events:
                if isinstance(event, DirectoryFound):
                    continue
                if isinstance(event, SymlinkFound):
                    links.add(event.path)
                    continue
                sizes.setdefault(event.path, 0)
                if isinstance(event, FileFound):
                    continue
                count = _check_piece(event, store)
                sizes[event.path] += count
                if progress is not None:
                    progress(count)
            cid = walk.next_wanted
            if cid is None:
                break
            events = walk.receive(cid, store.get(cid), source=store.name)
    except VerificationError as error:
        return ClaimResult(claim=Claim.FILE_BYTES, outcome=Outcome.FAILED, detail=error.message)
    except (NotFoundError, SourceError) as error:
        detail = f"not all of the content is within reach: {error.message}"
        return ClaimResult(claim=Claim.FILE_BYTES, outcome=Outcome.NOT_CHECKED, detail=detail)
    return _compare_files(tomogram, sizes, links)


def _check_piece(event: LeafFound | InlineFound, store: BlockStore) -> int:
    if isinstance(event, InlineFound):
        return len(event.data)
    block = store.get(event.cid)
    verify_leaf(event, block, source=store.name)
    return len(block)


def _compare_files(tomogram: Tomogram, sizes: dict[str, int], links: set[str]) -> ClaimResult:
    def result(outcome: Outcome, detail: str) -> ClaimResult:
        return ClaimResult(claim=Claim.FILE_BYTES, outcome=outcome, detail=detail)

    is_single = set(sizes) == {""} and len(tomogram.files) == 1
    for entry in tomogram.files:
        found = sizes.get("" if is_single else entry.path)
        if entry.path in links:
            return result(Outcome.FAILED, f"{entry.path!r} is a symbolic link, not a file")
        if found is None:
            return result(Outcome.FAILED, f"the record names {entry.path!r}, which the dataset does not have")
        if entry.size_bytes is not None and entry.size_bytes != found:
            return result(Outcome.FAILED, f"{entry.path!r} has {found} bytes, the record says {entry.size_bytes}")
    return result(Outcome.HELD, f"{counted_files(sizes)}, {sum(sizes.values())} bytes")
