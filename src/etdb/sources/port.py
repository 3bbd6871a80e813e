"""The port of all sources: what a lab releases, what it keeps back, and each released dataset as its files are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol, runtime_checkable

from msgspec import Struct

from etdb.sources.dataset import SourceDataset

__all__ = ["Listing", "Source", "read_all"]


class Listing(Struct, frozen=True, kw_only=True):
    """What a source holds now, by the lab's own id of each dataset (its `sid`).

    Attributes:
        released: what may be published, in the order in which it should be.
        withheld: what is there and not released, each with the reason ("deleted: wrong sample").
        refused: what cannot even be listed (a row without an id, an id twice), each a sentence.
    """

    released: tuple[str, ...] = ()
    withheld: dict[str, str] = {}
    refused: tuple[str, ...] = ()


@runtime_checkable
class Source(Protocol):
    """Where a lab's datasets come from. Every adapter passes ``etdb.testing.sources.SourceContract``.

    Nothing is ever written there. One process at a time uses a source, from one thread.
    """

    @property
    def name(self) -> str:
        """What messages call this source: a path or an address, never a secret."""
        ...

    def listing(self) -> Listing:
        """What is released and what is not. A source that cannot be read whole raises: half a list is none.

        Raises:
            SourceError: a database cannot be reached, or does not answer in time.
            SourceFileError: a table or a folder cannot be read.
            InputError: what it says is not right, or is more than the limits allow.
        """
        ...

    def read(self, sid: str) -> SourceDataset:
        """Look at one released dataset: its files on the disk, and what the lab says of it.

        Raises:
            SourceFileError: ``problems`` in its fields holds every problem, a line each.
            InputError: it is not released here.
        """
        ...

    def close(self) -> None:
        """Let go of connections; may be called twice."""
        ...


def read_all(source: Source) -> Iterator[SourceDataset]:
    """Every released dataset, in order; the first that is not right raises. Errors as :class:`Source`."""
    for sid in source.listing().released:
        yield source.read(sid)
