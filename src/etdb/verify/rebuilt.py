"""A folder of files and a record: whether these files make the content that the record signs.

For who has the files from elsewhere, a disk or an archive of 2018, and no download's notes about them. The directory is
built again as IPFS made it then, and compared with the record's location.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

from msgspec import Struct

from etdb.blocks.hashing import hash_file
from etdb.errors import EtdbError, InputError, SourceFileError, VerificationError
from etdb.ipfs import (
    ETDB_2018,
    UNIXFS_V0_2015,
    UNIXFS_V1_2025,
    Cid,
    FileDag,
    ImportProfile,
    build_tree,
    leaf_digest,
    parse_cid,
)
from etdb.manifest import MANIFEST_NAME, Manifest, counted_files, parse_manifest
from etdb.oip import Tomogram
from etdb.sources.received import RECEIVED_NAME
from etdb.trust import Claim, ClaimResult, Outcome, Verification, check_manifest
from etdb.verify.folder import load_manifest

__all__ = ["verify_rebuilt"]

MAX_FILES: Final = 1_000_000
MAX_DEPTH: Final = 64
_SHOWN: Final = 10


class _Found(Struct, frozen=True):
    """What lies in a folder: files by their paths with '/', their sizes, and folders with nothing in them."""

    files: dict[str, Path]
    sizes: dict[str, int]
    empty: tuple[str, ...]


def verify_rebuilt(
    folder: Path | str,
    tomogram: Tomogram,
    *,
    manifest: bytes | None = None,
    progress: Callable[[int], None] | None = None,
) -> Verification:
    """Verify that a folder holds what a record's location commits to.

    Everything in the folder counts; names that begin with a dot do not, as `ipfs add` leaves them out. Where the
    folder holds more than the record names, the files of the record alone are tried as well.

    Args:
        folder: the dataset's files under the record's names.
        tomogram: the record; only its location and files matter.
        manifest: the dataset's, from elsewhere: who published the folder has it in a workspace, not beside the files.
        progress: told of each number of bytes that was hashed. Where the first way to cut files does not fit, they are
            read once more.

    Raises:
        InputError: not a folder, or the location is no CID.
    """
    root_folder = Path(folder)
    if not root_folder.is_dir():
        raise InputError(f"{folder} is not a folder", path=str(folder))
    try:
        root = parse_cid(tomogram.location)
    except VerificationError as error:
        raise InputError(f"the record's location is no CID: {error.message}", location=tomogram.location) from error
    results = []
    try:
        found = _survey(root_folder)
        if not found.files:
            raise SourceFileError(f"there are no files in {folder}", path=str(folder))
        if MANIFEST_NAME in found.files:
            results.append(_check(lambda: load_manifest(found.files[MANIFEST_NAME]), tomogram))
            manifest = None
        elif manifest is not None:
            text = manifest
            results.append(_check(lambda: parse_manifest(text), tomogram))
        results.append(_compare(found, tomogram, root, manifest, progress))
    except EtdbError as error:
        results.append(_result(Outcome.FAILED, error.message))
    return Verification.of(results)


def _result(outcome: Outcome, detail: str) -> ClaimResult:
    return ClaimResult(claim=Claim.FILE_BYTES, outcome=outcome, detail=detail)


def _check(load: Callable[[], Manifest], tomogram: Tomogram) -> ClaimResult:
    try:
        return check_manifest(load(), tomogram)
    except EtdbError as error:
        return ClaimResult(claim=Claim.MANIFEST_AGREES, outcome=Outcome.FAILED, detail=error.message)


def _survey(root: Path) -> _Found:
    files: dict[str, Path] = {}
    sizes: dict[str, int] = {}
    empty: list[str] = []
    for entry, inside in _walk(root, "", 0, empty):
        if entry.is_symlink() or not entry.is_file(follow_symlinks=False):
            raise SourceFileError(f"{inside!r} is a link or no regular file", path=entry.path)
        if len(files) == MAX_FILES:
            raise SourceFileError(f"there are more than {MAX_FILES} files in {root}", path=str(root))
        files[inside] = Path(entry.path)
        sizes[inside] = entry.stat(follow_symlinks=False).st_size
    return _Found(files, sizes, tuple(empty))


def _walk(folder: Path, inside: str, depth: int, empty: list[str]) -> Iterator[tuple[os.DirEntry[str], str]]:
    if depth > MAX_DEPTH:
        raise SourceFileError(f"{inside!r} is deeper than {MAX_DEPTH} folders", path=str(folder))
    try:
        with os.scandir(folder) as scan:
            entries = sorted(scan, key=lambda one: one.name)
    except OSError as error:
        raise SourceFileError(f"{folder} cannot be read: {error.strerror}", path=str(folder)) from error
    is_empty = True
    for entry in entries:
        path = f"{inside}/{entry.name}" if inside else entry.name
        if entry.name.startswith(".") or (not inside and entry.name == RECEIVED_NAME):
            continue
        is_empty = False
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(Path(entry.path), path, depth + 1, empty)
        else:
            yield entry, path
    if is_empty and inside:
        empty.append(inside)


def _compare(
    found: _Found,
    tomogram: Tomogram,
    root: Cid,
    manifest: bytes | None,
    progress: Callable[[int], None] | None,
) -> ClaimResult:
    named = {entry.path for entry in tomogram.files}
    made: list[str] = []
    for profile in (UNIXFS_V1_2025,) if root.version == 1 else (ETDB_2018, UNIXFS_V0_2015):
        tree: dict[str, tuple[Cid, int]] = {}
        for path, place in found.files.items():
            hashed = hash_file(place, profile, sha256=False, progress=progress)
            dag = FileDag(hashed.digests, hashed.state.size_bytes, profile)
            tree[path] = (dag.root, dag.tree_size)
        if manifest is not None:
            tree[MANIFEST_NAME] = _leaves_of(manifest, profile)
        for what, is_it in _ways(tree, named, found.empty, profile, root):
            if is_it == root.digest:
                beside = " with the manifest from elsewhere" if manifest is not None else ""
                size = sum(found.sizes.values())
                detail = f"{what}: {counted_files(found.files)} here{beside}, {size} bytes, profile {profile.name}"
                return _result(Outcome.HELD, detail)
        built, _ = build_tree(tree, profile, folders=found.empty)
        made.append(f"{built.cid} ({profile.name})")
    missing, more = _differences(found, tomogram)
    if root.version == 1 and named and not missing and MANIFEST_NAME not in tree:
        # A publisher's own folder: etdb puts a manifest beside the files where it adds them, and only there.
        detail = "the manifest is not here, so the location cannot be made; names and sizes are those of the record"
        return _result(Outcome.NOT_POSSIBLE, detail)
    return _result(Outcome.FAILED, f"these files make {', '.join(made)}; {_shown(missing + more)}")


def _leaves_of(content: bytes, profile: ImportProfile) -> tuple[Cid, int]:
    pieces = [content[at : at + profile.leaf_bytes] for at in range(0, max(1, len(content)), profile.leaf_bytes)]
    dag = FileDag(b"".join(leaf_digest(piece, profile) for piece in pieces), len(content), profile)
    return dag.root, dag.tree_size


def _ways(
    tree: Mapping[str, tuple[Cid, int]], named: set[str], empty: tuple[str, ...], profile: ImportProfile, root: Cid
) -> Iterator[tuple[str, bytes]]:
    """What the files may have been when the location was made, and the digest that this gives."""
    yield f"the folder is {root}", build_tree(tree, profile, folders=empty)[0].cid.digest
    if empty:
        yield f"the folder without its empty folders is {root}", build_tree(tree, profile)[0].cid.digest
    chosen = {path: leaf for path, leaf in tree.items() if path in named}
    if chosen and len(chosen) < len(tree):
        yield f"the files of the record are {root}", build_tree(chosen, profile)[0].cid.digest
    # The record does not name the manifest, which describes it.
    if chosen and MANIFEST_NAME in tree and MANIFEST_NAME not in chosen:
        described = {**chosen, MANIFEST_NAME: tree[MANIFEST_NAME]}
        yield f"the files of the record and its manifest are {root}", build_tree(described, profile)[0].cid.digest
    for path, (cid, _) in (chosen or tree).items():
        if len(chosen or tree) == 1:
            yield f"{path!r} is {root}", cid.digest


def _differences(found: _Found, tomogram: Tomogram) -> tuple[list[str], list[str]]:
    """What is not as the record's names and sizes say, and what is too much. They are not signed: this is a hint."""
    missing = []
    for entry in tomogram.files:
        size = found.sizes.get(entry.path)
        if size is None:
            missing.append(f"{entry.path!r} is not here")
        elif entry.size_bytes is not None and entry.size_bytes != size:
            missing.append(f"{entry.path!r} has {size} bytes, the record says {entry.size_bytes}")
    more = sorted(set(found.files) - {entry.path for entry in tomogram.files})
    return missing, [f"{path!r} is not in the record" for path in more]


def _shown(said: list[str]) -> str:
    if not said:
        return "names and sizes are those of the record, so the bytes differ, or they were added in another way"
    left = f"; and {len(said) - _SHOWN} more" if len(said) > _SHOWN else ""
    return "; ".join(said[:_SHOWN]) + left
