"""Index, killed: at any moment the catalogue is the fold of a chain up to some block, and in the end that of all of it.

Between two runs the chain may grow, lose blocks or become another one.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from lab import Lab

from campaign.commands import Commands, Ended, Measured
from etdb.catalogue import Catalogue
from etdb.flo import REGTEST
from etdb.index import follow
from etdb.ledger import BlockRef, LedgerBlock, LocalChain
from etdb.workspace import Workspace

BATCHES = (0, 1, 2, 5, 30)
STEPS = ("one", "two", "three")


class UpTo:
    """A chain as it was at a lower height."""

    def __init__(self, chain: LocalChain, height: int) -> None:
        self._chain, self._height = chain, height

    def tip(self) -> BlockRef | None:
        """The block at that height."""
        return self._chain.block_ref(self._height)

    def block_ref(self, height: int) -> BlockRef | None:
        """Blocks above it are not there."""
        return self._chain.block_ref(height) if height <= self._height else None

    def blocks(self, start_height: int) -> Iterator[LedgerBlock]:
        """Up to that height."""
        for block in self._chain.blocks(start_height):
            if block.ref.height > self._height:
                return
            yield block

    def raw(self, txid: str) -> bytes:
        """Asked only for what was met."""
        return self._chain.raw(txid)


class IndexScenario:
    """Chains with a common beginning, and what each gives when it is read from zero."""

    name = "index"

    def __init__(self, name: str, scratch: Path, commands: Commands) -> None:
        self.name, self.commands, self.scratch = name, commands, scratch / name
        self.chains = self._make_chains()
        self._folds: dict[str, dict] = {}
        self.blank = self.scratch / "blank"
        Workspace.init(self.blank, ledger="../chain")
        whole = self.begin(self.scratch / "whole", random.Random(0))
        whole.read("three-b", 1)
        self.measured: Measured = commands.measure(whole.words(), whole.disk, batch_blocks=1)

    def _make_chains(self) -> dict[str, Path]:
        """one, one + two, one + two + three; and others that part from these."""
        lab = Lab.make(self.scratch / "lab-one")
        chains: dict[str, Path] = {}
        for branch in ("", "-b"):
            for step in STEPS:
                if branch and step == "one":
                    lab = Lab(self.scratch / "lab-one-kept")
                    continue
                for number in range(3):
                    folder = lab.data / f"{step}-{number}"
                    folder.mkdir()
                    text = f'title = "{step} {number}{branch}"\nspecies = "Bdellovibrio"\nacquired_on = 2026-11-01\n'
                    (folder / "dataset.toml").write_text(text + f'notes = "{step[0] * number * 900}"\n')
                    (folder / "a.rawtlt").write_text("1.0\n")
                if branch:
                    with closing(LocalChain(lab.workspace.chain_folder, writable=True)) as chain:
                        chain.mine(3)
                lab.published()
                chains[step + branch] = self.scratch / f"chain-{step}{branch}"
                shutil.copytree(lab.workspace.chain_folder, chains[step + branch])
                if step == "one":
                    lab.copy(self.scratch / "lab-one-kept")
        return chains

    def begin(self, folder: Path, dice: random.Random) -> IndexCase:
        """A workspace that reads, with nothing indexed yet."""
        shutil.copytree(self.blank, folder)
        return IndexCase(self, folder, dice)

    def fold(self, chain_name: str, height: int, block_hash: str) -> dict:
        """What a replay from zero gives up to this block."""
        if block_hash not in self._folds:
            path = self.scratch / "replay.sqlite"
            for old in self.scratch.glob("replay.sqlite*"):
                old.unlink()
            with closing(LocalChain(self.chains[chain_name])) as chain, closing(Catalogue(path, writable=True)) as fold:
                follow(UpTo(chain, height), fold, network=REGTEST, check_transactions=True)
                self._folds[block_hash] = fold.dump()
        return self._folds[block_hash]


class IndexCase:
    """One reader whose index is killed."""

    def __init__(self, scenario: IndexScenario, folder: Path, dice: random.Random) -> None:
        self.scenario, self.disk, self.dice = scenario, folder, dice
        self.commands = scenario.commands
        self.workspace = Workspace(folder)
        self.batch_blocks = 0
        self.chain_name = ""
        self.notes = {"reorganisations": 0}
        self.read(dice.choice(list(scenario.chains)), dice.choice(BATCHES))

    def read(self, chain_name: str, batch_blocks: int) -> None:
        """From now on the ledger is this one."""
        settings = self.workspace.config_path
        lines = settings.read_text().splitlines()
        path = self.scenario.chains[chain_name]
        changed = [f'ledger = "{path}"' if line.startswith("ledger = ") else line for line in lines]
        assert any(line.startswith("ledger = ") for line in lines)
        settings.write_text("\n".join(changed) + "\n")
        self.chain_name, self.batch_blocks = chain_name, batch_blocks

    def words(self) -> list[str]:
        """The next command; now and then the chain has become another one before it."""
        if self.dice.random() < 0.35:
            self.notes["reorganisations"] += 1
            self.read(self.dice.choice(list(self.scenario.chains)), self.dice.choice(BATCHES))
        return ["-w", str(self.disk), "--json", "index"]

    def assert_after_kill(self) -> None:
        """The catalogue is true of a block that it read."""
        self._assert_fold()

    def assert_done(self, _ended: Ended) -> None:
        """It is true of the chain's tip."""
        with closing(LocalChain(self.scenario.chains[self.chain_name])) as chain:
            assert self._assert_fold() == chain.tip().block_hash

    def _assert_fold(self) -> str:
        if not self.workspace.catalogue_path.exists():
            return ""
        # As the next writer will do: what was made up to now may lack its tables.
        with closing(Catalogue(self.workspace.catalogue_path, writable=True)) as catalogue:
            tip = catalogue.tip()
            if tip is None:
                return ""
            name = self._chain_with(tip.height, tip.block_hash)
            found, replayed = catalogue.dump(), self.scenario.fold(name, tip.height, tip.block_hash)
            for table, rows in replayed.items():
                assert found[table] == rows, f"{table} is not what a replay of {name} up to {tip.height} gives"
            return tip.block_hash

    def _chain_with(self, height: int, block_hash: str) -> str:
        for name, folder in self.scenario.chains.items():
            with closing(LocalChain(folder)) as chain:
                ref = chain.block_ref(height)
            if ref is not None and ref.block_hash == block_hash:
                return name
        raise AssertionError(f"the catalogue's tip {height} {block_hash} is on no chain")
