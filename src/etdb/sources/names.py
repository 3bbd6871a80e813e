"""Which names of files and folders can be published."""

from __future__ import annotations

import re
import unicodedata

__all__ = ["collision_key", "name_problem", "portability_problem", "shown"]

# Line and paragraph separators, and marks that turn the direction of text: they hide what a name says.
MISLEADING = frozenset("\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
# Names and letters that Windows keeps for itself.
RESERVED = re.compile(r"(?i)(con|prn|aux|nul|clock\$|com[0-9¹²³]|lpt[0-9¹²³])(\..*)?")
FORBIDDEN = re.compile(r'[<>:"|?*]')


def name_problem(name: str) -> str:
    """Why a single name (no '/') cannot be published, or "". Spaces, a leading '-' and any script are fine."""
    try:
        encoded = name.encode("utf-8")
    except UnicodeEncodeError:
        return "has a name that is not UTF-8: rename it"
    if any(unicodedata.category(c) == "Cc" or c in MISLEADING for c in name):
        return "has a line break or control character in its name: rename it"
    if "\\" in name:
        return "has a backslash in its name, which other systems take for a folder: rename it"
    if name in {"", ".", ".."} or len(encoded) > 255:
        return "has a name that is not possible elsewhere: rename it"
    return ""


def portability_problem(name: str) -> str:
    """Why a single name that can be published cannot be written on every system, or "". A download renames it there."""
    if RESERVED.fullmatch(name):
        return "is a name that Windows keeps for a device"
    if found := FORBIDDEN.search(name):
        return f"has {found[0]} in its name, which Windows does not take"
    if name[-1:] in {" ", "."}:
        return "ends with a space or dot, which Windows takes away"
    if any(unicodedata.category(c) == "Cf" for c in name):
        return "has a letter in its name that is not seen"
    return ""


def shown(path: str) -> str:
    """A path for messages: what could garble a terminal is escaped."""
    if path.isprintable():
        return path
    return path.encode("unicode_escape", "surrogateescape").decode("ascii", "backslashreplace")


def collision_key(path: str) -> str:
    """Equal for paths that are one file on systems that ignore case or compose letters."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())
