"""The story of a lab's nights: `etdb sync --stage`, with new datasets, edits and a withdrawal (`sync.sqlite`)."""

from __future__ import annotations

import json
import random
from contextlib import closing
from pathlib import Path

from disk_shim import Runner
from disk_story import Case, Story

from etdb.ledger import LocalChain
from etdb.publish import Journal
from etdb.sync.staging import released_datasets
from etdb.workspace import Workspace

COLUMNS = "sid,title,species,acquired_on,released,withheld_because"
ROW = "Vibrio cholerae,2014-01-14"
NIGHTS = {
    "night-1": {"a-1": f"A first,{ROW},yes,", "b-1": f"A second,{ROW},yes,", "c-1": f"A third,{ROW},yes,"},
    "night-2": {"a-1": f"A better first,{ROW},yes,", "b-1": f"A second,{ROW},yes,", "c-1": f"A third,{ROW},yes,"},
    "night-3": {"a-1": f"A better first,{ROW},yes,", "b-1": f"A second,{ROW},yes,", "c-1": f"A third,{ROW},no,wrong"},
}
REVISIONS = {"a-1": 2, "b-1": 2}
SETTINGS = """[source.lab]
kind = "csv"
folder = "../../data"
table = "../../table.csv"
[source.lab.record]
lab = "Jensen Lab"
"""


class SyncStory(Story):
    """The second night finds a title and a file changed, the third a dataset withdrawn."""

    LIFE = tuple(NIGHTS)
    CASES = (
        Case("night-2", "night-2", "ws/sync.sqlite", (7,)),
        Case("night-2", "night-2", "ws/journal.sqlite", (7,)),
        Case("night-2", "night-2", "table.csv", (3,)),
        # It is held back or not staged: the report names it.
        Case("night-2", "night-2", "data/b-1/a.dat", (3,), is_named=False),
        Case("night-3", "night-3", "ws/sync.sqlite", (7,)),
        Case("night-3", "night-3", "ws/etdb.toml", (7,)),
        # What arrived outside is read back before it gets its name.
        Case("night-2", "night-2", "outside/", (7,), is_named=False),
    )

    def __init__(self, root: Path, runner: Runner) -> None:
        super().__init__(root, runner)
        self.outside = self.disk / "outside"
        self.prepare_lab()
        config = self.workspace / "etdb.toml"
        config.write_text(config.read_text().replace("# target =", 'target = "../outside" #') + SETTINGS)

    def words(self, _name: str) -> list[object]:
        """See ``Story``."""
        return ["-w", self.workspace, "--json", "sync", "--yes", "--stage", "--passphrase-file", self.secret]

    def set_world(self, name: str) -> None:
        """See ``Story``."""
        rows = NIGHTS[name]
        (self.root / "table.csv").write_text("\n".join([COLUMNS, *(f"{sid},{row}" for sid, row in rows.items()), ""]))
        for sid in rows:
            folder = self.root / "data" / sid
            folder.mkdir(parents=True, exist_ok=True)
            changed = sid == "b-1" and name != "night-1"
            # Of two leaves; small enough for a hundred nights.
            data = random.Random(f"{sid} {changed}").randbytes(1_100_000)
            for path, content in ((folder / "a.rawtlt", b"0.0\n3.0\n"), (folder / "a.dat", data)):
                if not path.exists() or path.read_bytes() != content:
                    path.write_bytes(content)

    def note(self, _name: str, out: str) -> object:
        """The ids of new datasets, and what is outside."""
        (source,) = json.loads(out)["sources"]
        return {one["sid"]: one["dataset_id"] for one in source["changes"] if one["what"] == "new"}, self._staged()

    def assert_safe(self, ended: tuple[str, ...]) -> None:
        """What has its name outside is what its name says; what was said to be there is there."""
        staged = self._staged()
        for name in ended:
            assert self.done[name][1] <= staged, "what was staged is not there any more"

    def assert_whole(self, ended: tuple[str, ...]) -> None:
        """Each night's changes are there once; another night finds nothing to do."""
        report = json.loads(self.succeed("night-3"))
        assert [source["changes"] for source in report["sources"]] == [[]], "a change was found twice"
        assert report["unfinished"] == report["staged"]["left"] == 0
        with closing(LocalChain(Workspace(self.workspace).chain_folder)) as chain:
            found = self.stranger_finds(chain)
        revisions = {sid: view.revisions for sid, view in found.items()}
        assert revisions == REVISIONS, revisions
        assert found["a-1"].tomogram.title == "A better first"
        promised = {sid: id_ for name in ended for sid, id_ in self.done[name][0].items() if sid in found}
        assert {sid: found[sid].dataset_id for sid in promised} == promised
        with closing(Journal(Workspace(self.workspace).journal_path)) as journal:
            kinds = sorted((one.sid, one.kind) for one in journal.datasets())
            roots = {one.root_cid for one in released_datasets(journal)}
        assert kinds == [("a-1", "edit"), ("a-1", "publish"), ("b-1", "edit"), ("b-1", "publish"),
                         ("c-1", "deactivate"), ("c-1", "publish")]  # fmt: skip
        assert {f"roots/{root}.json" for root in roots} <= self._staged()
        assert not list(self.outside.rglob("*.part"))

    def _staged(self) -> set[str]:
        """The names outside, each over the bytes that it says."""
        for root in self.outside.glob("roots/b*.json"):
            for cid in json.loads(root.read_bytes())["files"].values():
                assert (self.outside / "content" / cid).is_file(), "a dataset is described and not whole"
        for file in self.outside.glob("content/b*"):
            assert self.cid_of_file(file) == file.name
        return {str(path.relative_to(self.outside)) for path in self.outside.glob("*/b*")}
