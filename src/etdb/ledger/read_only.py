"""What a ledger that is only read says when it is asked for more."""

from __future__ import annotations

from collections.abc import Sequence

from etdb.errors import LedgerError, RefusedError
from etdb.ledger.port import Coin, Outpoint, one_by_one

__all__ = ["ReadOnlyLedger"]


class ReadOnlyLedger:
    """The half of the port ``Ledger`` that is about coins and sending: refused, never guessed."""

    kind = "a ledger file"
    """What people call it."""

    def spender(self, outpoint: Outpoint) -> str | None:
        """Not known: only the transactions of messages are here."""
        raise self._lacks(f"who spends {outpoint.txid[:64]}:{outpoint.vout}")

    def coins(self, address: str) -> list[Coin]:
        """Not known, as ``spender``."""
        raise self._lacks(f"the coins of {address[:64]}")

    def submit_many(self, raws: Sequence[bytes]) -> list[RefusedError | None]:
        """Refused, as ``submit``."""
        return one_by_one(self.submit, raws)

    def submit(self, raw: bytes) -> str:
        """Refused: nothing can be added."""
        raise self._lacks(f"a way to send {len(raw)} bytes")

    def settle(self) -> None:
        """Nothing waits for a block here."""

    def _lacks(self, what: str) -> LedgerError:
        return LedgerError(
            f"{self.kind} does not have {what}", hint="publish from a workspace with a node or a chain of its own"
        )
