"""Any database: a mapping file says with which queries its rows become datasets.

    [datasets]
    sql = '''
    SELECT g.id AS sid, g.name AS title, g.taken AS acquired_on, s.latin AS species,
           g.pixel_nm * 10 AS pixel_spacing_angstrom, g.is_public AS released, g.batch AS "extra.grid_batch"
    FROM grids g JOIN species s ON s.id = g.species'''

    [files]                      # without it, everything in the dataset's folder
    sql = "SELECT grid AS sid, name AS path, kind AS role, caption AS notes FROM scans"

    [roles]                      # the lab's own words for what a file is
    raw = "tilt_series"

    [columns]                    # names that a query cannot change
    "Grid Title" = "title"

Columns are called as :mod:`etdb.sources.rows` says. Each query is run once, as it stands; nothing is put into it.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

from etdb.errors import ConfigurationError
from etdb.sources.database import Database
from etdb.sources.rows import MAX_DATASETS, RowSource, Table, renamed

__all__ = ["MAX_MAPPING_BYTES", "Query", "QueryMapping", "database_source", "load_mapping"]

MAX_MAPPING_BYTES: Final = 1 << 20


class Query(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One query."""

    sql: str


class QueryMapping(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A mapping file, read."""

    datasets: Query
    files: Query | None = None
    roles: dict[str, str] = {}
    columns: dict[str, str] = {}


def load_mapping(path: Path) -> QueryMapping:
    """Read a mapping file.

    Raises:
        ConfigurationError: it cannot be read, is not TOML, or has an unknown key.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_MAPPING_BYTES + 1)
    except OSError as error:
        raise ConfigurationError(
            f"{path} cannot be read: {error.strerror}", hint="check `mapping` under [source]", path=str(path)
        ) from error
    if len(data) > MAX_MAPPING_BYTES:
        raise ConfigurationError(f"{path} is larger than {MAX_MAPPING_BYTES} bytes", path=str(path))
    try:
        return msgspec.convert(tomllib.loads(data.decode()), QueryMapping)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError, msgspec.ValidationError) as error:
        raise ConfigurationError(f"{path}: {error}", hint="see docs/reference/sources.md", path=str(path)) from None


def database_source(
    database: Database, mapping: QueryMapping, folder: Path, *, defaults: Mapping[str, Any] | None = None
) -> RowSource:
    """Datasets from the queries of a mapping file."""

    def load() -> Table:
        with database.session() as session:
            datasets = session.rows(mapping.datasets.sql, max_rows=MAX_DATASETS)
            files = session.rows(mapping.files.sql) if mapping.files else None
        return Table(
            datasets=renamed(datasets, mapping.columns),
            files=None if files is None else renamed(files, mapping.columns),
        )

    return RowSource(database.shown, folder, load, defaults=defaults, roles=mapping.roles, close=database.close)
