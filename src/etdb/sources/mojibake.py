"""Text whose UTF-8 bytes were stored as if each were a letter of latin1: "Ã©" for "é". Pure."""

from __future__ import annotations

from typing import Final

__all__ = ["mend_mojibake"]

_TIMES: Final = 3


def mend_mojibake(text: str) -> str:
    """The text that was meant.

    MySQL's latin1 is Windows-1252, with the five bytes that it leaves empty kept as control characters
    (MySQL reference manual, "West European Character Sets"). What does not turn into UTF-8 as a whole was latin1
    indeed, and stays. Text that went wrong several times is mended as often.
    """
    for _ in range(_TIMES):
        if text.isascii():
            break
        try:
            text = b"".join(_byte(letter) for letter in text).decode()
        except UnicodeError:
            break
    return text


def _byte(letter: str) -> bytes:
    try:
        return letter.encode("cp1252")
    except UnicodeEncodeError:
        return letter.encode("latin-1")
