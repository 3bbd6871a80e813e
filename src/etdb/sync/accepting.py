"""Outside: take up what was staged here, each file by what it hashes to, and nothing else.

The files are served from where they lie. What is believed is the CID alone: a file under another's name, or a
description that does not add up to its root, is told and left out.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec

from etdb.blocks import AddedFile, FilesInPlace
from etdb.durable import storage_errors
from etdb.errors import EtdbError, InputError, NotFoundError, VerificationError
from etdb.ipfs import parse_cid
from etdb.stage import MAX_ROOT_BYTES, StagedRoot, content_name, parse_root

__all__ = ["AcceptReport", "accept"]


class AcceptReport(msgspec.Struct, frozen=True, kw_only=True):
    """What was taken up.

    ``datasets`` can be served now, ``new`` of them since this run. ``wrong`` are those of which bytes or a description
    are not what their names say: sid or name, and why.
    """

    folder: str
    datasets: int = 0
    new: int = 0
    size_bytes: int = 0
    wrong: dict[str, str] = {}


def accept(
    folder: Path, blocks: FilesInPlace, *, progress: Callable[[int, int], None] = lambda _done, _total: None
) -> AcceptReport:
    """Hash what is new in a staged folder, and make it ready to be served. Nothing is written into the folder.

    Args:
        folder: the staged one.
        blocks: of the workspace that serves.
        progress: told how many datasets are done, and of how many.

    Raises:
        InputError: it is no staged folder.
        StorageError: it cannot be read, or the digests cannot be written.
    """
    roots = folder / "roots"
    if not roots.is_dir():
        raise InputError(
            f"{folder} is not a staged folder: it has no roots/", hint="etdb sync --stage makes one", path=str(folder)
        )
    with storage_errors(folder):
        names = sorted(
            path.name for path in roots.iterdir() if path.suffix == ".json" and not path.name.startswith(".")
        )
    accepted, new, size_bytes = 0, 0, 0
    wrong: dict[str, str] = {}
    for number, name in enumerate(names):
        progress(number, len(names))
        try:
            staged = _read(roots / name)
            added, is_new = _take_up(folder, staged, blocks)
        except (VerificationError, NotFoundError, InputError) as error:
            wrong[name.removesuffix(".json")] = error.message
            continue
        accepted += 1
        new += is_new
        size_bytes += sum(one.size_bytes for one in added.values())
    progress(len(names), len(names))
    return AcceptReport(folder=str(folder), datasets=accepted, new=new, size_bytes=size_bytes, wrong=wrong)


def _read(path: Path) -> StagedRoot:
    with storage_errors(path), path.open("rb") as file:
        data = file.read(MAX_ROOT_BYTES + 1)
    return parse_root(data, f"roots/{path.name}")


def _take_up(folder: Path, staged: StagedRoot, blocks: FilesInPlace) -> tuple[dict[str, AddedFile], bool]:
    is_new = not blocks.has(parse_cid(staged.root))
    added = {}
    for path, cid in staged.files.items():
        place = folder / content_name(cid)
        try:
            one = blocks.add_file(place, sha256=False)
        except EtdbError as error:
            raise InputError(f"{path}: {error.message}", path=str(place)) from error
        if str(one.cid) != cid:
            raise VerificationError(f"{path}: {place} holds other bytes than its name says", cid=cid, path=str(place))
        added[path] = one
    root = blocks.add_directory(added)
    if str(root) != staged.root:
        raise VerificationError(f"its files add up to {root}, not to {staged.root}", cid=staged.root)
    return added, is_new
