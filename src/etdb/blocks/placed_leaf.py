"""A leaf from where it is: read out of its file, and hashed once more before anyone gets it."""

from __future__ import annotations

import os
from pathlib import Path

from etdb.blocks.digests import LeafPlace
from etdb.blocks.hashing import open_source_file, read_exactly
from etdb.blocks.port import block_too_large
from etdb.errors import NotFoundError, SourceFileError, VerificationError
from etdb.ipfs import Cid, file_geometry, leaf_frame, verify_block

__all__ = ["other_bytes", "read_leaf"]


def read_leaf(cid: Cid, place: LeafPlace, max_bytes: int) -> bytes:
    """Read a leaf from its file, and hash it once more.

    Raises:
        NotFoundError: the file is gone, or cannot be read there.
        VerificationError: it holds other bytes now.
        FormatError: larger than ``max_bytes``.
    """
    span = file_geometry(place.state.size_bytes, place.profile).leaf(place.leaf)
    head, tail = (b"", b"") if place.profile.raw_leaves else leaf_frame(span.length)
    size = len(head) + span.length + len(tail)
    if size > max_bytes:
        raise block_too_large(cid, size, max_bytes)
    try:
        descriptor = open_source_file(place.path)
    except SourceFileError as error:
        raise NotFoundError(
            f"the IPLD block {cid} was in a file that cannot be read: {error.message}",
            hint="put the file back, or publish the dataset from where it is now",
            cid=str(cid),
            path=str(place.path),
        ) from error
    try:
        if not head:
            block = os.pread(descriptor, size, span.offset)
        else:
            content = bytearray(span.length)
            read_exactly(descriptor, memoryview(content), span.offset)
            block = b"".join((head, content, tail))
    except OSError as error:
        raise NotFoundError(
            f"the IPLD block {cid} cannot be read from {place.path} at offset {span.offset}: {error.strerror}",
            hint="look at the disk",
            cid=str(cid),
            offset=span.offset,
            path=str(place.path),
        ) from error
    finally:
        os.close(descriptor)
    try:
        verify_block(cid, block)
    except VerificationError:
        raise other_bytes(cid, place.path, span.offset) from None
    return block


def other_bytes(cid: Cid, path: Path, offset: int) -> VerificationError:
    """The error of a file that changed since it was added."""
    return VerificationError(
        f"the file {path} holds other bytes at offset {offset} than when it was added as {cid}",
        hint="restore the file; if it was corrected on purpose, publish it as a revision",
        cid=str(cid),
        offset=offset,
        path=str(path),
        source=str(path),
    )
