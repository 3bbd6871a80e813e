"""Tables in files: CSV (one of datasets, maybe one of files) and YAML (a list of datasets, maybe with their files)."""

from __future__ import annotations

import csv
import importlib
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from etdb.errors import ConfigurationError, InputError, SourceFileError
from etdb.sources.rows import Row, RowSource, Table, renamed

__all__ = ["MAX_TABLE_BYTES", "MAX_YAML_BYTES", "csv_source", "parse_csv", "parse_yaml", "yaml_source"]

MAX_TABLE_BYTES: Final = 256 << 20
MAX_YAML_BYTES: Final = 32 << 20
_MAX_FIELD_LETTERS: Final = 1 << 20


def csv_source(
    table: Path,
    folder: Path,
    *,
    files_table: Path | None = None,
    columns: Mapping[str, str] | None = None,
    roles: Mapping[str, str] | None = None,
    defaults: Mapping[str, Any] | None = None,
) -> RowSource:
    """Datasets from CSV tables, with a header line; `columns` is as in :func:`~etdb.sources.rows.renamed`."""

    def load() -> Table:
        datasets = renamed(parse_csv(_read(table, MAX_TABLE_BYTES), table), columns or {})
        if files_table is None:
            return Table(datasets=datasets)
        return Table(
            datasets=datasets,
            files=renamed(parse_csv(_read(files_table, MAX_TABLE_BYTES), files_table), columns or {}),
        )

    return RowSource(str(table), folder, load, defaults=defaults, origin=table.name, roles=roles)


def yaml_source(
    table: Path,
    folder: Path,
    *,
    columns: Mapping[str, str] | None = None,
    roles: Mapping[str, str] | None = None,
    defaults: Mapping[str, Any] | None = None,
) -> RowSource:
    """Datasets from a YAML file: a list of datasets, each of which may list its `files`."""

    def load() -> Table:
        datasets, files = parse_yaml(_read(table, MAX_YAML_BYTES), table)
        return Table(
            datasets=renamed(datasets, columns or {}), files=None if files is None else renamed(files, columns or {})
        )

    return RowSource(str(table), folder, load, defaults=defaults, origin=table.name, roles=roles)


def parse_csv(data: bytes, path: Path) -> list[Row]:
    """The rows of a CSV table by the names in its first line; comma, semicolon or tab, as that line has it.

    Raises:
        InputError: not UTF-8, no header, a column twice, or a row of another length.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _wrong(path, f"is not UTF-8 text (byte {error.start})") from None
    first = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=first.count)
    csv.field_size_limit(_MAX_FIELD_LETTERS)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows: list[Row] = []
    try:
        header = [name.strip() for name in next(reader, [])]
        if not any(header) or len(set(header)) != len(header):
            raise _wrong(path, "has no first line with a name for each column, each once")
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) != len(header):
                raise _wrong(path, f"line {reader.line_num}: {len(cells)} cells, but {len(header)} columns")
            rows.append(dict(zip(header, cells, strict=True)))
    except csv.Error as error:
        raise _wrong(path, f"line {reader.line_num}: {error}") from None
    return rows


def parse_yaml(data: bytes, path: Path) -> tuple[list[Row], list[Row] | None]:
    """The datasets of a YAML file and the files that they list; None when none of them lists any.

    Raises:
        ConfigurationError: PyYAML is not installed.
        InputError: not YAML, with an alias or a key twice, or not a list of datasets.
    """
    try:
        yaml: Any = importlib.import_module("yaml")
    except ImportError:
        raise ConfigurationError("reading YAML needs PyYAML", hint="pip install 'etdb[formats]'") from None
    try:
        document = yaml.load(data, _strict_loader(yaml))
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise _wrong(path, " ".join(str(error).split())[:300]) from None
    listed = document.get("datasets") if isinstance(document, dict) else document
    if not isinstance(listed, list) or not all(isinstance(one, dict) for one in listed):
        raise _wrong(path, "is not a list of datasets, nor has one under `datasets`")
    datasets: list[Row] = []
    files: list[Row] = []
    has_files = False
    for one in listed:
        row = {str(key): value for key, value in one.items() if key != "files"}
        extra = row.pop("extra", None)
        if isinstance(extra, dict):
            row |= {f"extra.{key}": value for key, value in extra.items()}
        datasets.append(row)
        inner = one.get("files", [])
        has_files |= "files" in one
        if not isinstance(inner, list):
            raise _wrong(path, f"the files of {row.get('sid')!r} are not a list")
        for file in inner:
            cells = file if isinstance(file, dict) else {"path": file}
            files.append({**{str(key): value for key, value in cells.items()}, "sid": row.get("sid")})
    return datasets, files if has_files else None


def _strict_loader(yaml: Any) -> Any:
    """Without aliases, which make a gigabyte of a line, and without keys that come twice."""

    class Strict(yaml.SafeLoader):  # type: ignore[misc]
        def compose_node(self, parent: Any, index: Any) -> Any:
            if self.check_event(yaml.events.AliasEvent):
                mark = self.peek_event().start_mark
                raise yaml.YAMLError(f"line {mark.line + 1}: aliases (*name) are not read")
            return super().compose_node(parent, index)

        def construct_mapping(self, node: Any, deep: bool = False) -> Any:  # noqa: FBT001, FBT002 - PyYAML's signature
            keys = [self.construct_object(key, deep=True) for key, _ in node.value]
            if len({str(key) for key in keys}) != len(keys):
                raise yaml.YAMLError(f"line {node.start_mark.line + 1}: a key comes twice")
            return super().construct_mapping(node, deep)

    return Strict


def _read(path: Path, limit: int) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except OSError as error:
        raise SourceFileError(
            f"{path} cannot be read: {error.strerror}",
            hint="check the path, and `table` under [source]",
            path=str(path),
        ) from error
    if len(data) > limit:
        raise InputError(f"{path} is larger than {limit} bytes", hint="make it several sources", path=str(path))
    return data


def _wrong(path: Path, what: str) -> InputError:
    return InputError(f"{path} {what}", hint="correct it, then run the same command again", path=str(path))
