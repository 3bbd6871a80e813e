"""Keep the previews of a dataset: python preview_keeper.py DATASET WORKSPACE; each file is said when all are kept."""

from __future__ import annotations

import sys
from pathlib import Path

from etdb.blocks import FilesInPlace
from etdb.oip import Tomogram
from etdb.preview import PreviewKeeper, plan_previews
from etdb.sources import FolderSource

(dataset,) = FolderSource(Path(sys.argv[1])).datasets()
workspace = Path(sys.argv[2])
plan = plan_previews(dataset, Tomogram(title="T", sid="cell"), zarr=True)
sys.stdout.write("begin\n")
sys.stdout.flush()
blocks = FilesInPlace(workspace / "digests.sqlite", content_folder=workspace / "content")
keeper = PreviewKeeper(blocks, notes_folder=workspace / "previews", scratch_folder=workspace / "cache")
for product in plan.products:
    for made in keeper.keep(product):
        sys.stdout.write(f"{made.path} {made.file.name}\n")
        sys.stdout.flush()
blocks.close()
