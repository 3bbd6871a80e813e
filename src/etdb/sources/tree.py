"""Datasets from a tree of folders whose names say something: ``{microscopist}/{acquired_on}/{sid}``."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from etdb.errors import ConfigurationError, InputError, SourceFileError
from etdb.sources.cells import RECORD_COLUMNS, dataset_cells
from etdb.sources.dataset import SourceDataset
from etdb.sources.folder import FolderReading, refusal
from etdb.sources.names import shown
from etdb.sources.port import Listing
from etdb.sources.rows import MAX_DATASETS, not_released

__all__ = ["TreeSource"]

_FIELD: Final = re.compile(r"\{([A-Za-z_][A-Za-z0-9_.]*)\}")


class TreeSource:
    """Folders of datasets below one folder; see :class:`~etdb.sources.port.Source`.

    Args:
        folder: the top.
        pattern: a name for each level of folders, with fields of the record, or ``extra.NAME``, in braces; `sid` is
            needed. The default is one level.
        marker: when given, a dataset is released when its folder holds a file of this name.
        defaults: what each record says unless its names or its `dataset.toml` say otherwise.

    Raises:
        ConfigurationError: the pattern is not one.
    """

    def __init__(
        self, folder: Path, *, pattern: str = "{sid}", marker: str = "", defaults: Mapping[str, Any] | None = None
    ) -> None:
        self._folder = folder
        self._levels = tuple(_level(part, pattern) for part in pattern.strip("/").split("/"))
        fields = [name for part in self._levels for name in part.names]
        if fields.count("sid") != 1 or len(set(fields)) != len(fields):
            raise ConfigurationError(
                f"the pattern {pattern!r} does not name each of its fields once, and `sid` among them",
                hint='such as pattern = "{microscopist}/{sid}"',
            )
        self._marker = marker
        self._defaults = dict(defaults or {})
        self._found: dict[str, tuple[Path, dict[str, str]]] = {}
        self._is_listed = False

    @property
    def name(self) -> str:
        """See :class:`~etdb.sources.port.Source`."""
        return str(self._folder)

    def listing(self) -> Listing:
        """See :class:`~etdb.sources.port.Source`."""
        self._found, self._is_listed = {}, True
        released, withheld, twice = [], {}, set()
        for place, fields in self._walk(self._folder, 0, {}):
            sid = fields["sid"]
            if sid in self._found:
                twice.add(sid)
            elif len(self._found) == MAX_DATASETS:
                raise InputError(
                    f"{self._folder} has more than {MAX_DATASETS} datasets", hint="make it several sources"
                )
            else:
                self._found[sid] = (place, fields)
                if self._marker and not (place / self._marker).is_file():
                    withheld[sid] = f"it holds no {self._marker}"
                else:
                    released.append(sid)
        for sid in twice:
            self._found.pop(sid)
            withheld.pop(sid, None)
        return Listing(
            released=tuple(sid for sid in released if sid not in twice),
            withheld=withheld,
            refused=tuple(f"{shown(sid)}: more than one folder has this sid" for sid in sorted(twice)),
        )

    def read(self, sid: str) -> SourceDataset:
        """See :class:`~etdb.sources.port.Source`."""
        if not self._is_listed:
            self.listing()
        if sid not in self._found or (self._marker and not (self._found[sid][0] / self._marker).is_file()):
            raise not_released(self.name, sid)
        place, fields = self._found[sid]
        told, problems = dataset_cells(fields)
        if problems:
            raise SourceFileError(
                f"{shown(sid)} cannot be published: the name of its folder: {'; '.join(problems)}",
                hint="rename it, or correct the pattern",
                path=shown(str(place)),
                problems=tuple(problems),
            )
        dataset, wrong = FolderReading(place, leave_out=self._marker).run()
        if wrong:
            raise refusal(sid, place, wrong)
        metadata = {**self._defaults, **told, **dataset.metadata, "sid": sid}
        return msgspec.structs.replace(dataset, name=sid, metadata=metadata)

    def close(self) -> None:
        """See :class:`~etdb.sources.port.Source`; there is nothing to let go of."""

    def _walk(self, folder: Path, depth: int, fields: dict[str, str]) -> Iterator[tuple[Path, dict[str, str]]]:
        try:
            with os.scandir(folder) as entries:
                names = sorted(
                    one.name for one in entries if not one.name.startswith(".") and one.is_dir(follow_symlinks=False)
                )
        except OSError as error:
            # What cannot be listed may hold datasets that are published: this is not an empty folder.
            raise SourceFileError(
                f"the folder {shown(str(folder))} cannot be listed: {error.strerror}",
                hint="is the disk there? allow this user to read it",
                path=shown(str(folder)),
            ) from error
        level = self._levels[depth]
        for name in names:
            told = level.parse(name)
            if told is None:
                continue
            if depth + 1 == len(self._levels):
                yield folder / name, fields | told
            else:
                yield from self._walk(folder / name, depth + 1, fields | told)


class _Level(msgspec.Struct, frozen=True):
    names: tuple[str, ...]
    expression: str

    def parse(self, name: str) -> dict[str, str] | None:
        found = re.fullmatch(self.expression, name, re.DOTALL)
        return dict(zip(self.names, found.groups(), strict=True)) if found else None


def _level(part: str, pattern: str) -> _Level:
    names = tuple(_FIELD.findall(part))
    literal = _FIELD.split(part)[::2]
    strange = [name for name in names if name not in RECORD_COLUMNS and not name.startswith("extra.")]
    if not part or strange or any("{" in text or "}" in text for text in literal):
        wrong = f"an unknown field {strange[0]}" if strange else "an empty or broken level"
        raise ConfigurationError(
            f"the pattern {pattern!r} has {wrong}",
            hint="fields are those of a record, such as {microscopist}, {acquired_on}, {species}, {sid}, {extra.grid}",
        )
    # The shortest match: what stands between two fields ends the first.
    expression = "(.+?)".join(re.escape(text) for text in literal)
    return _Level(names=names, expression=expression)
