"""JSON from strangers: strict, bounded, unknown fields kept.

``json`` of the standard library takes duplicate keys, NaN, numbers of any length and any depth. What comes from a
ledger may hold all of them on purpose.
"""

from __future__ import annotations

import json
from typing import Any, Final

from etdb.errors import FormatError

__all__ = ["MAX_DEPTH", "MAX_JSON_BYTES", "encode_go_json", "load_json"]

MAX_JSON_BYTES: Final = 4_000_000
"""More than a block can carry."""
MAX_DEPTH: Final = 32
_MAX_DIGITS: Final = 40
_INT64: Final = 1 << 63


def load_json(data: bytes) -> Any:
    """Read one JSON document.

    Raises:
        FormatError: not UTF-8, not JSON, a key twice, deeper than ``MAX_DEPTH``, a number that 64 bits cannot hold,
            or longer than ``MAX_JSON_BYTES``.
    """
    if len(data) > MAX_JSON_BYTES:
        raise FormatError(f"not a record: {len(data)} bytes of JSON")
    _refuse_depth(data)
    try:
        return json.loads(
            data.decode(),
            object_pairs_hook=_object,
            parse_int=_integer,
            parse_float=_number,
            parse_constant=_constant,
        )
    except UnicodeDecodeError as error:
        raise FormatError(f"not a record: not UTF-8 at byte {error.start}", offset=error.start) from error
    except json.JSONDecodeError as error:
        raise FormatError(f"not a record: {error.msg} at letter {error.pos}", offset=error.pos) from error


def _refuse_depth(data: bytes) -> None:
    """Count brackets outside strings, before the parser recurses into them."""
    depth, in_string, escaped = 0, False, False
    if data.count(b"[") + data.count(b"{") <= MAX_DEPTH:
        return
    for byte in data:
        if in_string:
            if escaped:
                escaped = False
            elif byte == 0x5C:
                escaped = True
            elif byte == 0x22:
                in_string = False
        elif byte == 0x22:
            in_string = True
        elif byte in b"[{":
            depth += 1
            if depth > MAX_DEPTH:
                raise FormatError(f"not a record: JSON deeper than {MAX_DEPTH}")
        elif byte in b"]}":
            depth -= 1


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise FormatError(f"not a record: the key {twice[:64]!r} stands twice in one object")
    return made


def _integer(text: str) -> int:
    if len(text) > _MAX_DIGITS or not -_INT64 <= int(text) < _INT64:
        raise FormatError("not a record: a whole number that 64 bits cannot hold")
    return int(text)


def _number(text: str) -> float:
    value = float(text) if len(text) <= 4 * _MAX_DIGITS else float("inf")
    if value in (float("inf"), float("-inf")):
        raise FormatError("not a record: a number that 64 bits cannot hold")
    return value


def _constant(text: str) -> float:
    raise FormatError(f"not a record: {text} is not JSON")


_GO_ESCAPES: Final = str.maketrans(
    {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
)


def encode_go_json(value: Any) -> bytes:
    """JSON as Go's ``encoding/json`` writes it: no spaces, keys as given, ``< > &`` escaped.

    Raises:
        ValueError: a number that JSON has no form for, or text that is not Unicode.
    """
    text = json.dumps(_go_numbers(value), ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.translate(_GO_ESCAPES).encode()


def _go_numbers(value: Any) -> Any:
    """Whole floats are written as whole numbers, as Go does."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return int(value)
    if isinstance(value, dict):
        return {key: _go_numbers(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_go_numbers(inner) for inner in value]
    return value
