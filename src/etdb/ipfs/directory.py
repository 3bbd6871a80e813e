"""Directories: plain UnixFS nodes, and trees of them from paths."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

from msgspec import Struct

from etdb.errors import InputError
from etdb.ipfs.cid import DAG_PB, Cid, cid_of
from etdb.ipfs.dagpb import PbLink, encode_node
from etdb.ipfs.filedag import IpldBlock
from etdb.ipfs.profile import UNIXFS_V1_2025, ImportProfile
from etdb.ipfs.unixfs import DIRECTORY_DATA

__all__ = ["MAX_NAME_BYTES", "MAX_PATH_DEPTH", "DirectoryEntry", "build_directory", "build_tree", "verify_entry_name"]

MAX_NAME_BYTES = 255
"""The longest name: the limit of every common file system."""
MAX_PATH_DEPTH = 32
"""The most levels of directories in a tree."""


class DirectoryEntry(Struct, frozen=True, kw_only=True):
    """A name in a directory and what it stands for. ``tree_size`` is the bytes of all its blocks."""

    name: str
    cid: Cid
    tree_size: int


def verify_entry_name(name: str) -> None:
    """Check that ``name`` can be a file name everywhere and cannot leave its folder.

    Raises:
        InputError: empty, ``.``, ``..``, with a slash, a backslash or a control character, not UTF-8, or too long.
    """
    try:
        size = len(name.encode("utf-8"))
    except UnicodeEncodeError:
        raise InputError(f"the name {name!r} is not valid Unicode", hint="rename the file") from None
    if name in {"", ".", ".."} or "/" in name or "\\" in name or any(ord(c) < 32 or ord(c) == 127 for c in name):
        raise InputError(f"{name!r} cannot be the name of a file in a dataset", hint="rename the file", name=name)
    if size > MAX_NAME_BYTES:
        raise InputError(f"the name {name[:40]!r}… has {size} bytes; {MAX_NAME_BYTES} are the limit", name=name)


def build_directory(entries: Sequence[DirectoryEntry], profile: ImportProfile = UNIXFS_V1_2025) -> IpldBlock:
    """The node of one directory; the order of ``entries`` does not matter.

    Raises:
        InputError: a bad or double name, or more entries than one block holds.
    """
    ordered = sorted(entries, key=lambda entry: entry.name.encode("utf-8", "surrogatepass"))
    for entry in ordered:
        verify_entry_name(entry.name)
    for first, second in pairwise(ordered):
        if first.name == second.name:
            raise InputError(f"the name {first.name!r} is twice in one directory", name=first.name)
    links = [PbLink(cid=entry.cid, name=entry.name, tree_size=entry.tree_size) for entry in ordered]
    data = encode_node(links, DIRECTORY_DATA)
    if profile.shard_estimate == "block":
        estimate = len(data)
    else:
        estimate = sum(len(link.name.encode("utf-8")) + len(bytes(link.cid)) for link in links)
    if estimate > profile.shard_above_bytes:
        raise InputError(
            f"a directory of {len(ordered)} entries needs {estimate} bytes; above {profile.shard_above_bytes}"
            " it must be sharded, which this release does not do",
            hint="put the files into several folders",
            entries=len(ordered),
        )
    return IpldBlock(
        cid=cid_of(data, codec=DAG_PB, version=profile.cid_version),
        data=data,
        tree_size=len(data) + sum(entry.tree_size for entry in ordered),
    )


def build_tree(
    files: Mapping[str, tuple[Cid, int]], profile: ImportProfile = UNIXFS_V1_2025
) -> tuple[IpldBlock, list[IpldBlock]]:
    """The directories that hold ``files``: path with ``/`` -> (CID, tree size).

    Gives the root, and all nodes with children before parents (the root last).

    Raises:
        InputError: a bad path, a path that is both file and folder, or a directory that is too large.
    """
    root: dict[str, object] = {}
    for path, leaf in files.items():
        *folders, name = path.split("/")
        if len(folders) > MAX_PATH_DEPTH:
            raise InputError(f"{path!r} is deeper than {MAX_PATH_DEPTH} folders", path=path)
        place = root
        for folder in folders:
            below = place.setdefault(folder, {})
            if not isinstance(below, dict):
                raise InputError(f"{path!r}: {folder!r} is a file and a folder at once", path=path)
            place = below
        if name in place:
            raise InputError(f"{path!r} is a file and a folder at once, or twice", path=path)
        place[name] = leaf
    nodes: list[IpldBlock] = []
    return _build_level(root, profile, nodes), nodes


def _build_level(level: dict[str, object], profile: ImportProfile, nodes: list[IpldBlock]) -> IpldBlock:
    entries = []
    for name, content in level.items():
        if isinstance(content, dict):
            below = _build_level(content, profile, nodes)
            entries.append(DirectoryEntry(name=name, cid=below.cid, tree_size=below.tree_size))
        else:
            assert isinstance(content, tuple)
            cid, tree_size = content
            entries.append(DirectoryEntry(name=name, cid=cid, tree_size=tree_size))
    node = build_directory(entries, profile)
    nodes.append(node)
    return node
