"""What a download of a CID alone will bring: nobody signed a record, so its files are found by walking its folders."""

from __future__ import annotations

from etdb.blocks.reader import DagReader
from etdb.download.names import safe_paths
from etdb.download.plan import INCOMPLETE_FOLDER, DownloadPlan, PlannedDataset, PlannedFile
from etdb.download.pool import SourcePool
from etdb.errors import FormatError
from etdb.ipfs import RAW, Cid
from etdb.oip.tomogram import FileEntry, Tomogram

__all__ = ["plan_content"]

MAX_ENTRIES = 1 << 20
"""Files and links."""
MAX_FOLDERS = 1 << 16
MAX_DEPTH = 32


def plan_content(root: Cid, pool: SourcePool) -> DownloadPlan:
    """List what a CID leads to. Only folders and the first node of each file are fetched; links are left out.

    Args:
        root: of a folder or a file.
        pool: where its nodes come from.

    Returns:
        A plan of one entry, into a folder named by the CID; a file alone has that name too.

    Raises:
        FormatError: not folders and files, or beyond the limits.
        NotFoundError, SourceError, VerificationError: as :class:`~etdb.download.pool.SourcePool`.
    """
    reader = DagReader(pool)
    entries: list[FileEntry] = []
    left_out: list[str] = []
    folders = 0
    if not reader.is_directory(root):
        entries.append(FileEntry(path=str(root), size_bytes=_size(reader, root)))
    open_folders = [(root, "", 0)] if not entries else []
    while open_folders:
        folder, path, depth = open_folders.pop()
        folders += 1
        for link in reader.entries(folder):
            name = f"{path}{link.name}"
            if reader.is_directory(link.cid):
                if depth == MAX_DEPTH or folders + len(open_folders) >= MAX_FOLDERS:
                    raise FormatError(f"{root} has too many folders at {name!r}", cid=str(root), path=name)
                open_folders.append((link.cid, f"{name}/", depth + 1))
            elif len(entries) + len(left_out) == MAX_ENTRIES:
                raise FormatError(f"{root} has more than {MAX_ENTRIES} files and links", cid=str(root))
            elif reader.is_symlink(link.cid):
                left_out.append(name)
            else:
                entries.append(FileEntry(path=name, size_bytes=_size(reader, link.cid)))
    names = safe_paths((entry.path for entry in entries), reserved=(INCOMPLETE_FOLDER,))
    files = {
        entry.path: PlannedFile(
            path=entry.path, target=names[entry.path], size_bytes=entry.size_bytes, file_class="others"
        )
        for entry in entries
        if entry.path in names
    }
    tomogram = Tomogram(title=str(root), location=str(root), files=tuple(entries))
    planned = PlannedDataset(
        dataset_id=str(root),
        tomogram=tomogram,
        folder=str(root),
        files=tuple(files.values()),
        left_out=tuple(left_out),
        is_bare=True,
    )
    return DownloadPlan(datasets=(planned,))


def _size(reader: DagReader, cid: Cid) -> int | None:
    """What the file's first node says; a single leaf says nothing before it is here."""
    return None if cid.codec == RAW else reader.file_size(cid)
