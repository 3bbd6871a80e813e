"""Checks of what published roots commit to: manifests and previews, directories, and the files behind them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Final

from etdb.blocks import AddedFile, FilesInPlace
from etdb.counting import counted
from etdb.doctor.finding import Finding, Found, NotChecked, Patient, set_aside
from etdb.errors import EtdbError, FormatError, StorageError
from etdb.ipfs import UNIXFS_V1_2025, DagBuilder, DagWalk, LeafFound, leaf_digest, parse_cid
from etdb.manifest import MANIFEST_NAME, parse_manifest
from etdb.publish import SENT_STATES, DatasetEntry, Journal

__all__ = ["check_content", "check_roots"]

_MOST_MISSING: Final = 3
_MAX_CONTENT_BYTES: Final = 64 << 20


def check_content(patient: Patient) -> Found:
    """Every file of the content folder is called by its own CID."""
    if not patient.workspace.content_folder.is_dir():
        yield NotChecked("content", "there is no content folder")
    for path in _content(patient):
        named = _cid_of(path)
        if named == path.name:
            continue
        yield (
            Finding(
                check="content",
                severity="error",
                where=patient.name(path),
                what=f"its bytes are not those of its name (they are {named})",
                repair="set it aside; what needs it is then named by the check of roots",
                advice="put it back from a backup",
                is_loss=True,
            ),
            partial(_put_aside, path),
        )


def _put_aside(path: Path) -> str:
    return f"kept as {set_aside(path).name}"


def _content(patient: Patient) -> Iterator[Path]:
    folder = patient.workspace.content_folder
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if not path.name.startswith(".") and ".damaged-" not in path.name:
            yield path


def _cid_of(path: Path) -> str:
    """What a file's bytes are called; files of this folder are small."""
    if path.stat().st_size > _MAX_CONTENT_BYTES:
        return "more than belongs here"
    data = path.read_bytes()
    builder = DagBuilder()
    step = UNIXFS_V1_2025.leaf_bytes
    for at in range(0, len(data), step) or (0,):
        leaf = data[at : at + step]
        builder.add_leaf(leaf_digest(leaf, UNIXFS_V1_2025), len(leaf))
    return str(builder.finish()[0])


def check_roots(patient: Patient) -> Found:
    """Of every dataset that was sent: all nodes are here, and all leaves are known (deep: and read)."""
    workspace = patient.workspace
    if not workspace.journal_path.exists():
        yield NotChecked("roots", "there is no journal")
        return
    journal = Journal(workspace.journal_path)
    try:
        # Of a dataset that was edited only what it is now: the files of before may be others by right.
        sent = [entry for entry in journal.datasets(*SENT_STATES) if entry.has_content]
        entries = list({(entry.publisher, entry.sid): entry for entry in sent}.values())
    finally:
        journal.close()
    if not entries:
        yield NotChecked("roots", "nothing was published from here")
        return
    with contextlib.closing(_files(patient)) as files:
        for number, entry in enumerate(entries):
            patient.progress("roots", number, len(entries))
            missing = _missing(files, entry, deep=patient.deep)
            if missing:
                yield (
                    Finding(
                        check="roots",
                        severity="error",
                        where=entry.sid,
                        what=f"{len(missing)} of its blocks cannot be served: {'; '.join(missing[:_MOST_MISSING])}",
                        repair=f"read its files again from {entry.source} and make its directory again",
                        advice="if the folder is elsewhere now, publish it from there: nothing is sent twice",
                    ),
                    partial(_take_up_again, patient, entry),
                )


def _files(patient: Patient) -> FilesInPlace:
    return FilesInPlace(patient.workspace.digests_path, content_folder=patient.workspace.content_folder)


def _missing(files: FilesInPlace, entry: DatasetEntry, *, deep: bool) -> list[str]:
    """What of a dataset's DAG the store cannot give, in words."""
    walk = DagWalk(parse_cid(entry.root_cid))
    try:
        events = walk.start()
        while (wanted := walk.next_wanted) is not None:
            events += walk.receive(wanted, files.get(wanted))
    except EtdbError as error:
        return [error.message]
    leaves = [event for event in events if isinstance(event, LeafFound)]
    return [f"{one.path} at byte {one.offset}" for one in leaves if not _gives(files, one, deep=deep)]


def _gives(files: FilesInPlace, leaf: LeafFound, *, deep: bool) -> bool:
    if leaf.cid.is_identity:
        return True
    if not deep:
        return files.can_read(leaf.cid)
    try:
        files.get(leaf.cid)
    except EtdbError:
        return False
    return True


def _take_up_again(patient: Patient, entry: DatasetEntry) -> str:
    """Hash the dataset's files where they were, find its manifest, and make the directory that was published.

    Raises:
        StorageError: a file is other than it was, or the manifest is gone: then the root cannot be made again.
    """
    source = Path(entry.source)
    with contextlib.closing(_files(patient)) as files:
        files.add_content_folder()
        added: dict[str, AddedFile] = {}
        for path, cid in entry.files.items():
            place = source if source.is_file() else source / path
            kept = patient.workspace.content_folder / cid
            if kept.is_file() and not place.exists():
                place = kept  # a preview, which never lay in the lab's folder
            added[path] = files.add_file(place)
            if str(added[path].cid) != cid:
                raise StorageError(
                    f"{place} is not the file that was published as {path}", hint="put the file back", path=str(place)
                )
        for kept in _content(patient):
            if not _is_manifest_of(kept, entry):
                continue
            manifest = files.add_file(kept)
            root = files.add_directory({**added, MANIFEST_NAME: manifest})
            if str(root) == entry.root_cid:
                return f"{counted(len(added), 'file')} read again; {entry.root_cid} is whole"
    raise StorageError(
        f"the manifest of {entry.sid} is not in the content folder",
        hint="put the content folder back from a backup",
        sid=entry.sid,
    )


def _is_manifest_of(path: Path, entry: DatasetEntry) -> bool:
    try:
        manifest = parse_manifest(path.read_bytes())
    except FormatError:
        return False
    return {one.path: one.cid for one in manifest.files} == entry.files
