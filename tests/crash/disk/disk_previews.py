"""The story of `etdb publish --previews`: what is made of what (`previews`), and that it stays the same bytes."""

from __future__ import annotations

import json
import shutil
import sys
from contextlib import closing
from pathlib import Path

import numpy as np
from disk_shim import Runner
from disk_story import Case, Story, told

from etdb.ledger import LocalChain
from etdb.workspace import Workspace

sys.path.insert(0, str(Path(__file__).parents[2] / "unit" / "media"))
from volumes import noise, write_mrc

SIDS = ("cell", "other")


class PreviewStory(Story):
    """Two datasets, each of one small volume; the second comes with the second run."""

    LIFE = ("publish-cell", "publish-all")
    CASES = (
        Case("publish-all", "publish-all", "ws/content/", (3, 7), is_named=False),
        Case("publish-all", "publish-all", "data/other/rec.mrc", (3,)),
    )

    def __init__(self, root: Path, runner: Runner) -> None:
        super().__init__(root, runner)
        self.data = root / "data"
        for folder in (*(self.data / sid for sid in SIDS), self.root / "later"):
            write_mrc(folder / "rec.mrc", noise((6, 32, 32), np.int16))
            (folder / "dataset.toml").write_text(
                f'title = "The {folder.name}"\nacquired_on = 2026-11-01\nspecies = "Bdellovibrio"\n'
            )
        self.prepare_lab()

    def words(self, name: str) -> list[object]:
        """See ``Story``."""
        workspace = ["-w", self.workspace, "--json"]
        publish = [*workspace, "publish", "--yes", "--previews", "--passphrase-file", self.secret]
        return {
            "publish-cell": [*publish, self.data / "cell"],
            "publish-all": [*publish, self.data],
            "publish-later": [*publish, self.root / "later"],
            "index": [*workspace, "index"],
            "fetch": [*workspace, "download", "--query", "the", "-o", self.root / "fetched"],
        }[name]

    def note(self, _name: str, out: str) -> object:
        """The ids."""
        return told(out)

    def assert_whole(self, ended: tuple[str, ...]) -> None:
        """Each dataset once, all its previews can be had and checked, and nothing that is not whole is left."""
        assert json.loads(self.succeed("publish-all"))["transactions_sent"] == 0
        with closing(LocalChain(Workspace(self.workspace).chain_folder)) as chain:
            found = self.stranger_finds(chain)
        promised = {sid: id_ for name in ended for sid, id_ in self.done[name].items()}
        assert {sid: found[sid].dataset_id for sid in promised} == promised
        self.succeed("index")
        shutil.rmtree(self.root / "fetched", ignore_errors=True)
        self.succeed("fetch")
        for sid in SIDS:
            made = [file.path for file in found[sid].tomogram.files if file.path.startswith("key")]
            assert len(made) >= 3, [file.path for file in found[sid].tomogram.files]
            (folder,) = (self.root / "fetched").glob(f"{sid}*")
            for path in made:
                assert (folder / path).stat().st_size > 0
        if list((self.workspace / "cache").glob("preview-*")):
            self.succeed("publish-later")  # the next preview removes what the accident left
        assert not list((self.workspace / "cache").glob("preview-*"))
