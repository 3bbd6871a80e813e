"""What is given to be published, and what publishing it will mean: values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

import msgspec

from etdb.oip import Tomogram

if TYPE_CHECKING:
    from etdb.catalogue.values import CurrentRecord

__all__ = [
    "PlannedDataset",
    "Progress",
    "PublishPlan",
    "PublishReport",
    "PublishedDataset",
    "Recorded",
    "Submission",
    "What",
]

What = Literal[
    "new",
    "unchanged",
    "edited",
    "files changed",
    "deactivated",
    "transferred",
    "registered",
    "waiting",
    "withdrawn",
]
"""What a run means for a dataset.

"edited" leaves the files as they were, "files changed" does not; both are an edit of the record with a new location.
"waiting" must be edited, but its former message is not final yet: the next run does it. "withdrawn" was deactivated
before, and stays so.
"""

Progress = Callable[[str, int, int], None]
"""Called with a step's name, what is done and the total: bytes in "add", datasets or transactions elsewhere."""


class Submission(msgspec.Struct, frozen=True, kw_only=True):
    """One dataset as its describer leaves it.

    ``tomogram`` has every field but publisher, time, location and signature; ``paths`` says where each of its
    files is; ``source`` names the whole for people. ``derived`` are the fields that nobody stated (``extra.`` before
    the name for one of ``extra``): when a newer etdb reads more out of the same files, the dataset has not changed;
    ``respelt`` what was stated of fields that have the usual spelling now, likewise.
    """

    tomogram: Tomogram
    paths: Mapping[str, Path]
    source: str
    derived: frozenset[str] = frozenset()
    respelt: Mapping[str, str] = {}

    @property
    def size_bytes(self) -> int:
        """The bytes of all files together."""
        return sum(entry.size_bytes or 0 for entry in self.tomogram.files)


class Recorded(Protocol):
    """What the ledger's index says of datasets. ``Catalogue.current`` is one."""

    def __call__(self, owner: str, name: str, /) -> CurrentRecord | None:
        """The dataset of an owner's sid, or with an id whoever owns it; None when there is none."""


class PlannedDataset(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the plan.

    ``status``: new, unfinished (a former run was cut off), pending (sent, not final yet), or published. ``what`` says
    what the run does with it, ``fields`` what differs for it, ``revision`` which one it will be or is.
    """

    sid: str
    title: str
    source: str
    files: int
    size_bytes: int
    transactions: int
    record_bytes: int
    status: Literal["new", "unfinished", "pending", "published"]
    what: What = "new"
    fields: tuple[str, ...] = ()
    revision: int = 1
    reason: str = ""


class PublishPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What a run will do and cost. Fees are estimates in satoshi (1e-8 FLO).

    ``blocks`` must come until everything is confirmed, when nobody else fills them; ``block_spacing_s`` is how far
    apart they come on average, 0 where they are made on demand.
    """

    publisher: str
    ledger: str
    datasets: tuple[PlannedDataset, ...]
    transactions: int
    transaction_bytes: int
    fee_sat: int
    available_sat: int
    blocks: int = 0
    final_depth: int = 1
    block_spacing_s: float = 0

    @property
    def to_publish(self) -> int:
        """How many datasets have not been sent yet."""
        return sum(dataset.status in {"new", "unfinished"} for dataset in self.datasets)

    @property
    def seconds_until_confirmed(self) -> float:
        """On average. Blocks do not keep to the clock: twice as long is nothing unusual."""
        return self.blocks * self.block_spacing_s

    @property
    def seconds_until_final(self) -> float:
        """On average, likewise."""
        return (self.blocks + self.final_depth - 1) * self.block_spacing_s if self.blocks else 0

    @property
    def size_bytes(self) -> int:
        """The bytes of all files of these datasets."""
        return sum(dataset.size_bytes for dataset in self.datasets if dataset.status in {"new", "unfinished"})


class PublishedDataset(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one dataset: its state in the journal, its id on the ledger, its root CID.

    ``dataset_id`` stays for ever; ``revision_id`` is the first transaction of this very message. ``what`` and
    ``fields`` as in the plan.
    """

    sid: str
    title: str
    state: str
    dataset_id: str
    root_cid: str
    transactions: int
    fee_sat: int
    what: What = "new"
    fields: tuple[str, ...] = ()
    revision: int = 1
    revision_id: str = ""
    reason: str = ""


class PublishReport(msgspec.Struct, frozen=True, kw_only=True):
    """What a run did.

    ``unfinished`` counts its records that are not final; ``waiting_transactions`` those of the whole journal that the
    ledger took and no block has yet, ``unsent_transactions`` those that are stored and that it has not taken.
    ``in_time`` is false when the time to wait was over before all was final.
    """

    publisher: str
    ledger: str
    datasets: tuple[PublishedDataset, ...]
    transactions_sent: int
    fee_sat: int
    orphaned: tuple[str, ...]
    unfinished: int
    waiting_transactions: int
    unsent_transactions: int
    in_time: bool
    seconds: float
