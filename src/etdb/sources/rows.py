"""Datasets from rows: what tables of any kind (SQL, CSV, YAML) have in common.

A row of the table of datasets has the columns of a record (:data:`RECORD_COLUMNS`), and

| column | what it says |
| --- | --- |
| `sid` | the lab's own id of the dataset; needed |
| `released` | whether it may be published; without the column all are |
| `withheld_because` | why not, for the report |
| `folder` | where its files are, seen from the source's folder; its `sid` when empty |

A row of the table of files has `sid`, `path` (in the dataset) and `place` (on the disk, seen from the dataset's folder;
`path` when empty), and `role`, `notes`, `display_name`, `software`. Without a table of files everything in the
dataset's folder is taken, and its `dataset.toml` fills in what the table leaves empty.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from etdb.counting import counted
from etdb.errors import InputError, SourceFileError
from etdb.sources.cells import dataset_cells, file_cells, truth
from etdb.sources.dataset import SourceDataset
from etdb.sources.folder import MAX_FILES, FolderReading, refusal
from etdb.sources.listed import ListedFile, read_listed, safe_place
from etdb.sources.names import name_problem, shown
from etdb.sources.port import Listing

__all__ = ["MAX_DATASETS", "Row", "RowSource", "Table", "not_released", "renamed", "told_by"]

Row = Mapping[str, Any]
MAX_DATASETS: Final = 1_000_000
_OWN: Final = frozenset({"released", "withheld_because", "folder"})
_OF_FILE: Final = frozenset({"sid", "path", "place"})


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """What a source gives at one look: rows of datasets, and rows of files where it lists files."""

    datasets: Sequence[Row]
    files: Sequence[Row] | None = None


class RowSource:
    """Datasets whose metadata stand in rows; see :class:`~etdb.sources.port.Source`.

    Args:
        name: what messages call it.
        folder: below which all files are.
        load: gives the rows; called for each list.
        defaults: what each record of this source says unless its row says otherwise.
        origin: what descriptions call the rows.
        roles: the lab's own words for what a file is, and ours.
        close: lets go of what `load` needs.
    """

    def __init__(
        self,
        name: str,
        folder: Path,
        load: Callable[[], Table],
        *,
        defaults: Mapping[str, Any] | None = None,
        origin: str = "lab database",
        roles: Mapping[str, str] | None = None,
        close: Callable[[], None] = lambda: None,
    ) -> None:
        self._name = name
        self._folder = folder
        self._load = load
        self._defaults = dict(defaults or {})
        self._origin = origin
        self._roles = {word.casefold(): role for word, role in (roles or {}).items()}
        self._close = close
        self._rows: dict[str, Row] = {}
        self._files: dict[str, list[Row]] | None = None
        self._listing: Listing | None = None

    @property
    def name(self) -> str:
        """See :class:`~etdb.sources.port.Source`."""
        return self._name

    def listing(self) -> Listing:
        """See :class:`~etdb.sources.port.Source`. Rows are kept for :meth:`read`."""
        table = self._load()
        if len(table.datasets) > MAX_DATASETS:
            raise InputError(f"{self._name} has more than {MAX_DATASETS} datasets", hint="make it several sources")
        self._rows, refused = {}, []
        released, withheld, twice = [], {}, set()
        for number, row in enumerate(table.datasets, 1):
            sid = _sid(row)
            if problem := name_problem(sid) or ("has a '/' in it" if "/" in sid else ""):
                refused.append(f"row {number} of the datasets: the sid {shown(sid)!r} {problem if sid else 'is empty'}")
            elif sid in self._rows:
                twice.add(sid)
            else:
                self._rows[sid] = row
                reason = _withheld(row)
                if reason:
                    withheld[sid] = reason
                else:
                    released.append(sid)
        # Of two rows with one id nobody knows which is meant: neither is published, and neither is withdrawn.
        refused += [f"{shown(sid)}: more than one row has this sid" for sid in sorted(twice)]
        self._files = None if table.files is None else _by_sid(table.files, self._rows, refused)
        self._listing = Listing(
            released=tuple(sid for sid in released if sid not in twice),
            withheld={sid: reason for sid, reason in withheld.items() if sid not in twice},
            refused=tuple(refused),
        )
        return self._listing

    def read(self, sid: str) -> SourceDataset:
        """See :class:`~etdb.sources.port.Source`."""
        listing = self._listing or self.listing()
        if sid not in self._rows or sid in listing.withheld:
            raise not_released(self._name, sid)
        row = self._rows[sid]
        own, problems = dataset_cells({column: cell for column, cell in row.items() if column not in _OWN})
        metadata = {**self._defaults, **own, "sid": sid}
        if "extra" in own and "extra" in self._defaults:
            metadata["extra"] = {**self._defaults["extra"], **own["extra"]}
        place = str(row.get("folder") or sid).rstrip("/")
        if problem := safe_place(place):
            raise _cannot(self._name, sid, [*problems, f"folder {shown(place)!r} {problem}"])
        folder = self._folder / place
        if self._files is None:
            return self._whole_folder(sid, folder, metadata, problems)
        files = []
        rows = self._files.get(sid, [])
        if len(rows) > MAX_FILES:
            raise _cannot(self._name, sid, [*problems, f"more than {MAX_FILES} files in one dataset"])
        for file in rows:
            path = str(file.get("path") or "")
            cells = {column: cell for column, cell in file.items() if column not in _OF_FILE}
            word = str(cells.get("role") or "").strip()
            cells["role"] = self._roles.get(word.casefold(), word)
            note, wrong = file_cells(cells)
            problems += [f"{shown(path)}: {problem}" for problem in wrong]
            files.append(
                ListedFile(
                    path=path,
                    place=f"{place}/{file.get('place') or path}",
                    role=note.role if isinstance(note.role, str) else "",
                    notes=note.notes,
                    display_name=note.display_name,
                    software=note.software,
                )
            )
        return told_by(self._origin, read_listed(sid, self._folder, files, metadata, problems=problems))

    def close(self) -> None:
        """See :class:`~etdb.sources.port.Source`."""
        self._close()

    def _whole_folder(self, sid: str, folder: Path, metadata: dict[str, Any], problems: list[str]) -> SourceDataset:
        if not folder.is_dir() or not folder.resolve().is_relative_to(self._folder.resolve()):
            raise _cannot(self._name, sid, [*problems, f"there is no folder {shown(str(folder))}"])
        if problems:
            raise _cannot(self._name, sid, problems)
        found, wrong = FolderReading(folder).run()
        if wrong:
            raise refusal(sid, folder, wrong)
        whole = msgspec.structs.replace(found, name=sid, metadata={**found.metadata, **metadata})
        return told_by(self._origin, whole)


def told_by(origin: str, dataset: SourceDataset) -> SourceDataset:
    """The dataset, saying where its metadata come from."""
    return msgspec.structs.replace(dataset, metadata_origin=origin)


def not_released(source: str, sid: str) -> InputError:
    """The error of a dataset that a source does not have, or does not release."""
    return InputError(f"{shown(sid)} is not released in {source}", hint="look with: etdb sync --dry-run", sid=sid)


def renamed(rows: Iterable[Row], columns: Mapping[str, str]) -> list[Row]:
    """Rows whose columns carry our names: the lab's own word for a column, and ours."""
    return [{columns.get(column, column): cell for column, cell in row.items()} for row in rows]


def _sid(row: Row) -> str:
    cell = row.get("sid")
    return "" if cell is None else str(cell).strip()


def _withheld(row: Row) -> str:
    reason = str(row.get("withheld_because") or "").strip()
    cell = row.get("released", True)
    if cell is None or (isinstance(cell, str) and not cell.strip()):
        return reason or "not released"
    try:
        return "" if truth(cell) else reason or "not released"
    except ValueError as error:
        return f"released: {error}"


def _by_sid(files: Sequence[Row], known: Mapping[str, Row], refused: list[str]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    strange = 0
    for row in files:
        sid = _sid(row)
        found.setdefault(sid, []).append(row)
        strange += sid not in known
    if strange:
        refused.append(f"{counted(strange, 'row')} of files of no dataset that is listed")
    return found


def _cannot(source: str, sid: str, problems: Sequence[str]) -> SourceFileError:
    lines = "\n".join(f"  {problem}" for problem in problems[:20])
    many = f"{len(problems)} problems:\n{lines}" if len(problems) > 1 else problems[0]
    return SourceFileError(
        f"{shown(sid)} cannot be published: {many}",
        hint=f"nothing was published of it; correct it in {source}, then run the same command again",
        path=shown(sid),
        problems=tuple(problems),
    )
