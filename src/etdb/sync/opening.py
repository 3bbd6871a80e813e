"""From a table `[source.NAME]` of the settings to the source."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from etdb.errors import ConfigurationError
from etdb.sources import DatasetMetadata, Source
from etdb.sources.cells import dataset_cells
from etdb.workspace import CONFIG_NAME, SourceSettings, Workspace

__all__ = ["open_source"]


def open_source(workspace: Workspace, name: str) -> Source:
    """Open a source of the settings; the libraries of its kind are loaded only here.

    Raises:
        ConfigurationError: there is none of this name, it lacks a setting, or has one that its kind does not know.
        SourceError: a database that is a file is not there.
    """
    settings = workspace.settings.source.get(name)
    if settings is None:
        known = ", ".join(workspace.settings.source) or "there is none yet; docs/reference/sources.md shows how"
        raise ConfigurationError(f"there is no [source.{name}] in {CONFIG_NAME}", hint=f"known: {known}", source=name)
    _refuse_idle(name, settings)
    folder = _place(workspace, settings.folder)
    defaults = _defaults(name, settings.record)
    if settings.kind == "tree":
        from etdb.sources.tree import TreeSource  # noqa: PLC0415 - as the others

        return TreeSource(folder, pattern=settings.pattern, marker=settings.release_marker, defaults=defaults)
    if settings.kind in {"csv", "yaml"}:
        from etdb.sources.tables import csv_source, yaml_source  # noqa: PLC0415 - an extra

        table = _place(workspace, _needed(name, settings, "table"))
        words: dict[str, Any] = {"columns": settings.columns, "roles": settings.roles, "defaults": defaults}
        if settings.kind == "yaml":
            return yaml_source(table, folder, **words)
        files_table = _place(workspace, settings.files_table) if settings.files_table else None
        return csv_source(table, folder, files_table=files_table, **words)
    from etdb.sources.database import Database  # noqa: PLC0415 - an extra

    database = Database(
        _needed(name, settings, "url"),
        password_file=workspace.place(settings.password_file) if settings.password_file else None,
        base=workspace.root,
        timeout_s=settings.timeout_s,
    )
    if settings.kind == "caltech":
        from etdb.sources.caltech import CaltechSource  # noqa: PLC0415 - an extra

        return CaltechSource(database, folder, length_unit=settings.length_unit, defaults=defaults)
    from etdb.sources.mapping import database_source, load_mapping  # noqa: PLC0415 - an extra

    mapping = load_mapping(_place(workspace, _needed(name, settings, "mapping")))
    return database_source(database, mapping, folder, defaults=defaults)


def _place(workspace: Workspace, named: str) -> Path:
    """As :meth:`Workspace.place`, for people: without `..` in the middle."""
    return Path(os.path.normpath(workspace.place(named)))


_OF_KIND: Mapping[str, frozenset[str]] = {
    "tree": frozenset({"pattern", "release_marker"}),
    "csv": frozenset({"table", "files_table", "columns", "roles"}),
    "yaml": frozenset({"table", "columns", "roles"}),
    "database": frozenset({"url", "password_file", "timeout_s", "mapping"}),
    "caltech": frozenset({"url", "password_file", "timeout_s", "length_unit"}),
}
_OF_ALL = frozenset({"kind", "folder", "record", "max_withdrawals"})


def _refuse_idle(name: str, settings: SourceSettings) -> None:
    """A setting that its kind does not look at was meant for something."""
    for field in msgspec.structs.fields(SourceSettings):
        if field.name in _OF_ALL | _OF_KIND[settings.kind]:
            continue
        default = field.default if field.default is not msgspec.NODEFAULT else {}
        if getattr(settings, field.name) != default:
            raise ConfigurationError(
                f"{CONFIG_NAME}: source.{name}.{field.name} has no meaning for the kind {settings.kind}",
                hint=f"{settings.kind} knows {', '.join(sorted(_OF_KIND[settings.kind]))}",
                source=name,
            )


def _needed(name: str, settings: SourceSettings, field: str) -> str:
    value = str(getattr(settings, field))
    if not value:
        raise ConfigurationError(
            f"{CONFIG_NAME}: source.{name} is of the kind {settings.kind} and lacks `{field}`",
            hint="see docs/reference/sources.md",
            source=name,
        )
    return value


def _defaults(name: str, record: Mapping[str, Any]) -> dict[str, Any]:
    cells = {key: value for key, value in record.items() if key != "extra"}
    extra = record.get("extra", {})
    if isinstance(extra, dict):
        cells |= {f"extra.{key}": value for key, value in extra.items()}
    values, problems = dataset_cells(cells)
    problems += [f"{key} belongs to one dataset" for key in ("sid", "title") if key in values]
    if problems:
        raise ConfigurationError(
            f"{CONFIG_NAME}: source.{name}.record: {problems[0]}",
            hint=f"fields of a record, such as {', '.join(DatasetMetadata.__struct_fields__[:3])}",
            source=name,
        )
    return values
