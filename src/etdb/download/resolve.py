"""From a record's root CID to the CIDs of its files; of directories only the nodes on the way are fetched."""

from __future__ import annotations

from etdb.blocks.reader import DagReader
from etdb.download.pool import SourcePool
from etdb.errors import NotFoundError
from etdb.ipfs import Cid, parse_cid

__all__ = ["DirectoryReader"]

MAX_DEPTH = 48


class DirectoryReader:
    """Finds paths below a root. Symbolic links are not followed: nothing is below them.

    Args:
        location: the record's root CID.
        pool: where nodes come from; they are checked there.

    Raises:
        FormatError: the location is not a CID.
    """

    def __init__(self, location: str, pool: SourcePool) -> None:
        self.root = parse_cid(location)
        self._reader = DagReader(pool)

    def is_directory(self) -> bool:
        """Whether the root is a directory at all; old records may point to a single file."""
        return self._reader.is_directory(self.root)

    def find(self, path: str) -> Cid:
        """The CID of a file.

        Raises:
            NotFoundError: there is no such file below the root.
            FormatError: a node on the way is not a directory that we can read.
        """
        parts = [part for part in path.split("/") if part]
        if not parts or len(parts) > MAX_DEPTH:
            raise self._missing(path)
        cid = self.root
        for part in parts:
            found = self._reader.find(cid, part) if self._reader.is_directory(cid) else None
            if found is None:
                raise self._missing(path)
            cid = found
        return cid

    def _missing(self, path: str) -> NotFoundError:
        return NotFoundError(
            f"the dataset {self.root} has no file {path!r}, though its record says so",
            hint="the record is wrong; the publisher can correct it",
            cid=str(self.root),
            path=path,
        )
