"""Rows as Parquet, by pyarrow (the extra ``parquet``)."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from etdb.web.api.exportrows import COLUMNS

__all__ = ["write_parquet"]

_GROUP_ROWS: Final = 1_000
_TYPES: Final[dict[str, Any]] = {
    "text": pa.string(),
    "texts": pa.list_(pa.string()),
    "integer": pa.int64(),
    "numbers": pa.list_(pa.int64()),
    "number": pa.float64(),
    "flag": pa.bool_(),
    "date": pa.date32(),
}


def write_parquet(path: Path, rows: Iterator[dict[str, Any]]) -> None:
    """Write rows into a new file, a thousand in memory at a time."""
    schema = pa.schema([(name, _TYPES[kind]) for name, kind in COLUMNS])
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        while group := list(itertools.islice(rows, _GROUP_ROWS)):
            writer.write_table(pa.Table.from_pylist(group, schema=schema))
