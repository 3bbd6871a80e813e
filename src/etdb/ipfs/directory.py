"""Directories: plain or sharded UnixFS nodes, symbolic links, and trees of them from paths."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

from msgspec import Struct

from etdb.errors import FormatError, InputError
from etdb.ipfs.cid import DAG_PB, MAX_BLOCK_BYTES, Cid, cid_of
from etdb.ipfs.dagpb import PbLink, PbNode, encode_node
from etdb.ipfs.filedag import IpldBlock
from etdb.ipfs.hamt import build_shards
from etdb.ipfs.names import MAX_PATH_DEPTH, verify_entry_name, verify_link_target
from etdb.ipfs.profile import UNIXFS_V1_2025, ImportProfile
from etdb.ipfs.unixfs import DIRECTORY_DATA, UnixFs, encode_symlink_data

__all__ = ["DirectoryEntry", "build_directory", "build_symlink", "build_tree", "link_target"]


class DirectoryEntry(Struct, frozen=True, kw_only=True):
    """A name in a directory and what it stands for. ``tree_size`` is the bytes of all its blocks."""

    name: str
    cid: Cid
    tree_size: int


def build_symlink(target: str, profile: ImportProfile = UNIXFS_V1_2025) -> IpldBlock:
    """The node of a symbolic link. ``target`` is kept as it is; nobody here follows it.

    Raises:
        InputError: a target that no link can have.
    """
    verify_link_target(target)
    data = encode_node((), encode_symlink_data(target))
    return IpldBlock(cid=cid_of(data, codec=DAG_PB, version=profile.cid_version), data=data, tree_size=len(data))


def link_target(cid: Cid, node: PbNode, unixfs: UnixFs) -> str:
    """What the node of a symbolic link says. It is text of a stranger: never open it as a path.

    Raises:
        FormatError: not a target that a link can have, or the node has links of its own.
    """
    if node.links or unixfs.block_sizes:
        raise FormatError(f"the symbolic link {cid} has content below it", cid=str(cid))
    try:
        target = unixfs.data.decode("utf-8")
        verify_link_target(target)
    except UnicodeDecodeError:
        raise FormatError(f"the target of the symbolic link {cid} is not UTF-8", cid=str(cid)) from None
    except InputError as error:
        raise FormatError(f"the symbolic link {cid}: {error.message}", cid=str(cid)) from None
    return target


def build_directory(entries: Sequence[DirectoryEntry], profile: ImportProfile = UNIXFS_V1_2025) -> list[IpldBlock]:
    """The nodes of one directory, its root last; the order of ``entries`` does not matter.

    It is one node, unless the profile's estimate is above its threshold: then it is sharded.

    Raises:
        InputError: a bad or double name, or more than one block holds in a profile that does not shard.
    """
    ordered = sorted(entries, key=lambda entry: entry.name.encode("utf-8", "surrogatepass"))
    for entry in ordered:
        verify_entry_name(entry.name)
    for first, second in pairwise(ordered):
        if first.name == second.name:
            raise InputError(f"the name {first.name!r} is twice in one directory", name=first.name)
    links = [PbLink(cid=entry.cid, name=entry.name, tree_size=entry.tree_size) for entry in ordered]
    data = encode_node(links, DIRECTORY_DATA)
    if profile.shard_above_bytes is not None:
        if profile.shard_estimate == "block":
            estimate = len(data)
        else:
            estimate = sum(len(link.name.encode("utf-8")) + len(bytes(link.cid)) for link in links)
        if estimate > profile.shard_above_bytes:
            return build_shards(links, profile)
    if len(data) > MAX_BLOCK_BYTES:
        raise InputError(
            f"a directory of {len(ordered)} entries has {len(data)} bytes; a block has {MAX_BLOCK_BYTES} at most",
            hint="put the files into several folders, or use a profile that shards directories",
            entries=len(ordered),
        )
    return [
        IpldBlock(
            cid=cid_of(data, codec=DAG_PB, version=profile.cid_version),
            data=data,
            tree_size=len(data) + sum(entry.tree_size for entry in ordered),
        )
    ]


def build_tree(
    files: Mapping[str, tuple[Cid, int]],
    profile: ImportProfile = UNIXFS_V1_2025,
    *,
    folders: Iterable[str] = (),
) -> tuple[IpldBlock, list[IpldBlock]]:
    """The directories that hold ``files``: path with ``/`` -> (CID, tree size); symbolic links count as files.

    Gives the root, and all nodes with children before parents (the root last).

    Args:
        files: what the tree holds; may be empty.
        profile: how directories are made.
        folders: paths of folders that are there even when nothing is in them.

    Raises:
        InputError: a bad path, a path that is both file and folder, or a directory that is too large.
    """
    root: dict[str, object] = {}
    for path, leaf in files.items():
        place = _place(root, path.split("/")[:-1], path)
        name = path.rpartition("/")[2]
        if name in place:
            raise InputError(f"{path!r} is a file and a folder at once, or twice", path=path)
        place[name] = leaf
    for path in folders:
        _place(root, path.split("/"), path)
    nodes: list[IpldBlock] = []
    return _build_level(root, profile, nodes), nodes


def _place(root: dict[str, object], folders: Sequence[str], path: str) -> dict[str, object]:
    if len(folders) > MAX_PATH_DEPTH:
        raise InputError(f"{path!r} is deeper than {MAX_PATH_DEPTH} folders", path=path)
    place = root
    for folder in folders:
        below = place.setdefault(folder, {})
        if not isinstance(below, dict):
            raise InputError(f"{path!r}: {folder!r} is a file and a folder at once", path=path)
        place = below
    return place


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
    made = build_directory(entries, profile)
    nodes += made
    return made[-1]
