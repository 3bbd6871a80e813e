"""Inside: push what is published to where a server outside serves it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Final

import msgspec

from etdb.blocks import AddedFile, FilesInPlace
from etdb.blocks.reader import DagReader
from etdb.durable import scratch_folder, storage_errors
from etdb.errors import EtdbError, SourceFileError, VerificationError
from etdb.ipfs import Cid, parse_cid
from etdb.publish import SENT_STATES, Journal
from etdb.stage import Piece, StagedRoot, StageTarget, WrongBytesError, content_name, encode_root, root_name

__all__ = ["Released", "StageReport", "files_of", "push", "released_datasets"]

_MAX_DEPTH: Final = 32


class Released(msgspec.Struct, frozen=True, kw_only=True):
    """A published dataset that others may have."""

    sid: str
    root_cid: str


class StageReport(msgspec.Struct, frozen=True, kw_only=True):
    """What was pushed.

    ``datasets`` are whole there now, ``new`` of them by this run; ``left`` are not, each with why.
    """

    target: str
    datasets: int = 0
    new: int = 0
    files_sent: int = 0
    bytes_sent: int = 0
    left: dict[str, str] = {}


def push(
    released: Sequence[Released],
    blocks: FilesInPlace,
    target: StageTarget,
    *,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> StageReport:
    """Bring every dataset there that is not there yet; what was cut off is gone on with.

    Args:
        released: the datasets, in the order in which they should come.
        blocks: the workspace's files.
        target: where to.
        progress: told how many bytes are there, and of how many.

    Raises:
        SourceError: the target cannot be reached: what arrived stays, and the next call goes on.
        StorageError: the digests cannot be read.
    """
    present = target.present()
    wanted = [one for one in released if root_name(one.root_cid) not in present]
    places = blocks.places()
    left: dict[str, str] = {}
    plans: list[tuple[Released, dict[str, Cid], dict[str, AddedFile]]] = []
    for one in wanted:
        try:
            files = files_of(blocks, parse_cid(one.root_cid))
            missing = {str(cid): _place(places, cid, path) for path, cid in files.items()}
            plans.append((one, files, missing))
        except EtdbError as error:
            left[one.sid] = error.message
    to_send = {
        name: file.size_bytes
        for _, _, files_there in plans
        for cid, file in files_there.items()
        if present.get(name := content_name(cid)) != file.size_bytes
    }
    total, done, new, sent_files, sent_bytes = sum(to_send.values()), 0, 0, 0, 0
    progress(0, total)
    for one, files, files_there in plans:
        try:
            for cid, file in files_there.items():
                name = content_name(cid)
                if present.get(name) == file.size_bytes:
                    continue
                _put(target, _piece(blocks, name, file))
                present[name] = file.size_bytes
                done += file.size_bytes
                sent_files += 1
                sent_bytes += file.size_bytes
                progress(done, total)
            _put_root(target, one, files, sum(file.size_bytes for file in files_there.values()))
        except (SourceFileError, VerificationError) as error:
            left[one.sid] = error.message
            continue
        new += 1
    return StageReport(
        target=target.name,
        datasets=len(released) - len(left),
        new=new,
        files_sent=sent_files,
        bytes_sent=sent_bytes,
        left=left,
    )


def released_datasets(journal: Journal) -> list[Released]:
    """The datasets of a journal that others may have, as their newest final revisions are, oldest first.

    One that is withdrawn, or is on the way to be, is none of them.
    """
    newest: dict[tuple[str, str], Released] = {}
    withdrawn = set()
    for one in journal.datasets(*SENT_STATES):
        if one.kind == "deactivate":
            withdrawn.add((one.publisher, one.sid))
        elif one.has_content and one.state == "final":
            newest[one.publisher, one.sid] = Released(sid=one.sid, root_cid=one.root_cid)
    return [one for name, one in newest.items() if name not in withdrawn]


def files_of(blocks: FilesInPlace, root: Cid) -> dict[str, Cid]:
    """The files of a published directory: path and CID, the manifest among them.

    Raises:
        NotFoundError: its nodes are not in this workspace.
        VerificationError: they are not what they should be.
    """
    return dict(_walk(DagReader(blocks), root, "", 0))


def _walk(reader: DagReader, directory: Cid, inside: str, depth: int) -> Iterator[tuple[str, Cid]]:
    if depth > _MAX_DEPTH:
        raise SourceFileError(f"{inside[:200]} is nested deeper than {_MAX_DEPTH} folders")
    for link in reader.entries(directory):
        path = f"{inside}{link.name}"
        if reader.is_directory(link.cid):
            yield from _walk(reader, link.cid, f"{path}/", depth + 1)
        else:
            yield path, link.cid


def _place(places: Mapping[Cid, AddedFile], cid: Cid, path: str) -> AddedFile:
    if cid not in places or not places[cid].path.is_file():
        raise SourceFileError(f"{path}: the file with its bytes is gone", hint="put it back where it was")
    return places[cid]


def _piece(blocks: FilesInPlace, name: str, file: AddedFile) -> Piece:
    if not blocks.is_unchanged(file.path):
        blocks.verify_file(file.path)
    if file.sha256 is None:
        file = blocks.add_file(file.path, sha256=True)
    return Piece(name=name, path=file.path, size_bytes=file.size_bytes, sha256=file.sha256 or "")


def _put(target: StageTarget, piece: Piece) -> None:
    """What an earlier try left there may be wrong: then it is sent once more, from its beginning."""
    try:
        target.put(piece)
    except WrongBytesError:
        target.put(piece)


def _put_root(target: StageTarget, one: Released, files: Mapping[str, Cid], size_bytes: int) -> None:
    text = encode_root(
        StagedRoot(
            root=one.root_cid,
            sid=one.sid,
            size_bytes=size_bytes,
            files={path: str(cid) for path, cid in files.items()},
        )
    )
    with scratch_folder("etdb-root-") as folder, storage_errors(folder):
        path = folder / "root.json"
        path.write_bytes(text)
        digest = sha256(text).hexdigest()
        _put(target, Piece(name=root_name(one.root_cid), path=path, size_bytes=len(text), sha256=digest))
