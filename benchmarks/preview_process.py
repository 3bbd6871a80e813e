"""Make the key movie of one MRC file in a process of its own, and say how long it took and how much memory.

python -m benchmarks.preview_process FILE FOLDER
"""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path

from etdb.oip import Tomogram
from etdb.preview import make_product, plan_previews
from etdb.sources import FolderSource


def main() -> None:
    (dataset,) = FolderSource(sys.argv[1]).datasets()
    plan = plan_previews(dataset, Tomogram(title="T", sid="bench"))
    (movie,) = [product for product in plan.products if product.kind == "movie"]
    started = time.perf_counter()
    (made,) = make_product(movie, Path(sys.argv[2]))
    seconds = time.perf_counter() - started
    own, children = (
        resource.getrusage(who).ru_maxrss / 1024 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    # The largest child is ffmpeg; both live at the same time.
    print(json.dumps({"seconds": seconds, "mib": own + children, "bytes": made.file.stat().st_size}))


main()
