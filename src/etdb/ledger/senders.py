"""Who a transaction shows as its payer."""

from __future__ import annotations

from etdb.flo import Network, Transaction, input_key

__all__ = ["shown_senders"]


def shown_senders(transaction: Transaction, network: Network) -> tuple[str, ...]:
    """The addresses of the keys that its inputs show, each once; claims until its signatures are verified."""
    addresses: dict[str, None] = {}
    for index in range(len(transaction.inputs)):
        shown = input_key(transaction, index)
        if shown is not None:
            addresses[shown[1].address(network)] = None
    return tuple(addresses)
