"""Names of folders and files for a record from anywhere: readable, safe on every system, without collisions.

A record is hostile until shown otherwise: its names may hold `..`, control characters, names that some system
reserves, or differ in case only. What comes out is a relative path that cannot leave its folder. The same record gives
the same names every time, whatever part of it is downloaded.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable
from pathlib import PurePosixPath

__all__ = ["dataset_folder_name", "safe_component", "safe_paths"]

# Most systems allow 255 bytes; the rest is for a number that tells two apart and for other programs' suffixes.
MAX_COMPONENT_BYTES = 200
MAX_FOLDER_NAME_BYTES = 80
MAX_DEPTH = 24
MAX_PATH_BYTES = 1000
SHORT_ID = 8
FORBIDDEN = re.compile(r'[<>:"|?*\\/]')
RESERVED = re.compile(r"(?i)(con|prn|aux|nul|clock\$|com[0-9¹²³]|lpt[0-9¹²³])(\..*)?")
# Others (Cc), formats that turn or hide text (Cf), surrogates, private and unassigned characters, line separators.
UNSAFE_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def safe_component(name: str, max_bytes: int = MAX_COMPONENT_BYTES) -> str:
    """One name that every system takes: never empty, `.` or `..`, no separator, not hidden, not like an option."""
    text = unicodedata.normalize("NFC", name)
    text = "".join("_" if unicodedata.category(c) in UNSAFE_CATEGORIES else c for c in text)
    text = FORBIDDEN.sub("_", text).rstrip(". ").lstrip(" ")
    if not text or text[0] in ".-~":
        text = "_" + text
    if RESERVED.fullmatch(text):
        text = "_" + text
    if len(text.encode("utf-8")) <= max_bytes:
        return text
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    suffix = PurePosixPath(text).suffix
    suffix = suffix if len(suffix.encode("utf-8")) <= 16 else ""
    room = max_bytes - len(suffix.encode("utf-8")) - len(digest) - 1
    stem = text.removesuffix(suffix).encode("utf-8")[:room].decode("utf-8", "ignore").rstrip(". ")
    return f"{stem}~{digest}{suffix}"


def dataset_folder_name(name: str, dataset_id: str) -> str:
    """A dataset's folder: its sid or title, and the beginning of its id, which tells equal names apart."""
    words = " ".join(name.split())
    ident = safe_component(dataset_id)[:SHORT_ID]
    return f"{safe_component(words, MAX_FOLDER_NAME_BYTES)}-{ident}" if words else ident


def safe_paths(paths: Iterable[str], reserved: Iterable[str] = ()) -> dict[str, str]:
    """A safe relative path for each path of a record, no two equal even where case does not count.

    Args:
        paths: all paths of the record, with '/', in their order.
        reserved: names of the folder itself that no file may take.
    """
    taken: dict[str, bool] = {_fold(name): True for name in reserved}  # folded path -> is it a file
    result: dict[str, str] = {}
    for path in paths:
        if path in result:
            continue
        parts = [safe_component(part) for part in path.split("/") if part not in {"", "."}] or ["_"]
        if len(parts) > MAX_DEPTH or sum(len(p.encode()) + 1 for p in parts) > MAX_PATH_BYTES:
            parts = [_tagged(parts[-1], path)]
        result[path] = _place(parts, path, taken)
    return result


def _place(parts: list[str], path: str, taken: dict[str, bool]) -> str:
    """Enter a path into `taken`, with other names where a file or folder is in the way."""
    placed: list[str] = []
    for part in parts[:-1]:
        folder, attempt = part, 0
        # A file may have taken the other name as well, on purpose: who names the files can compute it.
        while taken.get(_fold("/".join([*placed, folder]))) is True:
            folder, attempt = _renamed(part, path, attempt), attempt + 1
        placed.append(folder)
        taken[_fold("/".join(placed))] = False
    name, attempt = parts[-1], 0
    while _fold("/".join([*placed, name])) in taken:
        name, attempt = _renamed(parts[-1], path, attempt), attempt + 1
    whole = "/".join([*placed, name])
    taken[_fold(whole)] = True
    return whole


def _renamed(name: str, path: str, attempt: int) -> str:
    return _tagged(name, f"{path}#{attempt}" if attempt else path)


def _tagged(name: str, path: str) -> str:
    digest = hashlib.sha256(path.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    pure = PurePosixPath(name)
    return safe_component(f"{pure.stem}~{digest}{pure.suffix}")


def _fold(path: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFKC", path).casefold())
