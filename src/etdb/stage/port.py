"""The port of all places that something is staged to."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol, runtime_checkable

import msgspec

from etdb.errors import VerificationError
from etdb.stage.layout import NAME

__all__ = ["Piece", "StageTarget", "WrongBytesError"]

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
