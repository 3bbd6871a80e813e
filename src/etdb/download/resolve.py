"""From a record's root CID to the CIDs of its files, one directory node at a time."""

from __future__ import annotations

from etdb.download.pool import SourcePool
from etdb.errors import FormatError, NotFoundError
from etdb.ipfs import RAW, Cid, parse_cid, parse_node, parse_unixfs

__all__ = ["DirectoryReader"]

MAX_DEPTH = 48


class DirectoryReader:
    """Finds paths below a root; each directory node is fetched once.

    Args:
        location: the record's root CID.
        pool: where nodes come from; they are checked there.

    Raises:
        FormatError: the location is not a CID.
    """

    def __init__(self, location: str, pool: SourcePool) -> None:
        self.root = parse_cid(location)
        self._pool = pool
        self._names: dict[str, dict[str, Cid]] = {}

    def is_directory(self) -> bool:
        """Whether the root is a directory at all; old records may point to a single file."""
        return self.root.codec != RAW and self._list("", self.root) is not None

    def find(self, path: str) -> Cid:
        """The CID of a file.

        Raises:
            NotFoundError: there is no such file below the root.
            FormatError: a node on the way is not a directory that we can read.
        """
        parts = [part for part in path.split("/") if part]
        if not parts or len(parts) > MAX_DEPTH:
            raise self._missing(path)
        cid, here = self.root, ""
        for part in parts:
            names = self._list(here, cid)
            if names is None or part not in names:
                raise self._missing(path)
            cid = names[part]
            here = f"{here}/{part}"
        return cid

    def _list(self, path: str, cid: Cid) -> dict[str, Cid] | None:
        if path in self._names:
            return self._names[path]
        if cid.codec == RAW:
            return None
        node = parse_node(self._pool.get(cid))
        unixfs = parse_unixfs(node.data)
        if unixfs.is_file:
            return None
        if unixfs.kind_name != "directory":
            raise FormatError(
                f"a UnixFS {unixfs.kind_name} is not read by this release", hint="use a newer release", cid=str(cid)
            )
        self._names[path] = {link.name: link.cid for link in node.links}
        return self._names[path]

    def _missing(self, path: str) -> NotFoundError:
        return NotFoundError(
            f"the dataset {self.root} has no file {path!r}, though its record says so",
            hint="the record is wrong; the publisher can correct it",
            cid=str(self.root),
            path=path,
        )
