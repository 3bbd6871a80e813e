"""dag-pb: the nodes that join leaves to files and files to directories.

Source: https://ipld.io/specs/codecs/dag-pb/spec/. Written in the one canonical form; read strictly, with the two
orders of sections (links first, or data first) that the specification lets old nodes have.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from etdb.errors import FormatError
from etdb.ipfs.cid import MAX_BLOCK_BYTES, Cid, parse_cid_bytes
from etdb.ipfs.varint import encode_varint, parse_varint

__all__ = ["MAX_LINKS", "PbLink", "PbNode", "encode_node", "parse_node"]

MAX_LINKS = 1 << 16
"""The most links of a node that is read: more named SHA-256 links than one block can hold, so a directory that was
never sharded is read too; links of identity CIDs are smaller."""

_NODE_DATA, _NODE_LINK = 0x0A, 0x12
_LINK_HASH, _LINK_NAME, _LINK_SIZE = 0x0A, 0x12, 0x18


class PbLink(Struct, frozen=True, kw_only=True):
    """A link of a node.

    Attributes:
        cid: the child.
        name: its name in a directory, "" in a file.
        tree_size: bytes of all blocks below and at the child, as its maker claims; None when absent.
    """

    cid: Cid
    name: str = ""
    tree_size: int | None = None


class PbNode(Struct, frozen=True, kw_only=True):
    """A dag-pb node: links, and data that UnixFS explains."""

    links: tuple[PbLink, ...] = ()
    data: bytes | None = None


def encode_node(links: Iterable[PbLink], data: bytes) -> bytes:
    """Encode a node canonically. The caller has sorted the links (directories: by the bytes of the name)."""
    parts: list[bytes] = []
    for link in links:
        cid, name = bytes(link.cid), link.name.encode("utf-8")
        body = b"\x0a" + encode_varint(len(cid)) + cid + b"\x12" + encode_varint(len(name)) + name
        if link.tree_size is not None:
            body += b"\x18" + encode_varint(link.tree_size)
        parts += (b"\x12", encode_varint(len(body)), body)
    parts += (b"\x0a", encode_varint(len(data)), data)
    return b"".join(parts)


def parse_node(block: bytes, *, max_links: int = MAX_LINKS) -> PbNode:
    """Read a node.

    Raises:
        FormatError: not dag-pb in strict form, or beyond the limits.
    """
    if len(block) > MAX_BLOCK_BYTES:
        raise FormatError(f"a dag-pb node of {len(block)} bytes is larger than {MAX_BLOCK_BYTES}")
    links: list[PbLink] = []
    data: bytes | None = None
    at, links_are_over = 0, False
    while at < len(block):
        tag = block[at]
        payload, end = _read_bytes(block, at + 1)
        if tag == _NODE_LINK:
            if links_are_over:
                raise FormatError(f"dag-pb: links in two places, again at byte {at}", offset=at)
            if len(links) == max_links:
                raise FormatError(f"dag-pb: more than {max_links} links")
            links.append(_parse_link(payload))
        elif tag == _NODE_DATA:
            if data is not None:
                raise FormatError(f"dag-pb: data twice, again at byte {at}", offset=at)
            data = payload
            links_are_over = bool(links)
        else:
            raise FormatError(f"dag-pb: unknown field {tag:#04x} at byte {at}", offset=at)
        at = end
    return PbNode(links=tuple(links), data=data)


def _read_bytes(block: bytes, at: int) -> tuple[bytes, int]:
    length, at = parse_varint(block, at, what="dag-pb length")
    if length > len(block) - at:
        raise FormatError(f"dag-pb: a field of {length} bytes at byte {at} reaches behind the end", offset=at)
    return block[at : at + length], at + length


def _parse_link(body: bytes) -> PbLink:
    if body[:1] != b"\x0a":
        raise FormatError("dag-pb: a link does not begin with its CID")
    raw_cid, at = _read_bytes(body, 1)
    name, tree_size = "", None
    if at < len(body) and body[at] == _LINK_NAME:
        raw_name, at = _read_bytes(body, at + 1)
        try:
            name = raw_name.decode("utf-8")
        except UnicodeDecodeError:
            raise FormatError(f"dag-pb: the link name {raw_name[:60]!r} is not UTF-8") from None
    if at < len(body) and body[at] == _LINK_SIZE:
        tree_size, at = parse_varint(body, at + 1, what="dag-pb Tsize")
    if at != len(body):
        raise FormatError(f"dag-pb: unknown or misplaced field {body[at]:#04x} in a link")
    return PbLink(cid=parse_cid_bytes(raw_cid), name=name, tree_size=tree_size)
