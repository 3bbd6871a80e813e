"""What may have happened in a lab before its publisher is killed."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import closing

import msgspec

from etdb.flo import parse_pushes, parse_transaction, push
from etdb.ledger import LocalChain
from etdb.publish import Journal


def few_lanes(lab) -> None:
    """Chains of two, so that the coins must be split first."""
    settings = lab.workspace.config_path
    settings.write_text(settings.read_text().replace("# max_unconfirmed_chain = 25", "max_unconfirmed_chain = 2"))


def straight(lab) -> None:
    """Nothing in the way."""
    few_lanes(lab)


def data_changes(lab) -> None:
    """A first run is killed before anything was sent, and the lab corrects its metadata."""
    lab.publish(("sign", "after", 2))
    settings = lab.data / "long" / "dataset.toml"
    settings.write_text(settings.read_text().replace("Bdellovibrio", "Bdellovibrio bacteriovorus"))


def stranger_changes_ids(lab) -> None:
    """A stranger sends our first parts under other ids, before we do."""
    lab.publish(("prepare", "after", 1))
    journal, chain = Journal(lab.workspace.journal_path), LocalChain(lab.workspace.chain_folder, writable=True)
    first = next(entry for entry in journal.transactions() if entry.part == 0)
    chain.submit(malleate(first.signed.raw))
    chain.close()
    journal.close()


def chain_loses_blocks(lab) -> None:
    """Everything is in blocks, but not final; then the chain is again what it was before."""
    settings = lab.workspace.config_path
    settings.write_text(
        settings.read_text().replace("[limits]", "[limits]\nfinal_depth = 6").replace("final_depth = 1\n", "")
    )
    lab.publish(("prepare", "after", 1))
    before = lab.root / "chain-before"
    shutil.copytree(lab.workspace.chain_folder, before)
    lab.published()
    shutil.rmtree(lab.workspace.chain_folder)
    before.rename(lab.workspace.chain_folder)


def fee_was_too_low(lab) -> None:
    """The first run pays less than nodes take; then the lab raises the fee."""
    settings = lab.workspace.config_path
    cheap = settings.read_text().replace("[limits]", "[limits]\nfee_rate_sat_per_kb = 100")
    settings.write_text(cheap)
    few_lanes(lab)
    code, _, err = lab.publish()
    assert code == 6, err
    assert "fee_rate_sat_per_kb" in err
    settings.write_text(settings.read_text().replace("fee_rate_sat_per_kb = 100\n", "fee_rate_sat_per_kb = 200000\n"))


def chain_comes_back(lab) -> None:
    """Blocks with all records give way to blocks with a stranger's copy of the first part, and come back later."""
    settings = lab.workspace.config_path
    settings.write_text(settings.read_text().replace("final_depth = 1\n", "final_depth = 6\n"))
    lab.publish(("prepare", "after", 1))
    chain, first, later = lab.workspace.chain_folder, lab.root / "chain-first", lab.root / "chain-later"
    shutil.copytree(chain, first)
    lab.published()
    chain.rename(later)
    shutil.copytree(first, chain)
    with closing(Journal(lab.workspace.journal_path)) as journal, closing(LocalChain(chain, writable=True)) as ledger:
        entry = next(entry for entry in journal.transactions() if entry.part == 0)
        ledger.submit(malleate(entry.signed.raw))
    lab.published()
    shutil.rmtree(chain)
    later.rename(chain)


SCENARIOS: dict[str, Callable] = {
    "straight": straight,
    "data-changes": data_changes,
    "stranger-changes-ids": stranger_changes_ids,
    "chain-loses-blocks": chain_loses_blocks,
    "fee-was-too-low": fee_was_too_low,
    "chain-comes-back": chain_comes_back,
}


def malleate(raw: bytes) -> bytes:
    """The same payment under another id: bit 0x40 of the hash type is not signed."""
    transaction = parse_transaction(raw)
    signature, key = parse_pushes(transaction.inputs[0].script_sig)
    script = push(signature[:-1] + bytes([signature[-1] | 0x40])) + push(key)
    changed = msgspec.structs.replace(transaction.inputs[0], script_sig=script)
    return msgspec.structs.replace(transaction, inputs=(changed, *transaction.inputs[1:])).encode()
