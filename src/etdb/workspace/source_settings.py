"""Settings of what `etdb sync` publishes from, and of where it is put for a server outside."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final, Literal

from msgspec import Meta, Struct

__all__ = ["SOURCE_NAME", "SOURCE_TEMPLATE", "SourceSettings", "StageSettings"]

SOURCE_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
Seconds = Annotated[float, Meta(gt=0, le=86_400)]


class SourceSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One table `[source.NAME]`. Paths are seen from the workspace's folder; `~` is the user's own.

    Attributes:
        kind: `tree`, `csv`, `yaml`, `database` (with a mapping file) or `caltech`.
        folder: below which the files of all its datasets are.
        table, files_table: the tables of `csv`, or the file of `yaml`.
        url, password_file, timeout_s: the database; a password never stands in an address.
        mapping: the mapping file of `database`.
        pattern, release_marker: what `tree` reads from names, and the file that releases a dataset.
        length_unit: of `voxel` and `pixel_size` of `caltech`, which its schema does not say.
        columns, roles: the lab's own words for columns and for what a file is.
        record: what each record of this source says, unless the source says otherwise.
        max_withdrawals: how many datasets one run may withdraw without being asked.
    """

    kind: Literal["tree", "csv", "yaml", "database", "caltech"]
    folder: str
    table: str = ""
    files_table: str = ""
    url: str = ""
    password_file: str = ""
    timeout_s: Seconds = 60
    mapping: str = ""
    pattern: str = "{sid}"
    release_marker: str = ""
    length_unit: Literal["", "nm", "angstrom"] = ""
    columns: dict[str, str] = {}
    roles: dict[str, str] = {}
    record: dict[str, Any] = {}
    max_withdrawals: Annotated[int, Meta(ge=0, le=1_000_000)] = 10


class StageSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where `etdb sync --stage` puts released datasets when no target is given, and how an S3 store is reached."""

    target: str = ""
    endpoint_url: str = ""
    profile: str = ""


SOURCE_TEMPLATE: Final = """
# Where `etdb sync` publishes from every night is said in a table [source.NAME] for each source, with its kind (tree,
# csv, yaml, database or caltech), its folder, and more; docs/reference/sources.md shows each kind.

[stage]
# Where released datasets are put for a server outside: a folder, ssh://host/folder or s3://bucket/prefix.
# target = ""
# The address of an S3 store that is not Amazon's, and the profile in ~/.aws that holds its keys.
# endpoint_url = ""
# profile = ""
"""
