"""Names in directories: what can stand on every disk, and what a link to elsewhere may say."""

from __future__ import annotations

import re

from etdb.errors import InputError

__all__ = ["MAX_NAME_BYTES", "MAX_PATH_DEPTH", "MAX_TARGET_BYTES", "verify_entry_name", "verify_link_target"]

MAX_NAME_BYTES = 255
"""The longest name: the limit of every common file system."""
MAX_PATH_DEPTH = 32
"""The most levels of directories in a tree."""
MAX_TARGET_BYTES = 4095
"""The longest target of a symbolic link: what Linux can hold."""

_NEVER_IN_NAMES = re.compile(r"[\x00-\x1f\x7f/\\]")


def verify_entry_name(name: str) -> None:
    """Check that ``name`` can be a file name everywhere and cannot leave its folder.

    Raises:
        InputError: empty, ``.``, ``..``, with a slash, a backslash or a control character, not UTF-8, or too long.
    """
    try:
        size = len(name.encode("utf-8"))
    except UnicodeEncodeError:
        raise InputError(f"the name {name!r} is not valid Unicode", hint="rename the file") from None
    if name in {"", ".", ".."} or _NEVER_IN_NAMES.search(name):
        raise InputError(f"{name[:60]!r} cannot be the name of a file in a dataset", hint="rename the file", name=name)
    if size > MAX_NAME_BYTES:
        raise InputError(f"the name {name[:40]!r}… has {size} bytes; {MAX_NAME_BYTES} are the limit", name=name)


def verify_link_target(target: str) -> None:
    """Check that ``target`` can be the text of a symbolic link. Where it points to is not looked at.

    Raises:
        InputError: empty, too long, not UTF-8, or with a zero byte.
    """
    try:
        size = len(target.encode("utf-8"))
    except UnicodeEncodeError:
        raise InputError(f"the target {target[:60]!r} of a link is not valid Unicode", hint="make it anew") from None
    if not 1 <= size <= MAX_TARGET_BYTES or "\0" in target:
        raise InputError(
            f"{target[:60]!r} of {size} bytes cannot be the target of a link; 1 to {MAX_TARGET_BYTES} are, without NUL",
            target=target[:60],
        )
