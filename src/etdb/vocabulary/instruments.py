"""One spelling for each microscope, camera and program; the table is `instruments.toml`."""

from __future__ import annotations

import functools
import re
import tomllib
from importlib.resources import files
from typing import Any, Final, Literal

__all__ = ["Kind", "find_microscope", "unify"]

Kind = Literal["microscope", "detector", "software"]

MAX_LETTERS: Final = 200
MAX_PLACE_WORDS: Final = 3
_VERSION: Final = re.compile(r"(?P<name>\S.*?)\s+(?P<version>(?:version|ver\.?|v\.?)?\s?\d[\w.-]*)", re.IGNORECASE)
_LIST: Final = re.compile(r"\s*[,;]\s*")
_PLACE_MARK: Final = re.compile(r"[_\s]+")


def unify(kind: Kind, text: str) -> str:
    """The usual spelling of a name; a name that is not known is given back as it is.

    A version behind the name of a program is kept, each program of a list is unified by itself, and a microscope may
    have the name of its place before its model (`Caltech Polara`). Unifying twice is unifying once.
    """
    if not 0 < len(text) <= MAX_LETTERS:
        return text
    known = _lookup(kind, text)
    if known is not None:
        return known
    if kind == "microscope":
        return _at_a_place(text) or text
    if kind != "software":
        return text
    parts = [part for part in _LIST.split(text.strip()) if part]
    unified = [_program(part) for part in parts]
    return text if unified == parts else ", ".join(unified)


def find_microscope(text: str) -> str:
    """The model of a microscope whose words stand together in a text such as an mdoc's title, or ""."""
    words = _PLACE_MARK.split(text[:MAX_LETTERS].strip())
    for length in range(MAX_PLACE_WORDS, 0, -1):
        for at in range(len(words) - length + 1):
            known = _table()["microscope"].get(_key(" ".join(words[at : at + length])))
            if known is not None:
                return known
    return ""


def _program(text: str) -> str:
    known = _lookup("software", text)
    if known is not None:
        return known
    found = _VERSION.fullmatch(text)
    name = _lookup("software", found["name"]) if found else None
    return f"{name} {found['version']}" if found and name is not None else text


def _at_a_place(text: str) -> str | None:
    words = [word for word in _PLACE_MARK.split(text.strip()) if word]
    for at in range(1, min(len(words), MAX_PLACE_WORDS + 1)):
        known = _lookup("microscope", " ".join(words[at:]))
        if known is not None:
            return known
    return None


def _lookup(kind: Kind, text: str) -> str | None:
    table, key = _table()[kind], _key(text)
    if not key:
        return None
    if key in table:
        return table[key]
    for maker in _makers():
        if key.startswith(maker) and key[len(maker) :] in table:
            return table[key[len(maker) :]]
    return None


def _key(text: str) -> str:
    return "".join(letter for letter in text.casefold() if letter.isalnum())


@functools.cache
def _document() -> dict[str, Any]:
    return tomllib.loads(files("etdb.vocabulary").joinpath("instruments.toml").read_text("utf-8"))


@functools.cache
def _makers() -> tuple[str, ...]:
    return tuple(sorted((_key(maker) for maker in _document()["makers"]), key=len, reverse=True))


@functools.cache
def _table() -> dict[Kind, dict[str, str]]:
    kinds: tuple[Kind, ...] = ("microscope", "detector", "software")
    return {
        kind: {_key(spelling): name for name, others in _document()[kind].items() for spelling in (name, *others)}
        for kind in kinds
    }
