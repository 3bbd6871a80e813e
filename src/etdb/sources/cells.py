"""From the cells of a lab's table to the fields of a record: by their names, strictly, with every problem named.

| a cell for | may be |
| --- | --- |
| text | text; numbers are written out |
| a number | a number, or the text of one |
| yes or no | true, 1, yes, y, and their opposites |
| a date | a date, a time of which the date is taken, or text such as 2014-01-14 |
| a list | a list, or text with `;` between its parts |
| `extra.NAME` | anything that JSON can say |

An empty cell says nothing: a zero is a zero, not an empty cell.
"""

from __future__ import annotations

import datetime as dt
import difflib
import math
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

import msgspec

from etdb.sources.metadata import DatasetMetadata, FileNote

__all__ = ["MAX_CELL_LETTERS", "RECORD_COLUMNS", "dataset_cells", "file_cells", "truth"]

MAX_CELL_LETTERS: Final = 1 << 20
EXTRA: Final = "extra."
_LISTS: Final = frozenset({"tags", "authors", "publications", "keywords"})
_TRUTHS: Final = frozenset({"nsfw", "tilt_constant_increment"})
_NUMBERS: Final = {
    "ncbi_taxon_id": int,
    "tilt_axes": int,
    **dict.fromkeys(
        ("defocus_um", "dose_e_per_a2", "tilt_min_deg", "tilt_max_deg", "tilt_step_deg", "magnification"), float
    ),
    **dict.fromkeys(("voxel_spacing_angstrom", "pixel_spacing_angstrom", "voltage_kv"), float),
}
_YES: Final = frozenset({"1", "true", "t", "yes", "y", "on"})
_NO: Final = frozenset({"0", "false", "f", "no", "n", "off"})
RECORD_COLUMNS: Final = tuple(name for name in DatasetMetadata.__struct_fields__ if name not in {"extra", "files"})
"""The columns of a table of datasets that are fields of the record."""


def dataset_cells(row: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The record's fields that a row gives, and all that is wrong with it, a sentence each."""
    values: dict[str, Any] = {}
    extra: dict[str, Any] = {}
    problems: list[str] = []
    for column, cell in row.items():
        if _is_empty(cell):
            continue
        try:
            if column.startswith(EXTRA):
                extra[column.removeprefix(EXTRA)] = _plain(cell)
            elif column not in RECORD_COLUMNS:
                problems.append(f"unknown column `{column}`; {_advice(column)}")
            else:
                values[column] = _convert(column, cell)
        except (ValueError, OverflowError) as error:
            problems.append(f"{column}: {error}")
    if problems:
        return {}, problems
    if extra:
        values["extra"] = extra
    try:
        return msgspec.convert(values, DatasetMetadata, strict=True).given(), []
    except msgspec.ValidationError as error:
        message, _, where = str(error).partition(" - at ")
        return {}, [f"{where.strip('`').removeprefix('$.')}: {message}"]


def file_cells(row: Mapping[str, Any]) -> tuple[FileNote, list[str]]:
    """What a row says of one file (its role, notes, display name, software), and all that is wrong with it."""
    problems = [f"unknown column `{column}` of a file" for column in row if column not in FileNote.__struct_fields__]
    values = {column: _text(cell) for column, cell in row.items() if not _is_empty(cell)}
    if problems:
        return FileNote(), problems
    try:
        return msgspec.convert(values, FileNote, strict=True), []
    except msgspec.ValidationError as error:
        message, _, where = str(error).partition(" - at ")
        return FileNote(), [f"{where.strip('`').removeprefix('$.')}: {message}"]


def truth(cell: Any) -> bool:
    """Yes or no.

    Raises:
        ValueError: neither.
    """
    if isinstance(cell, Decimal):
        cell = float(cell)
    if isinstance(cell, (bool, int, float)) and cell in {0, 1}:
        return bool(cell)
    word = str(cell).strip().casefold()
    if word in _YES or word in _NO:
        return word in _YES
    raise ValueError(f"{_short(cell)} is neither yes nor no")


def _convert(column: str, cell: Any) -> Any:
    if column in _LISTS:
        parts = cell if isinstance(cell, (list, tuple)) else str(cell).split(";")
        return tuple(text for text in (_text(part).strip() for part in parts) if text)
    if column in _TRUTHS:
        return truth(cell)
    if column in _NUMBERS:
        return _number(cell, _NUMBERS[column])
    if column == "acquired_on":
        return _date(cell)
    return _text(cell)


def _number(cell: Any, kind: type[int | float]) -> int | float:
    if isinstance(cell, bool) or not isinstance(cell, (int, float, Decimal, str)):
        raise ValueError(f"{_short(cell)} is not a number")  # noqa: TRY004 - a problem of the table, told with others
    try:
        value = float(cell)
    except ValueError:
        raise ValueError(f"{_short(cell)} is not a number") from None
    if not math.isfinite(value) or (kind is int and value != int(value)):
        raise ValueError(f"{_short(cell)} is not a {'whole' if kind is int else 'finite'} number")
    return int(value) if kind is int else value


def _date(cell: Any) -> dt.date:
    if isinstance(cell, dt.datetime):
        return cell.date()
    if isinstance(cell, dt.date):
        return cell
    try:
        return dt.datetime.fromisoformat(str(cell).strip()).date()
    except ValueError:
        raise ValueError(f"{_short(cell)} is not a date such as 2014-01-14") from None


def _text(cell: Any) -> str:
    if isinstance(cell, (dict, list, tuple, bytes)):
        raise ValueError(f"{_short(cell)} is not text")  # noqa: TRY004 - a problem of the table, told with others
    text = cell.isoformat() if isinstance(cell, (dt.date, dt.time)) else str(cell)
    if len(text) > MAX_CELL_LETTERS:
        raise ValueError(f"longer than {MAX_CELL_LETTERS} letters")
    return text


def _plain(cell: Any) -> Any:
    if isinstance(cell, dict):
        return {str(key): _plain(value) for key, value in cell.items()}
    if isinstance(cell, (list, tuple)):
        return [_plain(value) for value in cell]
    if isinstance(cell, Decimal) and not cell.is_finite():
        raise ValueError("not a finite number")
    if isinstance(cell, Decimal):
        cell = int(cell) if cell == cell.to_integral_value() else float(cell)
    if isinstance(cell, float) and not math.isfinite(cell):
        raise ValueError("not a finite number")
    return cell if isinstance(cell, (bool, int, float)) else _text(cell)


def _is_empty(cell: Any) -> bool:
    return cell is None or (isinstance(cell, str) and not cell.strip()) or cell in ([], {}, ())


def _advice(column: str) -> str:
    near = difflib.get_close_matches(column, RECORD_COLUMNS, n=1, cutoff=0.5)
    own = f"a field of your own is called `{EXTRA}{column}`"
    return f"did you mean `{near[0]}`? {own}" if near else own


def _short(cell: Any) -> str:
    text = repr(cell)
    return text if len(text) <= 60 else text[:57] + "..."
