"""JSON patches (RFC 6902) with JSON pointers (RFC 6901): applied within limits, and made from two documents.

A patch from a ledger is a stranger's: what it may make is as small, as flat and as few as what a record may be.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec

from etdb.errors import FormatError
from etdb.oip.named import PatchOperation
from etdb.oip.strict_json import MAX_DEPTH, MAX_JSON_BYTES

__all__ = ["MAX_PATCHED_BYTES", "apply_patch", "escape_pointer", "make_patch", "patch_document"]

MAX_PATCHED_BYTES: Final = MAX_JSON_BYTES
"""Of JSON that a patch may add or copy in all: a few copies of a copy would fill the memory."""
_INDEX: Final = re.compile(r"(?:0|[1-9][0-9]{0,8})\Z", re.ASCII)
_END: Final = "-"


def apply_patch(document: Any, operations: Iterable[PatchOperation]) -> Any:
    """The document as a patch makes it; the one that was given stays as it is.

    Args:
        document: JSON values.
        operations: in order. All of them are carried out, or none.

    Raises:
        FormatError: a place is not there, a ``test`` does not hold, or the outcome is beyond the limits.
    """
    budget = MAX_PATCHED_BYTES
    try:
        made = copy.deepcopy(document)
        for operation in operations:
            value: Any = None
            if operation.op in ("add", "replace"):
                value = copy.deepcopy(operation.value)
            elif operation.op == "copy":
                value = copy.deepcopy(_look(made, operation.source))
            elif operation.op == "move":
                if (operation.path + "/").startswith(operation.source + "/") and operation.path != operation.source:
                    raise FormatError(f"a patch moves {operation.source[:64]!r} into itself")
                value = _look(made, operation.source)
                made = _remove(made, operation.source)
            if operation.op in ("add", "replace", "copy"):
                budget -= len(json.dumps(value, ensure_ascii=False).encode(errors="surrogatepass"))
                if budget < 0:
                    raise FormatError(f"a patch adds more than {MAX_PATCHED_BYTES} bytes")
            if operation.op == "test":
                if not _is_same(_look(made, operation.path), operation.value):
                    raise FormatError(f"a patch's test of {operation.path[:64]!r} does not hold")
            elif operation.op == "remove":
                made = _remove(made, operation.path)
            elif operation.op == "replace":
                made = _replace(made, operation.path, value)
            else:
                made = _add(made, operation.path, value)
        _refuse_depth(made)
    except RecursionError:
        raise FormatError(f"a patch makes JSON deeper than {MAX_DEPTH}") from None
    return made


def make_patch(old: Any, new: Any) -> tuple[PatchOperation, ...]:
    """The operations that make one document of another: only what differs, the shorter form of each difference."""
    return tuple(_differences("", old, new))


def patch_document(operations: Iterable[PatchOperation]) -> list[dict[str, Any]]:
    """A patch in the form in which it is written."""
    written = []
    for one in operations:
        entry: dict[str, Any] = {"op": one.op}
        if one.op in ("move", "copy"):
            entry["from"] = one.source
        entry["path"] = one.path
        if one.op in ("add", "replace", "test"):
            entry["value"] = one.value
        written.append(entry)
    return written


def escape_pointer(key: str) -> str:
    """A key as it stands in a JSON pointer."""
    return key.replace("~", "~0").replace("/", "~1")


def _differences(path: str, old: Any, new: Any) -> Iterator[PatchOperation]:
    if _is_same(old, new):
        return
    whole = PatchOperation(op="replace", path=path, value=new)
    if isinstance(old, dict) and isinstance(new, dict):
        parts = list(_object_differences(path, old, new))
    elif isinstance(old, list) and isinstance(new, list):
        parts = list(_array_differences(path, old, new))
    else:
        yield whole
        return
    yield from parts if path == "" or _length(parts) <= _length([whole]) else [whole]


def _object_differences(path: str, old: dict[str, Any], new: dict[str, Any]) -> Iterator[PatchOperation]:
    for key, value in old.items():
        place = f"{path}/{escape_pointer(key)}"
        if key not in new:
            yield PatchOperation(op="remove", path=place)
        else:
            yield from _differences(place, value, new[key])
    for key, value in new.items():
        if key not in old:
            yield PatchOperation(op="add", path=f"{path}/{escape_pointer(key)}", value=value)


def _array_differences(path: str, old: list[Any], new: list[Any]) -> Iterator[PatchOperation]:
    """What both begin and end with stays; of the middle, what is in both places is changed, the rest comes or goes."""
    shorter = min(len(old), len(new))
    head = next((at for at in range(shorter) if not _is_same(old[at], new[at])), shorter)
    tail = next((at for at in range(shorter - head) if not _is_same(old[-1 - at], new[-1 - at])), shorter - head)
    both = shorter - head - tail
    for at in range(head, head + both):
        yield from _differences(f"{path}/{at}", old[at], new[at])
    for at in range(len(old) - tail - 1, head + both - 1, -1):
        yield PatchOperation(op="remove", path=f"{path}/{at}")
    for at in range(head + both, len(new) - tail):
        yield PatchOperation(op="add", path=f"{path}/{at}", value=new[at])


def _length(operations: list[PatchOperation]) -> int:
    return len(msgspec.json.encode(patch_document(operations)))


def _is_same(one: Any, other: Any) -> bool:
    """Equal as JSON: numbers by value, but true is not 1."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, (int, float)) and isinstance(other, (int, float)):
        return one == other
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_is_same(value, other[key]) for key, value in one.items())
    if isinstance(one, list):
        return len(one) == len(other) and all(_is_same(a, b) for a, b in zip(one, other, strict=True))
    return bool(one == other)


def _tokens(pointer: str) -> list[str]:
    if not pointer:
        return []
    keys = pointer.split("/")[1:]
    if len(keys) > MAX_DEPTH:
        raise FormatError(f"a patch's pointer is deeper than {MAX_DEPTH}")
    if not pointer.startswith("/") or re.search(r"~(?![01])", pointer):
        raise FormatError(f"{pointer[:64]!r} is no JSON pointer")
    return [key.replace("~1", "/").replace("~0", "~") for key in keys]


def _absent(pointer: str) -> FormatError:
    return FormatError(f"a patch names {pointer[:64]!r}, which is not there")


def _step(place: Any, key: str, pointer: str) -> Any:
    if isinstance(place, dict) and key in place:
        return place[key]
    if isinstance(place, list) and _INDEX.match(key) and int(key) < len(place):
        return place[int(key)]
    raise _absent(pointer)


def _look(document: Any, pointer: str) -> Any:
    for key in _tokens(pointer):
        document = _step(document, key, pointer)
    return document


def _parent(document: Any, pointer: str) -> tuple[Any, str]:
    *folders, last = _tokens(pointer)
    for key in folders:
        document = _step(document, key, pointer)
    return document, last


def _remove(document: Any, pointer: str) -> Any:
    if not pointer:
        raise FormatError("a patch removes the whole record")
    place, key = _parent(document, pointer)
    _step(place, key, pointer)
    del place[key if isinstance(place, dict) else int(key)]
    return document


def _replace(document: Any, pointer: str, value: Any) -> Any:
    if not pointer:
        return value
    place, key = _parent(document, pointer)
    _step(place, key, pointer)
    place[key if isinstance(place, dict) else int(key)] = value
    return document


def _add(document: Any, pointer: str, value: Any) -> Any:
    if not pointer:
        return value
    place, key = _parent(document, pointer)
    if isinstance(place, dict):
        place[key] = value
    elif isinstance(place, list) and (key == _END or (_INDEX.match(key) and int(key) <= len(place))):
        place.insert(len(place) if key == _END else int(key), value)
    else:
        raise _absent(pointer)
    return document


def _refuse_depth(document: Any) -> None:
    level = [document]
    for _ in range(MAX_DEPTH + 1):
        level = [
            inner
            for one in level
            if isinstance(one, (dict, list))
            for inner in (one.values() if isinstance(one, dict) else one)
        ]
        if not level:
            return
    raise FormatError(f"a patch makes JSON deeper than {MAX_DEPTH}")
