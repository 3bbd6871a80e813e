"""Exported texts of a chain, one JSON object a line: what is left where nobody has a node or a ledger file.

    {"txid": "8a07...", "block": 2783156, "time": 1528156720, "floData": "json:{...}"}

A text proves only what it carries itself: the signatures over the record's location and over its parts. That the
transaction with this id has this text, and that a block has the transaction, is the exporter's word.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

import msgspec

from etdb.durable import storage_error
from etdb.errors import EtdbError, FormatError, InputError
from etdb.oip import load_json

__all__ = ["MAX_LINE_BYTES", "BadLine", "LegacyMessage", "parse_legacy_line", "read_legacy_lines"]

MAX_LINE_BYTES: Final = 1 << 18
"""Many times what a message and its JSON escapes can take."""
MAX_MESSAGE_BYTES: Final = 1 << 16
MAX_BAD_LINES: Final = 1_000
"""A file with more is something else."""
_MAX_HEIGHT: Final = (1 << 31) - 1
_MAX_TIME_S: Final = (1 << 32) - 1
_MARK: Final = b"\xef\xbb\xbf"
"""What some editors write before a text in UTF-8."""
_HEX: Final = frozenset("0123456789abcdef")


class LegacyMessage(msgspec.Struct, frozen=True, kw_only=True):
    """A text with where it is said to stand; ``time_s`` is the block's, ``line`` its number in the file, from 1."""

    txid: str
    height: int
    time_s: int
    data: bytes
    line: int = 0


class BadLine(msgspec.Struct, frozen=True, kw_only=True):
    """A line that was not taken, by its number from 1, and why."""

    line: int
    reason: str


def parse_legacy_line(line: bytes, number: int = 0) -> LegacyMessage:
    """Read one line. Other members than the four are passed over.

    Raises:
        FormatError: not such a line.
    """
    document = load_json(line)
    if not isinstance(document, dict):
        raise FormatError("not a JSON object")
    txid, height, time_s, text = (_member(document, name) for name in ("txid", "block", "time", "floData"))
    if not isinstance(txid, str) or len(txid) != 64 or not _HEX.issuperset(txid.lower()):
        raise FormatError("txid is not 64 hexadecimal digits")
    if not isinstance(text, str) or not text:
        raise FormatError("floData is not a text")
    try:
        data = text.encode()
    except UnicodeEncodeError:
        raise FormatError("floData has half of a character") from None
    if len(data) > MAX_MESSAGE_BYTES:
        raise FormatError(f"floData has {len(data)} bytes, more than {MAX_MESSAGE_BYTES}")
    return LegacyMessage(
        txid=txid.lower(),
        height=_whole(height, "block", _MAX_HEIGHT),
        time_s=_whole(time_s, "time", _MAX_TIME_S),
        data=data,
        line=number,
    )


def _member(document: dict[str, object], name: str) -> object:
    if name not in document:
        raise FormatError(f"it has no {name}")
    return document[name]


def _whole(value: object, name: str, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
        raise FormatError(f"{name} is not a whole number from 0 to {most}")
    return value


def read_legacy_lines(path: Path) -> Iterator[tuple[int, LegacyMessage | BadLine]]:
    """The lines of a file, each with how many bytes were read up to its end. Empty lines are passed over.

    Raises:
        InputError: too many lines are not such lines, so the file is something else.
        StorageError: it cannot be read.
    """
    bad = 0
    try:
        with path.open("rb") as file:
            for number, line in enumerate(_lines(file), start=1):
                if not line.strip():
                    continue
                taken = _taken(number, line)
                bad += isinstance(taken, BadLine)
                if bad > MAX_BAD_LINES:
                    raise InputError(
                        f"more than {MAX_BAD_LINES} lines of {path} are not exported messages, the last is {number}",
                        hint='each line is {"txid": ..., "block": ..., "time": ..., "floData": ...}',
                        path=str(path),
                        line=number,
                    )
                yield file.tell(), taken
    except OSError as error:
        if isinstance(error, EtdbError):
            raise
        raise storage_error(error, path) from error


def _taken(number: int, line: bytes) -> LegacyMessage | BadLine:
    if len(line) > MAX_LINE_BYTES:
        return BadLine(line=number, reason=f"longer than {MAX_LINE_BYTES} bytes")
    try:
        return parse_legacy_line(line.removeprefix(_MARK) if number == 1 else line, number)
    except FormatError as error:
        return BadLine(line=number, reason=error.message)


def _lines(file: BinaryIO) -> Iterator[bytes]:
    """Lines; of one that is too long only its beginning."""
    while line := file.readline(MAX_LINE_BYTES + 1):
        rest = line
        while len(rest) == MAX_LINE_BYTES + 1 and not rest.endswith(b"\n"):
            rest = file.readline(MAX_LINE_BYTES + 1)
        yield line
