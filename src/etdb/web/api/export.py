"""The whole catalogue, as far as this portal shows it, in one file: JSON lines, CSV, Parquet, SQLite.

Lines are made while they are sent, a page of datasets in memory at a time; tables that need their end before their
beginning are made in a temporary file first, one at a time.
"""

from __future__ import annotations

import csv
import gc
import io
import os
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, Self

import msgspec
from starlette.requests import Request

from etdb.catalogue import Query
from etdb.durable import scratch_folder, storage_errors
from etdb.errors import EtdbError, InputError
from etdb.web.api.documents import dataset_document
from etdb.web.api.exportrows import COLUMNS, export_row
from etdb.web.api.operations import Operation, Reply, asked_base
from etdb.web.api.querying import EXPORT_PARAMETERS, wanted_query
from etdb.web.portal import Portal

__all__ = ["EXPORT_OPERATIONS"]

JSON_LINES: Final = "application/jsonl"
CSV: Final = "text/csv"
PARQUET: Final = "application/vnd.apache.parquet"
SQLITE: Final = "application/vnd.sqlite3"
_PIECE_BYTES: Final = 256 * 1024
_LINES: Final = 100
_WAIT_S = 5.0
MAX_SENT: Final = 8
"""Files made for one client that are sent at a time; each takes room on the disk until it is."""
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What a spreadsheet begins to carry out; the last four are the same signs in full width."""
_making = threading.Semaphore(1)
_places = threading.Semaphore(MAX_SENT)


class NotOfferedError(InputError):
    """This portal cannot, or does not, make what was asked for."""

    code = "not-offered"
    http_status = 501


class BusyError(EtdbError):
    """Another file is being made."""

    code = "busy"
    http_status = 503


def _selected(request: Request, portal: Portal) -> tuple[Query, str]:
    return wanted_query(request), asked_base(request, portal)


def _json_lines(request: Request, portal: Portal) -> Reply:
    query, base = _selected(request, portal)
    views, encoder = portal.scan(query), msgspec.json.Encoder()
    lines = (encoder.encode(dataset_document(view, base=base)) + b"\n" for view in views)
    return _file(_together(lines), JSON_LINES, "datasets.jsonl")


def _csv(request: Request, portal: Portal) -> Reply:
    query, base = _selected(request, portal)
    views = portal.scan(query)

    def lines() -> Iterator[bytes]:
        buffer = io.StringIO(newline="")
        writer = csv.writer(buffer)

        def taken() -> bytes:
            text = buffer.getvalue()
            buffer.seek(0)
            buffer.truncate()
            return text.encode("utf-8", "replace")

        writer.writerow(name for name, _ in COLUMNS)
        yield taken()
        for view in views:
            writer.writerow(map(_cell, export_row(view, base).values()))
            yield taken()

    return _file(_together(lines()), f"{CSV}; charset=utf-8", "datasets.csv")


def _cell(value: Any) -> Any:
    """A value as a table shows it. Text that a spreadsheet would carry out is given a quote first."""
    if isinstance(value, list):
        value = "; ".join(map(str, value))
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def _parquet(request: Request, portal: Portal) -> Reply:
    query, base = _selected(request, portal)
    try:
        from etdb.web.api.parquet import write_parquet  # noqa: PLC0415 - pyarrow is large, and not everyone's
    except ImportError as error:
        raise NotOfferedError(
            "this portal does not write Parquet: pyarrow is not installed",
            hint="ask for datasets.jsonl or datasets.csv; whoever runs it installs pip install 'etdb[parquet]'",
        ) from error
    views = portal.scan(query)
    return _made(lambda path: write_parquet(path, (export_row(view, base) for view in views)), PARQUET, "parquet")


def _sqlite(_request: Request, portal: Portal) -> Reply:
    if portal.is_partial:
        raise NotOfferedError(
            f"{portal.settings.name} shows a part of its catalogue, and a part cannot be followed from",
            hint="ask for datasets.jsonl, or begin with the catalogue of a portal that shows all",
        )
    return _made(portal.catalogue.snapshot, SQLITE, "sqlite", stem="catalogue")


def _made(make: Callable[[Path], None], media_type: str, suffix: str, *, stem: str = "datasets") -> Reply:
    """Make a file in a folder of its own, and send it; both are gone afterwards."""
    if not _making.acquire(timeout=_WAIT_S):
        raise BusyError("another file is being made")
    try:
        _take_place()
        try:
            place = Path(tempfile.gettempdir())
            with storage_errors(place), scratch_folder("etdb-export-") as folder, storage_errors(folder):
                path = folder / f"{stem}.{suffix}"
                make(path)
                sent = _Sent(path)  # the open file stays readable until it is closed
        except BaseException:
            _places.release()
            raise
    finally:
        _making.release()
    return _file(sent, media_type, f"{stem}.{suffix}", {"content-length": str(sent.length)})


class _Sent:
    """A file's pieces, whose place among those that are sent is free again at their end, or when nobody reads on."""

    _descriptor = -1

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDONLY)
        self.length = os.fstat(self._descriptor).st_size

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> bytes:
        piece = os.read(self._descriptor, _PIECE_BYTES) if self._descriptor >= 0 else b""
        if not piece:
            self._end()
            raise StopIteration
        return piece

    def _end(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)
            _places.release()

    def __del__(self) -> None:
        self._end()


def _take_place() -> None:
    if not _places.acquire(blocking=False):
        gc.collect()  # answers that were broken off may wait to be forgotten
        if not _places.acquire(blocking=False):
            raise BusyError(f"{MAX_SENT} files are being sent")


def _together(lines: Iterator[bytes]) -> Iterator[bytes]:
    """Lines in larger pieces."""
    waiting: list[bytes] = []
    for line in lines:
        waiting.append(line)
        if len(waiting) >= _LINES:
            yield b"".join(waiting)
            waiting.clear()
    yield b"".join(waiting)


def _file(pieces: Iterator[bytes], media_type: str, name: str, headers: dict[str, str] | None = None) -> Reply:
    disposition = {"content-disposition": f'attachment; filename="{name}"'}
    return Reply(pieces=pieces, media_type=media_type, headers=disposition | (headers or {}))


_REFUSALS: Final = {501: "This portal does not make it", 503: "Another file is being made"}
EXPORT_OPERATIONS: Final = (
    Operation(
        name="export_json_lines",
        path="/export/datasets.jsonl",
        summary="All datasets that fit, one JSON document a line, as `get_dataset` gives it",
        answer=_json_lines,
        gives=JSON_LINES,
        parameters=EXPORT_PARAMETERS,
        tag="export",
    ),
    Operation(
        name="export_csv",
        path="/export/datasets.csv",
        summary="All datasets that fit as a table, one line each; lists are joined by semicolons",
        answer=_csv,
        gives=CSV,
        parameters=EXPORT_PARAMETERS,
        tag="export",
    ),
    Operation(
        name="export_parquet",
        path="/export/datasets.parquet",
        summary="The same table as Parquet, with lists as lists",
        answer=_parquet,
        gives=PARQUET,
        parameters=EXPORT_PARAMETERS,
        tag="export",
        refusals=_REFUSALS,
    ),
    Operation(
        name="export_sqlite",
        path="/export/catalogue.sqlite",
        summary="The catalogue itself, that another portal can start from: etdb init --catalogue FILE",
        answer=_sqlite,
        gives=SQLITE,
        tag="export",
        refusals=_REFUSALS,
    ),
)
