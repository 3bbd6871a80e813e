"""The folder that is staged. Pure.

    content/<cid>              a file's bytes, as they are: also a manifest's
    roots/<root cid>.json      a dataset: the path and the CID of each of its files; written when all of them are there

A name never gets other bytes, so that whoever has a file has it for good: an edit of a title brings a manifest of a few
kilobytes and leaves the rest where it is. Two datasets that share a file share it here.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

from etdb.errors import FormatError
from etdb.ipfs import Cid, parse_cid

__all__ = ["MAX_ROOT_BYTES", "NAME", "StagedRoot", "content_name", "encode_root", "parse_root", "root_name"]

FORMAT: Final = "etdb-staged-1"
MAX_ROOT_BYTES: Final = 32 << 20
MAX_FILES: Final = 100_000
NAME: Final = re.compile(r"content/[A-Za-z0-9]{46,120}|roots/[A-Za-z0-9]{46,120}\.json")
"""What may lie in a staged folder: nothing that a shell, a URL or a path could misread."""


class StagedRoot(msgspec.Struct, frozen=True, kw_only=True):
    """One dataset. ``sid`` is for people; whoever takes it up believes only what hashes to ``root``."""

    format: str = FORMAT
    root: str
    sid: str
    size_bytes: int
    files: dict[str, str]


def content_name(cid: Cid | str) -> str:
    """Where a file's bytes lie."""
    return f"content/{cid}"


def root_name(root: Cid | str) -> str:
    """Where a dataset is described."""
    return f"roots/{root}.json"


def encode_root(root: StagedRoot) -> bytes:
    """The description on paper; the same dataset gives the same bytes."""
    return msgspec.json.format(msgspec.json.encode(root, order="sorted"), indent=1) + b"\n"


def parse_root(data: bytes, name: str) -> StagedRoot:
    """Read a description.

    Args:
        data: at most :data:`MAX_ROOT_BYTES`.
        name: where it lay, which must be its root.

    Raises:
        FormatError: it is none, or says another name.
    """
    if len(data) > MAX_ROOT_BYTES:
        raise FormatError(f"{name} is larger than {MAX_ROOT_BYTES} bytes")
    try:
        found = msgspec.json.decode(data, type=StagedRoot, strict=True)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise FormatError(f"{name} is no description of a dataset: {error}") from None
    if found.format != FORMAT or root_name(found.root) != name:
        raise FormatError(f"{name} is not what its name says", hint="stage it again")
    if not 0 < len(found.files) <= MAX_FILES:
        raise FormatError(f"{name} has {len(found.files)} files")
    for cid in (found.root, *found.files.values()):
        parse_cid(cid)
        if not NAME.fullmatch(content_name(cid)):
            raise FormatError(f"{name} has {cid[:200]!r} for a CID")
    return found
