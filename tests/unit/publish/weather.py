"""A publisher before a simulated ledger: what it has published, and whether any law is broken."""

from __future__ import annotations

import re
from contextlib import closing
from pathlib import Path

import msgspec

from etdb.flo import COIN, REGTEST, parse_transaction
from etdb.ledger import Limits
from etdb.publish import Journal, Pace, Publisher
from etdb.publish.steps import sign_record
from etdb.testing.records import RecordSigner
from etdb.testing.simulated_ledger import SimulatedLedger

LAB = RecordSigner("lab")
ADDRESS = LAB.address
ROOT = "bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi"
_PART = re.compile(rb"oip-mp\((\d+),(\d+),[^,]*,([^,]*),[^)]*\):(.*)", re.DOTALL)


class Desk:
    """A journal with signed records, and runs of publishers over it.

    Args:
        folder: for the journal.
        ledger: where they publish.
        notes_bytes: how long each record's notes are; about 800 bytes make a part.
    """

    def __init__(
        self, folder: Path, ledger: SimulatedLedger, notes_bytes: list[int], *, limits: Limits | None = None
    ) -> None:
        self.path = folder / "journal.sqlite"
        self.ledger = ledger
        self.limits = limits or Limits()
        self.notes: list[str] = []
        self.seen: list[tuple[str, int, int]] = []
        self.observer = None
        self.sids: list[str] = []
        for size in notes_bytes:
            self.add(size)

    def add(self, notes_bytes: int) -> None:
        """One more signed record."""
        sid = f"d{len(self.sids)}"
        self.sids.append(sid)
        tomogram = LAB.tomogram(sid=sid, location="", notes="n" * notes_bytes)
        with closing(Journal(self.path)) as journal:
            entry = journal.plan(ADDRESS, sid, "/data/" + sid, msgspec.json.encode(tomogram))
            journal.add(entry.id, {}, ROOT)
            journal.sign(entry.id, sign_record(tomogram, ROOT, 1_700_000_000, LAB.key))

    def run(self, *, wait: bool = True, timeout_s: float | None = None, final_depth: int = 3):
        """One command, as it would be given again and again."""
        pace = Pace(timeout_s=timeout_s, clock=lambda: self.ledger.now_s, sleep=self.ledger.sleep) if wait else None
        with closing(Journal(self.path, observer=self.observer)) as journal:
            return Publisher(
                journal=journal,
                blocks=None,
                ledger=self.ledger,
                key=LAB.key,
                network=REGTEST,
                limits=self.limits,
                final_depth=final_depth,
                clock=lambda: self.ledger.now_s,
                pace=pace,
                note=self.notes.append,
                progress=lambda *told: self.seen.append(told),
            ).resume()

    def states(self) -> dict[str, str]:
        """The state of each dataset."""
        with closing(Journal(self.path)) as journal:
            return {one.sid: one.state for one in journal.datasets()}

    def entries(self, *states: str):
        """The journal's transactions."""
        with closing(Journal(self.path)) as journal:
            return journal.transactions(states=states)

    def records(self) -> dict[bytes, int]:
        """How often each record is complete on the ledger, in blocks and waiting."""
        texts = {
            txid: parse_transaction(self.ledger._raw[txid]).flo_data
            for txid in [*self.ledger.mined, *self.ledger.pending]
        }
        found: dict[bytes, int] = {}
        parts: dict[str, dict[int, bytes]] = {}
        lengths: dict[str, int] = {}
        for txid, text in texts.items():
            match = _PART.match(text)
            if match is None:
                if text.startswith(b"json:"):
                    found[text] = found.get(text, 0) + 1
                continue
            number, last, reference, piece = int(match[1]), int(match[2]), match[3].decode(), match[4]
            name = txid if number == 0 else next((one for one in texts if one.startswith(reference)), "")
            parts.setdefault(name, {})[number] = piece
            lengths[name] = last
        for name, pieces in parts.items():
            if name and len(pieces) == lengths[name] + 1:
                whole = b"".join(pieces[number] for number in sorted(pieces))
                found[whole] = found.get(whole, 0) + 1
        return found

    def verify_laws(self) -> None:
        """No record is complete twice, and no coin is spent by two transactions of ours that are alive."""
        assert set(self.records().values()) <= {1}, self.records()
        spent: dict = {}
        for entry in self.entries("signed", "submitted", "confirmed"):
            for coin in entry.signed.spends:
                assert coin.outpoint not in spent, (coin, spent[coin.outpoint], entry.seq)
                spent[coin.outpoint] = entry.seq

    def verify_done(self) -> None:
        """Every dataset is final, and on the ledger once."""
        assert set(self.states().values()) == {"final"}, self.states()
        with closing(Journal(self.path)) as journal:
            records = {one.record for one in journal.datasets()}
        assert self.records() == dict.fromkeys(records, 1)
        self.verify_laws()


def ledger(*amounts_sat: int, limits: Limits | None = None, interval_s: float = 40) -> SimulatedLedger:
    """A ledger on which the lab holds coins, 100 blocks deep."""
    made = SimulatedLedger(limits=limits)
    made.credit(ADDRESS, *(amounts_sat or (COIN,)))
    made.mine(120)
    made.start_clock(interval_s)
    return made
