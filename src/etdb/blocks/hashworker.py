"""What a hashing process runs: maps windows of a file and hashes them where the system already holds them.

Nothing is copied, which saves a tenth of the time; but a mapped file that shrinks, or a bad place of the disk, ends
the process that touches it (SIGBUS). That is why this runs in a process of its own: the one that asked notices, and
reads the file again in the ordinary way, which can say what is wrong. Started by ``etdb.blocks.mapped`` as a script,
with little of the standard library, so that it starts in milliseconds.

Requests come over the standard input, each a ``REQUEST`` and, for a file, its ``FRAMES``, what stands in them, and the
path. Each has an answer: who the file is (``IDENTITY``); the window's digests, joined, or one byte when none were
asked for; the whole file's hash.
"""

from __future__ import annotations

import hashlib
import mmap
import os
import resource
import struct
import sys

FILE, WINDOW, END = 1, 2, 3
LEAVES, WHOLE = 1, 2
"""What is to be done with a window: bits."""
REQUEST = struct.Struct("<BBQQQ")
"""Kind and bits of work; of a window: offset, length and leaf length; of a file: the length of what follows."""
FRAMES = struct.Struct("<QBBBB")
"""Of a file: its last leaf's offset, then the lengths of what stands around a full leaf and around the last one."""
IDENTITY = struct.Struct("<QQ")
DONE = b"\0"
PIECE_BYTES = 256 * 1024
"""What fits into the cache of a core."""


class _File:
    def __init__(self, about: bytes) -> None:
        self.whole = hashlib.sha256()
        self.last_offset, *lengths = FRAMES.unpack_from(about)
        at, parts = FRAMES.size, []
        for length in lengths:
            parts.append(about[at : at + length])
            at += length
        self.full, self.last = (parts[0], parts[1]), (parts[2], parts[3])
        self.descriptor = os.open(about[at:], os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)

    def identity(self) -> bytes:
        """Device and inode."""
        status = os.fstat(self.descriptor)
        return IDENTITY.pack(status.st_dev & 0xFFFF_FFFF_FFFF_FFFF, status.st_ino & 0xFFFF_FFFF_FFFF_FFFF)

    def window(self, work: int, offset: int, length: int, leaf_bytes: int) -> bytes:
        """Hash a window; gives the digests of its leaves, joined, when they were asked for."""
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(self.descriptor, offset + length, length, os.POSIX_FADV_WILLNEED)
        digests = []
        with (
            mmap.mmap(self.descriptor, length, prot=mmap.PROT_READ, offset=offset) as mapped,
            memoryview(mapped) as view,
        ):
            for at in range(0, length, leaf_bytes):
                with view[at : at + leaf_bytes] as leaf:
                    if work == WHOLE:
                        self.whole.update(leaf)
                    else:
                        digests.append(self._leaf(leaf, offset + at, work))
        return b"".join(digests) or DONE

    def _leaf(self, content: memoryview, offset: int, work: int) -> bytes:
        head, tail = self.last if offset == self.last_offset else self.full
        state = hashlib.sha256(head)
        if work & WHOLE:
            # Piece by piece, so that the second hash finds in the processor's cache what the first has fetched.
            for at in range(0, len(content), PIECE_BYTES):
                with content[at : at + PIECE_BYTES] as piece:
                    state.update(piece)
                    self.whole.update(piece)
        else:
            state.update(content)
        state.update(tail)
        return state.digest()


def main() -> None:
    """Answer requests until the other side is gone."""
    file: _File | None = None
    requests = sys.stdin.buffer
    while len(request := requests.read(REQUEST.size)) == REQUEST.size:
        kind, work, offset, length, leaf_bytes = REQUEST.unpack(request)
        if kind == FILE:
            if file is not None:
                os.close(file.descriptor)
            file = _File(requests.read(length))
            answer = file.identity()
        elif file is None:
            return
        else:
            answer = file.window(work, offset, length, leaf_bytes) if kind == WINDOW else file.whole.digest()
        os.write(1, answer)


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a SIGBUS is expected and leaves no core behind
    main()
