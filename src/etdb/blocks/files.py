"""Files in place: a block store over files that stay where they are.

Adding a file reads it once and keeps only the digests of its leaves; a leaf is served by reading the file again and
hashing what was read once more, because a disk that loses bits keeps the time of the file. The lab's folders are
never written to.
"""

from __future__ import annotations

import functools
import hashlib
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol, runtime_checkable

import msgspec
from msgspec import Struct

from etdb.blocks.digests import DigestTable, KnownFile, NewFile
from etdb.blocks.hashing import HashedFile, file_state, hash_file, open_source_file
from etdb.blocks.mapped import MAPPED_FROM_BYTES, HashProcesses
from etdb.blocks.placed_leaf import other_bytes, read_leaf
from etdb.blocks.port import block_too_large, identity_block, not_in_store
from etdb.blocks.together import Progress, plan_side_by_side, run_side_by_side
from etdb.durable import storage_errors, write_durably
from etdb.errors import FormatError, NotFoundError, SourceFileError, VerificationError
from etdb.ipfs import (
    MAX_BLOCK_BYTES,
    RAW,
    UNIXFS_V1_2025,
    Cid,
    FileDag,
    ImportProfile,
    build_tree,
    file_geometry,
    leaf_digest,
    parse_cid,
    verify_block,
)

__all__ = ["AddedFile", "FilesInPlace", "OpenPlace", "PlacingStore"]


class AddedFile(Struct, frozen=True, kw_only=True):
    """A file that the store can serve.

    Attributes:
        cid: of the file.
        size_bytes: its content.
        sha256: of its content, in hexadecimal; None when it was not asked for.
        path: where it is.
        tree_size: bytes of all its blocks; what a directory's link says.
    """

    cid: Cid
    size_bytes: int
    sha256: str | None
    path: Path
    tree_size: int


class OpenPlace(Struct, frozen=True, kw_only=True):
    """Bytes of an open file, for someone who sends them and then closes it."""

    descriptor: int
    offset: int
    length: int

    def close(self) -> None:
        """Close the file."""
        os.close(self.descriptor)


@runtime_checkable
class PlacingStore(Protocol):
    """A store that says where bytes lie."""

    def open_unchecked(self, cid: Cid, *, as_block: bool) -> OpenPlace | None:
        """See :class:`FilesInPlace`."""


class FilesInPlace:
    """Block store over files in place.

    Args:
        db_path: the table of digests; made when it is not there.
        content_folder: where :meth:`add_bytes` keeps what exists nowhere else. Precious.
        profile: how files are cut.
        threads: readers of :meth:`add_file`; twice the cores by default.

    Raises:
        StorageError: the table cannot be opened.
    """

    def __init__(
        self,
        db_path: Path,
        *,
        content_folder: Path,
        profile: ImportProfile = UNIXFS_V1_2025,
        threads: int | None = None,
    ) -> None:
        self.content_folder = content_folder
        self.profile = profile
        self._threads = threads
        self._table = DigestTable(db_path)
        self._processes = HashProcesses(threads)

    @property
    def name(self) -> str:
        """See :class:`~etdb.blocks.port.BlockStore`."""
        return f"the files known to {self._table.path}"

    def add_file(self, path: Path, *, sha256: bool = True, progress: Progress | None = None) -> AddedFile:
        """Read a file once and take it up. A known file with the same size, time and inode is not read again.

        Args:
            path: a regular file; empty is allowed.
            sha256: also give the SHA-256 of the whole file, from the same read.
            progress: told the bytes of each part that is done (all at once for a file that is not read again).
                It is called from several threads, one call at a time; what it raises ends the work.

        Raises:
            SourceFileError: missing, unreadable, not a regular file, or it changed while it was read.
            DiskFullError: no room for the digests. Nothing was taken up.
        """
        return self._add_file(path, sha256=sha256, progress=progress)

    def add_files(
        self, paths: Sequence[Path], *, sha256: bool = True, progress: Progress | None = None
    ) -> list[AddedFile]:
        """Add several files; the same as :meth:`add_file` for each, and faster for large ones.

        Raises:
            SourceFileError: of a file that cannot be added; others may have been taken up.
            DiskFullError: no room for the digests.
        """
        added: dict[int, AddedFile] = {}
        if sha256 and self._processes.count > 1:
            sizes = [_size_of(path) for path in paths]
            large = [index for index, size in enumerate(sizes) if size >= MAPPED_FROM_BYTES]
            chosen = [large[n] for n in plan_side_by_side([sizes[index] for index in large], self._processes.count)]
            jobs = [functools.partial(self._add_alone, paths[index]) for index in chosen]
            with self._processes.side_by_side(len(jobs)):
                found = run_side_by_side(jobs, self._processes.count, progress)
            added = dict(zip(chosen, found, strict=True))
        for index, path in enumerate(paths):
            if index not in added:
                added[index] = self.add_file(path, sha256=sha256, progress=progress)
        return [added[index] for index in range(len(paths))]

    def _add_alone(self, path: Path, progress: Progress) -> AddedFile:
        return self._add_file(path, sha256=True, progress=progress, alone=True)

    def _add_file(self, path: Path, *, sha256: bool, progress: Progress | None, alone: bool = False) -> AddedFile:
        path = path.absolute()
        _verify_path_text(path)
        known = self._table.file(path, self.profile)
        if known is not None and (known.sha256 is not None or not sha256) and _state_of(path) == known.state:
            if progress is not None:
                progress(known.state.size_bytes)
            return _added(known, sha256=sha256)
        hashed = self._hash(path, self.profile, sha256=sha256, progress=progress, alone=alone)
        dag = FileDag(hashed.digests, hashed.state.size_bytes, self.profile)
        whole = hashed.sha256
        if whole is None and known is not None and known.root == dag.root:
            whole = known.sha256
        new = NewFile(path=path, dag=dag, state=hashed.state, sha256=whole, digests=hashed.digests)
        self._table.store_file(new)
        return _taken_up(new, sha256=sha256)

    def add_bytes(self, data: bytes) -> AddedFile:
        """Keep content that exists nowhere else, in the content folder under its CID, flushed to the disk.

        Args:
            data: the content, which is in memory: manifests and previews.

        Raises:
            DiskFullError: no room left; nothing was taken up.
            StorageError: the folder cannot be written.
        """
        new = self._keep(data)
        self._table.store_file(new)
        return _taken_up(new, sha256=True)

    def _keep(self, data: bytes) -> NewFile:
        step = self.profile.leaf_bytes
        view = memoryview(data)
        leaves = [view[at : at + step] for at in range(0, len(view), step)] or [view]
        digests = b"".join(leaf_digest(leaf, self.profile) for leaf in leaves)
        dag = FileDag(digests, len(data), self.profile)
        target = self.content_folder.absolute() / str(dag.root)
        if _content(target) != data:
            # Asked again when alone: a file that another process kept meanwhile may be being read, and stays.
            write_durably(target, [data], unless=lambda: _content(target) == data)
        with storage_errors(target):
            state = file_state(target.stat())
        return NewFile(path=target, dag=dag, state=state, sha256=hashlib.sha256(data).digest(), digests=digests)

    def add_content_folder(self) -> int:
        """Take up everything in the content folder again, after the table of digests was lost; gives the count."""
        count = 0
        for path in sorted(self.content_folder.iterdir()) if self.content_folder.is_dir() else ():
            if not path.name.startswith("."):
                self.add_file(path)
                count += 1
        return count

    def add_directory(self, entries: Mapping[str, AddedFile], *, kept: Mapping[str, bytes] | None = None) -> Cid:
        """Keep the directory nodes over files: ``{"a/b/c.mrc": added}``; gives the root's CID.

        Args:
            entries: what was added, by its path in the directory.
            kept: content that exists nowhere else and belongs into the directory, by its path; kept as
                :meth:`add_bytes` does.

        Raises:
            InputError: a bad path, or a directory that this profile does not shard and no block can hold.
            DiskFullError: no room left.
            StorageError: the content folder cannot be written.
        """
        new = {path: self._keep(data) for path, data in (kept or {}).items()}
        files = {path: (one.cid, one.tree_size) for path, one in entries.items()}
        files |= {path: (one.dag.root, one.dag.tree_size) for path, one in new.items()}
        root, nodes = build_tree(files, self.profile)
        self._table.store_nodes(nodes, new.values())
        return root.cid

    def verify_file(self, file: Path | Cid, *, progress: Progress | None = None) -> AddedFile:
        """Read a file again, all of it, and compare it with what was added.

        A new time or inode over the same bytes is taken over.

        Raises:
            NotFoundError: the file was never added.
            SourceFileError: it cannot be read.
            VerificationError: its bytes are others; fields ``cid``, ``offset`` of the first such leaf, ``path``.
        """
        if isinstance(file, Cid):
            known_files = self._table.files_with_root(file)
        else:
            known = self._table.file(file.absolute(), self.profile)
            known_files = [known] if known else self._kept_elsewhere(file)
        if not known_files:
            raise NotFoundError(f"{file} was never added", hint="add it first")
        for known in known_files:
            self._verify_known(known, progress)
        return _added(known_files[0], sha256=True)

    def files(self) -> list[AddedFile]:
        """All files that were added, in that order, each where it is now."""
        return [
            _added(msgspec.structs.replace(known, path=self._now(known.path)), sha256=True)
            for known in self._table.files()
        ]

    def places(self) -> dict[Cid, AddedFile]:
        """Where each content lies; a file that is there is better than one that is gone."""
        places: dict[Cid, AddedFile] = {}
        for file in self.files():
            known = places.get(file.cid)
            if known is None or not known.path.is_file():
                places[file.cid] = file
        return places

    def known_sha256(self, path: Path) -> bytes | None:
        """The SHA-256 of a file that was added with one and has the size, time and inode that it had then."""
        known = self._table.file(path.absolute(), self.profile)
        return known.sha256 if known is not None and _state_of(path) == known.state else None

    def is_unchanged(self, path: Path) -> bool:
        """Whether a file has the size, time and inode that it had when it was added."""
        known = self._table.file(path.absolute(), self.profile)
        return known is not None and _state_of(path) == known.state

    def can_read(self, cid: Cid) -> bool:
        """Whether a file is there that is long enough to hold this leaf; its bytes are not read."""
        for place in self._table.leaf_places(cid):
            path = self._now(place.path)
            if path.is_file() and path.stat().st_size == place.state.size_bytes:
                return True
        return False

    def _kept_elsewhere(self, path: Path) -> list[KnownFile]:
        """What is known of a file of the content folder, which was somewhere else when it was kept."""
        if path.parent != self.content_folder:
            return []
        with suppress(FormatError):
            return [one for one in self._table.files_with_root(parse_cid(path.name)) if self._now(one.path) == path]
        return []

    def _now(self, path: Path) -> Path:
        """Where a file is now: what was kept in the content folder moves with its workspace."""
        folder = path.parent
        if folder.name != self.content_folder.name or folder == self.content_folder:
            return path
        moved = self.content_folder / path.name
        return moved if not path.exists() and moved.exists() else path

    def get(self, cid: Cid, *, max_bytes: int = MAX_BLOCK_BYTES) -> bytes:
        """See :class:`~etdb.blocks.port.BlockStore`. A leaf is read from its file and hashed again.

        Raises:
            NotFoundError: never added, or the files that held it are gone.
            VerificationError: the file holds other bytes now.
        """
        block = identity_block(cid, max_bytes)
        if block is None:
            # The codec says where to look first, no more: blocks are found by their hash.
            first, second = (self._get_leaf, self._get_node) if cid.codec == RAW else (self._get_node, self._get_leaf)
            block = first(cid, max_bytes)
            if block is None:
                block = second(cid, max_bytes)
        if block is None:
            raise not_in_store(cid, self.name)
        if len(block) > max_bytes:
            raise block_too_large(cid, len(block), max_bytes)
        return block

    def open_unchecked(self, cid: Cid, *, as_block: bool) -> OpenPlace | None:
        """Where the bytes of a raw leaf, or of a whole file, are, without reading them.

        None when they are not bytes of a file as they are, or the file's size, time or inode are others than when it
        was added: then :meth:`get` says what is there.
        """
        if as_block:
            found = (
                (place.path, place.state, file_geometry(place.state.size_bytes, place.profile).leaf(place.leaf))
                for place in self._table.leaf_places(cid)
                if place.profile.raw_leaves
            )
            places = ((path, state, span.offset, span.length) for path, state, span in found)
        else:
            # A CID of another codec with the same hash names the bytes of the root node, not those of the file.
            places = (
                (known.path, known.state, 0, known.state.size_bytes)
                for known in self._table.files_with_root(cid)
                if known.root.codec == cid.codec
            )
        for path, state, offset, length in places:
            try:
                descriptor = open_source_file(self._now(path))
            except SourceFileError:
                continue
            if file_state(os.fstat(descriptor)) == state:
                return OpenPlace(descriptor=descriptor, offset=offset, length=length)
            os.close(descriptor)
        return None

    def has(self, cid: Cid) -> bool:
        """See :class:`~etdb.blocks.port.BlockStore`."""
        return cid.is_identity or self._table.node(cid) is not None or self._table.has_leaf(cid)

    def close(self) -> None:
        """See :class:`~etdb.blocks.port.BlockStore`."""
        self._processes.close()
        self._table.close()

    def _hash(
        self,
        path: Path,
        profile: ImportProfile,
        *,
        sha256: bool,
        progress: Progress | None,
        alone: bool = False,
    ) -> HashedFile:
        return hash_file(
            path,
            profile,
            sha256=sha256,
            threads=self._threads,
            progress=progress,
            processes=self._processes,
            alone=alone,
        )

    def _get_node(self, cid: Cid, _max_bytes: int) -> bytes | None:
        block = self._table.node(cid)
        if block is not None:
            verify_block(cid, block, source=str(self._table.path))
        return block

    def _get_leaf(self, cid: Cid, max_bytes: int) -> bytes | None:
        failure: Exception | None = None
        for place in self._table.leaf_places(cid):
            try:
                return read_leaf(cid, msgspec.structs.replace(place, path=self._now(place.path)), max_bytes)
            except (VerificationError, NotFoundError) as error:
                # Prefer to say that bytes changed over saying that another copy is gone.
                if failure is None or isinstance(error, VerificationError):
                    failure = error
        if failure is not None:
            raise failure
        return None

    def _verify_known(self, known: KnownFile, progress: Progress | None) -> None:
        path = self._now(known.path)
        hashed = self._hash(path, known.profile, sha256=known.sha256 is not None, progress=progress)
        digests = self._table.file_digests(known.file_id)
        if hashed.digests != digests or hashed.state.size_bytes != known.state.size_bytes:
            index = next(
                (
                    at // 32
                    for at in range(0, len(digests), 32)
                    if digests[at : at + 32] != hashed.digests[at : at + 32]
                ),
                len(digests) // 32,
            )
            raise other_bytes(known.root, path, index * known.profile.leaf_bytes)
        if hashed.state != known.state:
            self._table.set_state(known.file_id, hashed.state)


def _verify_path_text(path: Path) -> None:
    try:
        str(path).encode("utf-8")
    except UnicodeEncodeError:
        raise SourceFileError(
            f"the name of {str(path)!r} is not valid UTF-8", hint="rename the file", path=repr(str(path))
        ) from None


def _state_of(path: Path) -> object:
    try:
        return file_state(path.stat())
    except OSError:
        return None


def _size_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None


def _taken_up(new: NewFile, *, sha256: bool) -> AddedFile:
    return AddedFile(
        cid=new.dag.root,
        size_bytes=new.state.size_bytes,
        sha256=new.sha256.hex() if sha256 and new.sha256 is not None else None,
        path=new.path,
        tree_size=new.dag.tree_size,
    )


def _added(known: KnownFile, *, sha256: bool) -> AddedFile:
    return AddedFile(
        cid=known.root,
        size_bytes=known.state.size_bytes,
        sha256=known.sha256.hex() if sha256 and known.sha256 is not None else None,
        path=known.path,
        tree_size=known.tree_size,
    )
