"""A downloaded dataset's folder, verified without a network.

Its bytes are compared with the signed root, its record with the ledger's evidence that lies beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath

from msgspec import Struct

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
from etdb.manifest import MANIFEST_NAME, Manifest, parse_manifest
from etdb.sources.received import ReceivedDataset, load_received
from etdb.trust import Claim, ClaimResult, Outcome, Verification, check_manifest
from etdb.verify.record import verify_record
from etdb.verify.treesize import file_tree_size

__all__ = ["verify_folder"]

MAX_MANIFEST_BYTES = 64 << 20
MAX_SHOWN = 10
# How many files are read to find out how all of them were cut; the first does, unless it is damaged.
TRIED_FILES = 3


class _Expected(Struct, frozen=True, kw_only=True):
    """A file that should be here, and what it should be."""

    path: str
    place: Path
    cid: Cid
    sha256: str | None


def verify_folder(
    path: Path | str,
    *,
    block_hash_at: Callable[[int], str | None] | None = None,
    progress: Callable[[int], None] | None = None,
) -> Verification:
    """Verify everything that the folder of one downloaded dataset can show.

    Args:
        path: the folder, with `etdb-dataset.json` in it.
        block_hash_at: the hash of the block at a height of the reader's own chain, if there is one.
        progress: told of each number of bytes that was hashed.

    Raises:
        InputError: not the folder of a downloaded dataset.
        FormatError: its `etdb-dataset.json` is damaged.
    """
    folder = Path(path)
    received = load_received(folder)
    results = verify_record(received.dataset_id, received.tomogram, received.transactions, block_hash_at=block_hash_at)
    manifest_path = _places(folder, received).get(MANIFEST_NAME)
    manifest: Manifest | None = None
    if manifest_path is not None:
        try:
            manifest = load_manifest(manifest_path)
        except EtdbError as error:
            results.append(ClaimResult(claim=Claim.MANIFEST_AGREES, outcome=Outcome.FAILED, detail=error.message))
    if manifest is not None or manifest_path is None:
        results.append(check_manifest(manifest, received.tomogram))
    results.append(_verify_bytes(folder, received, manifest, progress))
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


def _places(folder: Path, received: ReceivedDataset) -> dict[str, Path]:
    """Where the files of the record lie; a target that would leave the folder is not followed."""
    places = {}
    for file in received.files:
        target = PurePosixPath(file.target)
        if not target.is_absolute() and ".." not in target.parts and target.parts:
            places[file.path] = folder.joinpath(*target.parts)
    return places


def _verify_bytes(
    folder: Path, received: ReceivedDataset, manifest: Manifest | None, progress: Callable[[int], None] | None
) -> ClaimResult:
    places = _places(folder, received)
    try:
        root = parse_cid(received.tomogram.location)
        expected = _expected(received, manifest, places)
        profile = _choose_profile(root, expected)
        problems, tree = _hash_all(expected, profile, progress)
        if problems:
            shown = "; ".join(problems[:MAX_SHOWN])
            more = f"; and {len(problems) - MAX_SHOWN} more" if len(problems) > MAX_SHOWN else ""
            return _result(Outcome.FAILED, shown + more)
        if (
            received.tomogram.files
            and set(tree) == {received.tomogram.files[0].path}
            and root in {cid for cid, _ in tree.values()}
        ):
            return _result(Outcome.HELD, "the location is this file itself")
        return _compare_root(root, tree, profile, manifest, received.left_out)
    except EtdbError as error:
        return _result(Outcome.FAILED, error.message)


def _result(outcome: Outcome, detail: str) -> ClaimResult:
    return ClaimResult(claim=Claim.FILE_BYTES, outcome=outcome, detail=detail)


def _compare_root(
    root: Cid,
    tree: dict[str, tuple[Cid, int]],
    profile: ImportProfile,
    manifest: Manifest | None,
    left_out: Sequence[str],
) -> ClaimResult:
    present = len(tree)
    absent = [file for file in manifest.files if file.path not in tree] if manifest is not None else []
    if manifest is None and left_out:
        return _result(
            Outcome.NOT_POSSIBLE,
            f"{present} files are what the download found; without a manifest the {len(left_out)} files that "
            "were left out are needed to compare them with the signed location",
        )
    for file in absent:
        tree[file.path] = (parse_cid(file.cid), file_tree_size(file.size_bytes, profile))
    built, _ = build_tree(tree, profile)
    if built.cid.digest != root.digest:
        return _result(Outcome.FAILED, f"these files make the directory {built.cid}, the record says {root}")
    detail = f"{present} files" + (f"; {len(absent)} of the dataset are not here" if absent else "")
    return _result(Outcome.HELD, detail)


def _expected(received: ReceivedDataset, manifest: Manifest | None, places: Mapping[str, Path]) -> list[_Expected]:
    described = {file.path: file for file in manifest.files} if manifest is not None else {}
    expected = []
    for file in received.files:
        known = described.get(file.path)
        if file.path not in places:
            raise VerificationError(f"{file.path!r} is said to lie outside of the folder", path=file.path)
        if manifest is not None and known is None and file.path != MANIFEST_NAME:
            raise VerificationError(f"{file.path!r} is not in the manifest", path=file.path)
        expected.append(
            _Expected(
                path=file.path,
                place=places[file.path],
                cid=parse_cid(known.cid if known is not None else file.cid),
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
    if any(file.cid.version == 1 for file in expected):
        return ETDB_2018
    present = [(file.place.stat().st_size, file) for file in expected if file.place.is_file()]
    for _, file in sorted(present, key=lambda pair: pair[0])[:TRIED_FILES]:
        for profile in (ETDB_2018, UNIXFS_V0_2015):
            hashed = hash_file(file.place, profile, sha256=False)
            if FileDag(hashed.digests, hashed.state.size_bytes, profile).root.digest == file.cid.digest:
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
        if dag.root.digest != file.cid.digest:
            problems.append(f"{file.path!r} is {dag.root}, it should be {file.cid}")
        elif file.sha256 is not None and hashed.sha256 is not None and hashed.sha256.hex() != file.sha256.lower():
            problems.append(f"{file.path!r} has another SHA-256 than the manifest says")
        else:
            tree[file.path] = (dag.root, dag.tree_size)
    return problems, tree
