"""Messages about datasets that were published before: planned, filled, signed, each step in the journal first."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import msgspec

from etdb import oip
from etdb.errors import InputError
from etdb.flo import Network, PrivateKey, is_address, sign_message
from etdb.oip import Tomogram
from etdb.publish.journal import DatasetEntry, Journal
from etdb.publish.journal_reading import Kind
from etdb.publish.known import Known, find_known, verify_may_act

if TYPE_CHECKING:
    from etdb.publish.submission import Recorded

__all__ = ["Acting", "stand_in_edit", "stand_in_message"]

_CID_LENGTH: Final = 59
_SIGNATURE: Final = "A" * 88


class Acting:
    """Signs what one key says about datasets.

    Args:
        journal: where each step is noted before it is done.
        key: the publisher's.
        network: whose address form it has.
        recorded: what the ledger's index says.
        clock: Unix seconds.
    """

    def __init__(
        self, journal: Journal, key: PrivateKey, network: Network, recorded: Recorded, clock: Callable[[], float]
    ) -> None:
        self._journal = journal
        self._key = key
        self._network = network
        self._recorded = recorded
        self._clock = clock
        self.address = key.address(network)

    def find(self, name: str) -> Known | None:
        """See ``find_known``."""
        return find_known(self._journal, self._recorded, self.address, name)

    def begin(self, known: Known, kind: Kind, source: str, draft: Tomogram, reason: str) -> DatasetEntry:
        """The next message about a dataset, planned; what was begun before is begun again.

        Raises:
            InputError: another message about it was begun.
        """
        revision, encoded = known.revision + 1, msgspec.json.encode(draft)
        entry = known.begun or self._journal.dropped(self.address, known.sid, revision)
        if entry is None:
            return self._journal.plan(
                self.address,
                known.sid,
                source,
                encoded,
                revision=revision,
                kind=kind,
                about=known.dataset_id,
                reason=reason,
            )
        if entry.kind != kind and entry.state != "dropped":
            raise InputError(
                f"another message about {known.sid} was begun ({entry.kind}) and is not sent yet",
                hint="go on with it first: etdb publish --resume",
            )
        self._journal.restart(entry.id, source, encoded, reason=reason, kind=kind)
        return self._journal.dataset(entry.id)

    def sign_edit(self, entry: DatasetEntry, known: Known, tomogram: Tomogram, root_cid: str) -> DatasetEntry:
        """Sign the edit that makes of a record what ``tomogram`` says, with a new location.

        Raises:
            InputError: nothing differs, or the record cannot be written so.
        """
        # Later than the record that it edits, even within a second: its time must differ.
        now_s = max(int(self._clock()), known_time(known) + 1)
        placed = msgspec.structs.replace(tomogram, publisher=self.address, location=root_cid, timestamp_s=now_s)
        artifact = oip.revise_artifact(placed, self._sign)
        message = oip.encode_edit(
            known.dataset_id, known.artifact or {}, artifact, now_s, sign=self._sign, reason=entry.reason
        )
        self._journal.sign(entry.id, message, artifact=oip.encode_go_json(artifact))
        return self._journal.dataset(entry.id)

    def withdraw(self, name: str, reason: str) -> tuple[DatasetEntry | None, Known]:
        """Sign a withdrawal; no message when the dataset is withdrawn already.

        Raises:
            InputError: why it may not be.
        """
        known = self.find(name)
        if known is not None and known.is_withdrawn:
            newest = self._journal.find(self.address, known.sid)
            return (newest if newest is not None and newest.kind == "deactivate" else None), known
        known = verify_may_act(known, self.address, name)
        entry = self._begin_without_content(known, "deactivate", "", reason)
        message = oip.encode_deactivate(
            known.dataset_id, self.address, int(self._clock()), sign=self._sign, reason=entry.reason
        )
        return self._signed(entry, message), known

    def transfer(self, name: str, to_address: str, reason: str) -> tuple[DatasetEntry, Known]:
        """Sign a transfer. Errors as ``withdraw``."""
        if not is_address(to_address, self._network) or to_address == self.address:
            raise InputError(
                f"{to_address[:80]} is no address to give a dataset to",
                hint="give the new owner's address on this ledger",
            )
        known = verify_may_act(self.find(name), self.address, name)
        entry = self._begin_without_content(known, "transfer", to_address, reason)
        message = oip.encode_transfer(
            known.dataset_id, self.address, to_address, int(self._clock()), sign=self._sign, reason=entry.reason
        )
        return self._signed(entry, message), known

    def register(self, name: str) -> DatasetEntry:
        """Sign the publisher's name; what was begun before is gone on with when it is the same."""
        newest = self._journal.find(self.address, "")
        now_s = int(self._clock())
        message = oip.encode_register(name, self.address, now_s, sign=self._sign)
        if newest is not None and newest.source == name:
            if newest.state not in ("planned", "added"):
                return newest
            entry = newest
        else:
            revision = newest.revision + 1 if newest else 1
            draft = msgspec.json.encode(Tomogram(title=name, publisher=self.address))
            entry = self._journal.plan(self.address, "", name, draft, revision=revision, kind="register")
        return self._signed(entry, message)

    def _begin_without_content(self, known: Known, kind: Kind, source: str, reason: str) -> DatasetEntry:
        begun = known.begun
        if begun is not None and (begun.kind, begun.source, begun.reason) == (kind, source, reason):
            return begun
        return self.begin(known, kind, source, known.tomogram, reason)

    def _signed(self, entry: DatasetEntry, message: bytes) -> DatasetEntry:
        if entry.state == "planned":
            self._journal.add(entry.id, {}, "")
            entry = self._journal.dataset(entry.id)
        if entry.state == "added":
            self._journal.sign(entry.id, message)
        return self._journal.dataset(entry.id)

    def _sign(self, text: str) -> str:
        return sign_message(self._key, text)


def known_time(known: Known) -> int:
    """The time of the record as it is, in the unit in which it is written, as seconds."""
    return oip.parse_tomogram(known.artifact, needs_date=False).timestamp_s if known.artifact else 0


def stand_in_edit(known: Known, draft: Tomogram, reason: str, timestamp_s: int) -> bytes:
    """An edit of about the size that the signed one will have, for estimates."""
    placed = msgspec.structs.replace(draft, location="b" * _CID_LENGTH, timestamp_s=timestamp_s)
    artifact = oip.revise_artifact(placed, lambda _text: _SIGNATURE)
    return oip.encode_edit(
        known.dataset_id, known.artifact or {}, artifact, timestamp_s, sign=lambda _text: _SIGNATURE, reason=reason
    )


def stand_in_message(
    kind: Kind, known: Known, address: str, timestamp_s: int, *, to: str = "", reason: str = ""
) -> bytes:
    """A withdrawal or transfer of the size that the signed one will have, likewise."""

    def sign(_text: str) -> str:
        return _SIGNATURE

    if kind == "transfer":
        return oip.encode_transfer(known.dataset_id, address, to, timestamp_s, sign=sign, reason=reason)
    return oip.encode_deactivate(known.dataset_id, address, timestamp_s, sign=sign, reason=reason)
