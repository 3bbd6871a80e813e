"""The story of two workspaces that live on a file: an imported ledger, and exported texts (`chain/exported.sqlite`)."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

from disk_shim import Runner
from disk_story import Case, Story

from etdb.ledger import LocalChain
from etdb.testing.records import RecordSigner

SIGNER = RecordSigner("lab")
OLD, NEW = range(12), range(24)


class KeptStory(Story):
    """Each takes an older file, then a newer one; the ledger is written to a file of its own too."""

    LIFE = (
        *("import-old", "index-old", "export-old", "texts-old"),
        *("import-new", "index-new", "export-new", "texts-new"),
    )
    CASES = (
        Case("index-old", "index-old", "ws/chain/imported.etdb-ledger", (7,)),
        Case("import-new", "import-new", "ws/chain/imported.etdb-ledger", (7,)),
        Case("import-new", "import-new", "new.etdb-ledger", (7,)),
        Case("export-new", "export-new", "disk/out.etdb-ledger", (7,)),
        Case("texts-new", "texts-new", "texts/chain/exported.sqlite", (7,)),
        Case("texts-new", "texts-new", "new.jsonl", (7,)),
        Case("texts-new", "texts-new", "texts/cache/catalogue.sqlite", (7,)),
    )

    def __init__(self, root: Path, runner: Runner) -> None:
        super().__init__(root, runner)
        self.texts, self.out = self.disk / "texts", self.disk / "out.etdb-ledger"
        self.prepare("init", self.workspace)
        self.prepare("init", self.texts)
        self.prepare("init", root / "source")
        for age, numbers in (("old", OLD), ("new", NEW)):
            lines = []
            with closing(LocalChain(root / "source" / "chain", writable=True)) as chain:
                for number in numbers:
                    if age == "old" or number not in OLD:
                        chain.mine(1, flo_data=SIGNER.message(title=f"Record {number}", sid=f"sid-{number}"))
                for block in chain.blocks(0):
                    for one in block.messages:
                        text = {"txid": one.txid, "block": block.ref.height, "time": block.time_s}
                        lines.append(json.dumps({**text, "floData": one.data.decode()}))
            (root / f"{age}.jsonl").write_text("\n".join(lines) + "\n")
            self.prepare("-w", root / "source", "ledger", "export", root / f"{age}.etdb-ledger")

    def words(self, name: str) -> list[object]:
        """See ``Story``."""
        workspace, texts = ["-w", self.workspace, "--json"], ["-w", self.texts, "--json"]
        what, _, age = name.partition("-")
        return {
            "import": [*workspace, "ledger", "import", self.root / f"{age}.etdb-ledger"],
            "index": [*workspace, "index"],
            "export": [*workspace, "ledger", "export", self.out],
            "texts": [*texts, "import-legacy", self.root / f"{age}.jsonl"],
            "search": [*(workspace if age == "ledger" else texts), "search", "--limit", "100"],
            "count": [*texts, "index"],
        }[what]

    def assert_safe(self, ended: tuple[str, ...]) -> None:
        """Under the file's name lies the old one or the new one, and what was imported stays."""
        imported = self.workspace / "chain" / "imported.etdb-ledger"
        for kept, done in ((imported, "import"), (self.out, "export")):
            files = {age: (self.root / f"{age}.etdb-ledger").read_bytes() for age in ("old", "new")}
            if kept.exists():
                assert kept.read_bytes() in files.values()
            last = next((age for age in ("new", "old") if f"{done}-{age}" in ended), None)
            if last:
                assert kept.read_bytes() in {files[last], files["new"]}
        count = len(NEW) if "texts-new" in ended else len(OLD) if "texts-old" in ended else 0
        if count:
            self.succeed("count")
            assert len(self._found("texts")) >= count, "texts that were taken are not there any more"

    def assert_whole(self, ended: tuple[str, ...]) -> None:
        """See ``Story``."""
        self.assert_safe(self.LIFE)
        wanted = {f"sid-{number}" for number in NEW}
        assert self._found("ledger") == self._found("texts") == wanted

    def _found(self, which: str) -> set[str]:
        return {one["tomogram"]["sid"] for one in json.loads(self.succeed(f"search-{which}"))["results"]}
