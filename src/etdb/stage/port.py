"""The port of all places that something is staged to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final, Protocol, runtime_checkable

import msgspec

from etdb.errors import SourceFileError, VerificationError
from etdb.stage.layout import NAME

__all__ = ["LEFT_OVER_DAYS", "Piece", "StageTarget", "WrongBytesError", "chunks_of", "source_errors"]

LEFT_OVER_DAYS: Final = 7
"""After so long what a try that was cut off left is gone on with by nobody: its dataset may be withdrawn."""

Progress = Callable[[int], None]


class WrongBytesError(VerificationError):
    """What arrived are other bytes than those that were sent; nothing lies under the name."""

    code = "staged-wrong"


class Piece(msgspec.Struct, frozen=True, kw_only=True):
    """A file to put: where it is here, and what its bytes are."""

    name: str
    path: Path
    size_bytes: int
    sha256: str

    def __post_init__(self) -> None:
        # It goes into a shell's words, a path and a URL of another machine.
        if not NAME.fullmatch(self.name):
            raise ValueError(f"not a name of a staged folder: {self.name!r}")


@contextmanager
def source_errors(piece: Piece) -> Iterator[None]:
    """Where only the file here is read: its disk is at fault, and not the target's.

    Raises:
        SourceFileError: it cannot be read.
    """
    try:
        yield
    except OSError as error:
        raise SourceFileError(
            f"{piece.path} cannot be read: {error.strerror or error}",
            hint="put it back where it was; if it is there, look at the disk",
            path=str(piece.path),
        ) from error


def chunks_of(piece: Piece, source: IO[bytes], step_bytes: int) -> Iterator[bytes]:
    """The rest of an open file. Errors as :func:`source_errors`."""
    while True:
        with source_errors(piece):
            chunk = source.read(step_bytes)
        if not chunk:
            return
        yield chunk


@runtime_checkable
class StageTarget(Protocol):
    """A place outside. Every adapter passes ``etdb.testing.stage.StageTargetContract``."""

    @property
    def name(self) -> str:
        """What messages call it; never a secret."""
        ...

    def present(self) -> dict[str, int]:
        """The names that are there whole, each with its size.

        Raises:
            SourceError: it cannot be reached.
        """
        ...

    def put(self, piece: Piece, *, progress: Progress = lambda _count: None) -> None:
        """Bring a file there and check it there; only then it has its name. An earlier try is gone on with.

        Args:
            piece: the file.
            progress: told the bytes of each part that is there.

        Raises:
            WrongBytesError: other bytes arrived. Nothing is left under the name.
            SourceError: it cannot be reached, or has no room.
            SourceFileError: the file here cannot be read.
        """
        ...

    def close(self) -> None:
        """Let go of connections; may be called twice."""
        ...
