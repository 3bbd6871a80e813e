"""A downloaded dataset's folder, verified without a network.

Its bytes are compared with the signed root, its record with the ledger's evidence that lies beside it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from etdb.blocks.hashing import hash_file
from etdb.errors import EtdbError, SourceFileError, VerificationError
from etdb.ipfs import (
    ETDB_2018,
    UNIXFS_V0_2015,
    UNIXFS_V1_2025,
    Cid,
    FileDag,
    ImportProfile,
    build_tree,
    parse_cid,
)
from etdb.manifest import MANIFEST_NAME, Manifest, counted_files, parse_manifest
from etdb.oip import FileEntry, Tomogram
from etdb.sources.received import RECEIVED_NAME, ReceivedDataset, load_received
from etdb.trust import Claim, ClaimResult, Outcome, Verification, check_manifest
from etdb.verify.record import verify_record
from etdb.verify.treesize import file_tree_size

__all__ = ["verify_folder"]

MAX_MANIFEST_BYTES = 64 << 20
MAX_SHOWN = 10
# How many files are read to find out how all of them were cut; the first does, unless it is damaged.
TRIED_FILES = 3


class _Expected(Struct, frozen=True, kw_only=True):
    """A file that should be here, and what it should be; only the location tells of one without a CID."""

    path: str
    place: Path
    cid: Cid | None
    sha256: str | None


def verify_folder(
    path: Path | str,
    *,
    targets_of: Callable[[Tomogram], Mapping[str, str]],
    received: ReceivedDataset | None = None,
    block_hash_at: Callable[[int], str | None] | None = None,
    progress: Callable[[int], None] | None = None,
) -> Verification:
    """Verify everything that the folder of one downloaded dataset can show.

    Args:
        path: the folder, with `etdb-dataset.json` in it.
        targets_of: where a download puts each file of a record, see :func:`etdb.download.plan_download`.
        received: what stands in `etdb-dataset.json`, when it was read already.
        block_hash_at: the hash of the block at a height of the reader's own chain, if there is one.
        progress: told of each number of bytes that was hashed.

    Raises:
        InputError: not the folder of a downloaded dataset.
        FormatError: its `etdb-dataset.json` is damaged.
    """
    folder = Path(path)
    received = received or load_received(folder)
    results = verify_record(received.dataset_id, received.tomogram, received.transactions, block_hash_at=block_hash_at)
    manifest_path = folder / MANIFEST_NAME
    has_manifest = os.path.lexists(manifest_path) or any(file.path == MANIFEST_NAME for file in received.files)
    manifest: Manifest | None = None
    if has_manifest:
        try:
            manifest = load_manifest(manifest_path)
        except EtdbError as error:
            results.append(ClaimResult(claim=Claim.MANIFEST_AGREES, outcome=Outcome.FAILED, detail=error.message))
    if manifest is not None or not has_manifest:
        results.append(check_manifest(manifest, received.tomogram))
    results.append(_verify_bytes(folder, received, manifest, targets_of, progress))
    return Verification.of(results)


def load_manifest(path: Path) -> Manifest:
    """Read a manifest that lies in a folder.

    Raises:
        SourceFileError: it cannot be read.
        VerificationError: it is too long, or no manifest.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_MANIFEST_BYTES + 1)
    except OSError as error:
        raise SourceFileError(f"the manifest cannot be read: {error.strerror}", path=str(path)) from error
    if len(data) > MAX_MANIFEST_BYTES:
        raise VerificationError(f"the manifest is larger than {MAX_MANIFEST_BYTES} bytes")
    return parse_manifest(data)


def _verify_bytes(
    folder: Path,
    received: ReceivedDataset,
    manifest: Manifest | None,
    targets_of: Callable[[Tomogram], Mapping[str, str]],
    progress: Callable[[int], None] | None,
) -> ClaimResult:
    try:
        targets = _targets(received.tomogram, manifest, targets_of)
        strays = _strays(folder, targets)
        result = _compare_bytes(folder, received, manifest, targets, progress)
    except EtdbError as error:
        return _result(Outcome.FAILED, error.message)
    if not strays:
        return result
    return _result(result.outcome, f"{result.detail}; not of the dataset: {_listed(map(repr, strays), ', ')}")


def _result(outcome: Outcome, detail: str) -> ClaimResult:
    return ClaimResult(claim=Claim.FILE_BYTES, outcome=outcome, detail=detail)


def _listed(words: Iterable[str], between: str = "; ") -> str:
    every = list(words)
    more = [f"and {len(every) - MAX_SHOWN} more"] if len(every) > MAX_SHOWN else []
    return between.join(every[:MAX_SHOWN] + more)


def _targets(
    record: Tomogram, manifest: Manifest | None, targets_of: Callable[[Tomogram], Mapping[str, str]]
) -> dict[str, str]:
    """Where each file of the record and of the manifest lies.

    It follows from their names. What `etdb-dataset.json` says is signed by nobody, and could point elsewhere.
    """
    known = {entry.path for entry in record.files}
    more = () if manifest is None else (FileEntry(path=file.path) for file in manifest.files if file.path not in known)
    # Behind the record's own files, which keep the names that the download gave them.
    targets = targets_of(replace(record, files=(*record.files, *more)))
    return {**targets, MANIFEST_NAME: MANIFEST_NAME}


def _strays(folder: Path, targets: Mapping[str, str]) -> list[str]:
    """What lies in the folder and belongs to nothing; names that begin with a dot are other programs' notes."""
    known = {*targets.values(), RECEIVED_NAME}
    found = []
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        paths = (Path(place, name).relative_to(folder).as_posix() for name in files if not name.startswith("."))
        found += [path for path in paths if path not in known]
    return sorted(found)


def _compare_bytes(
    folder: Path,
    received: ReceivedDataset,
    manifest: Manifest | None,
    targets: Mapping[str, str],
    progress: Callable[[int], None] | None,
) -> ClaimResult:
    record = received.tomogram
    root = parse_cid(record.location)
    expected = _expected(folder, received, manifest, targets)
    profile = _choose_profile(root, expected)
    problems, tree = _hash_all(expected, profile, progress)
    if problems:
        return _result(Outcome.FAILED, _listed(problems))
    if record.files and set(tree) == {record.files[0].path} and root in {cid for cid, _ in tree.values()}:
        return _result(Outcome.HELD, "the location is this file itself")
    return _compare_root(root, tree, profile, manifest, record)


def _compare_root(
    root: Cid,
    tree: dict[str, tuple[Cid, int]],
    profile: ImportProfile,
    manifest: Manifest | None,
    record: Tomogram,
) -> ClaimResult:
    present = counted_files(tree)
    missing = [entry.path for entry in record.files if entry.path not in tree]
    absent = [file for file in manifest.files if file.path not in tree] if manifest is not None else []
    for file in absent:
        tree[file.path] = (parse_cid(file.cid), file_tree_size(file.size_bytes, profile))
    built, _ = build_tree(tree, profile)
    if built.cid.digest == root.digest:
        detail = present + (f"; {len(absent)} more of the dataset not here" if absent else "")
        return _result(Outcome.HELD, detail)
    if manifest is None and missing:
        return _result(
            Outcome.NOT_POSSIBLE,
            f"{present}: that is what the download found; without a manifest the others, {len(missing)}, "
            "are needed to compare them with the signed location",
        )
    return _result(Outcome.FAILED, f"these files make the directory {built.cid}, the record says {root}")


def _expected(
    folder: Path, received: ReceivedDataset, manifest: Manifest | None, targets: Mapping[str, str]
) -> list[_Expected]:
    """The files that the download brought, and all others of the dataset that are here."""
    described = {file.path: file for file in manifest.files} if manifest is not None else {}
    listed = {file.path: file for file in received.files}
    for file in received.files:
        if file.path not in targets:
            raise VerificationError(f"{file.path!r} is neither in the record nor in the manifest", path=file.path)
        if file.target != targets[file.path]:
            raise VerificationError(
                f"{file.path!r} is said to lie at {file.target!r}, where no download puts it", path=file.path
            )
    expected = []
    for path, target in targets.items():
        known, place = described.get(path), folder / target
        if path not in listed and not os.path.lexists(place):
            continue
        if manifest is not None and known is None and path != MANIFEST_NAME:
            raise VerificationError(f"{path!r} is not in the manifest", path=path)
        said = known.cid if known is not None else listed[path].cid if path in listed else None
        expected.append(
            _Expected(
                path=path,
                place=place,
                cid=parse_cid(said) if said is not None else None,
                sha256=known.sha256 if known is not None else None,
            )
        )
    if not expected:
        raise VerificationError("no file of the dataset is in this folder")
    return expected


def _choose_profile(root: Cid, expected: list[_Expected]) -> ImportProfile:
    """Old directories do not say how their files were cut: a raw leaf tells, or the smallest file that is right."""
    if root.version == 1:
        return UNIXFS_V1_2025
    if any(file.cid is not None and file.cid.version == 1 for file in expected):
        return ETDB_2018
    present = [(file.place.stat().st_size, file) for file in expected if file.cid and file.place.is_file()]
    for _, file in sorted(present, key=lambda pair: pair[0])[:TRIED_FILES]:
        for profile in (ETDB_2018, UNIXFS_V0_2015):
            hashed = hash_file(file.place, profile, sha256=False)
            if file.cid and FileDag(hashed.digests, hashed.state.size_bytes, profile).root.digest == file.cid.digest:
                return profile
    return UNIXFS_V0_2015


def _hash_all(
    expected: list[_Expected], profile: ImportProfile, progress: Callable[[int], None] | None
) -> tuple[list[str], dict[str, tuple[Cid, int]]]:
    problems: list[str] = []
    tree: dict[str, tuple[Cid, int]] = {}
    for file in expected:
        try:
            if file.place.is_symlink():
                raise SourceFileError("is a link, not the file itself")
            hashed = hash_file(file.place, profile, sha256=file.sha256 is not None, progress=progress)
            dag = FileDag(hashed.digests, hashed.state.size_bytes, profile)
        except EtdbError as error:
            problems.append(f"{file.path!r}: {error.message}")
            continue
        if file.cid is not None and dag.root.digest != file.cid.digest:
            problems.append(f"{file.path!r} is {dag.root}, it should be {file.cid}")
        elif file.sha256 is not None and hashed.sha256 is not None and hashed.sha256.hex() != file.sha256.lower():
            problems.append(f"{file.path!r} has another SHA-256 than the manifest says")
        else:
            tree[file.path] = (dag.root, dag.tree_size)
    return problems, tree
