"""Sharded directories (HAMT): a tree of nodes of 256 buckets each, chosen by the bytes of the hash of the name.

Source: https://specs.ipfs.tech/unixfs/#dag-pb-hamtdirectory. A shard's data tells by a bit for each bucket which are
used; its links stand in the order of the buckets, each name beginning with the bucket in two hexadecimal digits. A
link whose name is longer is an entry; one whose name is those digits alone leads to the shard of the names that share
the hash so far.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from etdb.errors import FormatError, InputError
from etdb.ipfs.cid import DAG_PB, Cid, cid_of
from etdb.ipfs.dagpb import PbLink, PbNode, encode_node
from etdb.ipfs.filedag import IpldBlock
from etdb.ipfs.murmur3 import murmur3_x64_64
from etdb.ipfs.names import verify_entry_name
from etdb.ipfs.profile import ImportProfile
from etdb.ipfs.unixfs import HAMT_SHARD, UnixFs, encode_shard_data

__all__ = ["FANOUT", "MAX_SHARD_DEPTH", "HamtShard", "ShardLink", "build_shards", "name_hash", "parse_shard"]

FANOUT: Final = 256
MURMUR3_X64_64: Final = 0x22
MAX_SHARD_DEPTH: Final = 8
"""Levels of shards: the hash has no more bytes."""
_DIGITS = 2


class ShardLink(Struct, frozen=True, kw_only=True):
    """A used bucket: an entry of the directory, or (``name`` None) the shard below.

    Attributes:
        bucket: 0 to 255.
        cid: what it leads to.
        name: of the entry, without the digits of the bucket.
        tree_size: the Tsize that the link claims.
        hash: of the name, for entries; one byte for each level.
    """

    bucket: int
    cid: Cid
    name: str | None
    tree_size: int | None
    hash: bytes = b""


class HamtShard(Struct, frozen=True, kw_only=True):
    """One node of a sharded directory; ``links`` in the order of their buckets."""

    cid: Cid
    links: tuple[ShardLink, ...]

    def verify_place(self, prefix: bytes) -> None:
        """Check that every entry belongs under the buckets ``prefix`` that led here from the directory's root.

        Raises:
            FormatError: an entry that a lookup would never find, an empty shard below another, or too deep.
        """
        if len(prefix) >= MAX_SHARD_DEPTH:
            raise _wrong(self.cid, f"is a shard at level {len(prefix)}; the hash of a name has {MAX_SHARD_DEPTH}")
        if prefix and not self.links:
            raise _wrong(self.cid, "is an empty shard below another")
        for link in self.links:
            if link.name is not None and link.hash[: len(prefix) + 1] != prefix + bytes([link.bucket]):
                raise _wrong(
                    self.cid, f"has {link.name!r} in bucket {(prefix + bytes([link.bucket])).hex()}, not its own"
                )

    def find(self, name: str, level: int) -> ShardLink | None:
        """The link to follow for ``name`` in the shard ``level`` steps below the root; None: there is no such name."""
        bucket = name_hash(name)[level]
        link = next((link for link in self.links if link.bucket == bucket), None)
        return None if link is None or link.name not in {None, name} else link


def name_hash(name: str) -> bytes:
    """The eight bytes that choose the bucket of each level, the root's first."""
    return murmur3_x64_64(name.encode("utf-8")).to_bytes(8, "big")


def parse_shard(cid: Cid, node: PbNode, unixfs: UnixFs) -> HamtShard:
    """Read a shard. Whether it belongs where it was found, :meth:`HamtShard.verify_place` says.

    Raises:
        FormatError: another fanout or hash, bits that do not fit the links, a wrong order, or a bad name.
    """
    if unixfs.kind != HAMT_SHARD:
        raise _wrong(cid, f"is a UnixFS {unixfs.kind_name}, not a shard of a directory")
    if unixfs.fanout != FANOUT or unixfs.hash_type != MURMUR3_X64_64:
        raise _wrong(cid, f"has fanout {unixfs.fanout} and hash {unixfs.hash_type}; {FANOUT} and murmur3 are read")
    if unixfs.file_size is not None or unixfs.block_sizes:
        raise _wrong(cid, "is a shard with the sizes of a file")
    if len(unixfs.data) * 8 > FANOUT:
        raise _wrong(cid, f"has {len(unixfs.data)} bytes of bits for {FANOUT} buckets")
    bits = int.from_bytes(unixfs.data, "big")
    buckets = [bucket for bucket in range(FANOUT) if bits >> bucket & 1]
    if len(buckets) != len(node.links):
        raise _wrong(cid, f"has {len(buckets)} buckets in use and {len(node.links)} links")
    return HamtShard(
        cid=cid,
        links=tuple(_parse_link(cid, bucket, link) for bucket, link in zip(buckets, node.links, strict=True)),
    )


def _parse_link(cid: Cid, bucket: int, link: PbLink) -> ShardLink:
    if link.name[:_DIGITS] != f"{bucket:02X}":
        raise _wrong(cid, f"has {link.name[:60]!r} where bucket {bucket:02X} should stand")
    name = link.name[_DIGITS:]
    if not name:
        return ShardLink(bucket=bucket, cid=link.cid, name=None, tree_size=link.tree_size)
    try:
        verify_entry_name(name)
    except InputError as error:
        raise _wrong(cid, f"has a bad name: {error.message}") from None
    return ShardLink(bucket=bucket, cid=link.cid, name=name, tree_size=link.tree_size, hash=name_hash(name))


def build_shards(entries: Sequence[PbLink], profile: ImportProfile) -> list[IpldBlock]:
    """The nodes of a sharded directory, children before parents, its root last.

    Args:
        entries: the links of the directory with their names; names are right and different.
        profile: says the version of the CIDs.

    Raises:
        InputError: names whose hashes are equal to the last bit; they cannot be in one sharded directory.
    """
    nodes: list[IpldBlock] = []
    _build_shard([(name_hash(entry.name), entry) for entry in entries], 0, profile, nodes)
    return nodes


def _build_shard(
    entries: list[tuple[bytes, PbLink]], level: int, profile: ImportProfile, nodes: list[IpldBlock]
) -> IpldBlock:
    if level == MAX_SHARD_DEPTH:
        first, second = entries[0][1].name, entries[1][1].name
        raise InputError(
            f"the names {first!r} and {second!r} have the same hash: a sharded directory cannot hold both",
            hint="rename one of them",
            name=second,
        )
    buckets: dict[int, list[tuple[bytes, PbLink]]] = {}
    for entry in entries:
        buckets.setdefault(entry[0][level], []).append(entry)
    links: list[PbLink] = []
    bits = 0
    for bucket in sorted(buckets):
        bits |= 1 << bucket
        inside = buckets[bucket]
        if len(inside) == 1:
            link = inside[0][1]
            links.append(PbLink(cid=link.cid, name=f"{bucket:02X}{link.name}", tree_size=link.tree_size))
        else:
            below = _build_shard(inside, level + 1, profile, nodes)
            links.append(PbLink(cid=below.cid, name=f"{bucket:02X}", tree_size=below.tree_size))
    bitfield = bits.to_bytes((bits.bit_length() + 7) // 8, "big")
    data = encode_node(links, encode_shard_data(bitfield, MURMUR3_X64_64, FANOUT))
    node = IpldBlock(
        cid=cid_of(data, codec=DAG_PB, version=profile.cid_version),
        data=data,
        tree_size=len(data) + sum(link.tree_size or 0 for link in links),
    )
    nodes.append(node)
    return node


def _wrong(cid: Cid, what: str) -> FormatError:
    return FormatError(f"the directory node {cid} {what}", cid=str(cid))
