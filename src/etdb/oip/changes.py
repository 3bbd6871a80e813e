"""What differs between two states of a record, field by field, in the field's own words."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from etdb.oip.tomogram import FileEntry, Tomogram

__all__ = ["FieldChange", "compare_records"]

_NOT_COMPARED: Final = frozenset({"timestamp_s", "files"})


class FieldChange(msgspec.Struct, frozen=True, kw_only=True):
    """One field that differs: ``title``, ``extra.grid``, ``files[rec.mrc]``, ``files[rec.mrc].size_bytes``.

    None stands for a field, or a file, that is not there.
    """

    field: str
    before: Any = None
    after: Any = None


def compare_records(old: Tomogram, new: Tomogram) -> tuple[FieldChange, ...]:
    """Every field in which two records differ, their times apart."""
    found: list[FieldChange] = []
    for name in Tomogram.__struct_fields__:
        before, after = getattr(old, name), getattr(new, name)
        if name in _NOT_COMPARED or before == after:
            continue
        if name in ("extra", "unknown"):
            found += [
                FieldChange(field=f"{name}.{key}", before=before.get(key), after=after.get(key))
                for key in [*before, *(key for key in after if key not in before)]
                if before.get(key) != after.get(key)
            ]
        else:
            found.append(FieldChange(field=name, before=before, after=after))
    return (*found, *_compare_files(old.files, new.files))


def _compare_files(old: tuple[FileEntry, ...], new: tuple[FileEntry, ...]) -> list[FieldChange]:
    if old == new:
        return []
    before, after = {one.path: one for one in old}, {one.path: one for one in new}
    found = []
    for path in [*before, *(path for path in after if path not in before)]:
        was, becomes = before.get(path), after.get(path)
        if was is None or becomes is None:
            sizes = [None if one is None else one.size_bytes or 0 for one in (was, becomes)]
            found.append(FieldChange(field=f"files[{path}]", before=sizes[0], after=sizes[1]))
            continue
        found += [
            FieldChange(field=f"files[{path}].{name}", before=getattr(was, name), after=getattr(becomes, name))
            for name in FileEntry.__struct_fields__
            if getattr(was, name) != getattr(becomes, name)
        ]
    if not found:
        found.append(FieldChange(field="files", before="in this order", after="in another order"))
    return found
