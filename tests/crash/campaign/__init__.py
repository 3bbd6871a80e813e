"""Seeded SIGKILLs over publish, index and download: ``python -m tests.crash.campaign --kills 10000 --seed 1``.

A case is a workspace (or a place to download into) of its own. One command is run in it again and again, each time
killed at a moment that the case's seed says, and then to its end; what must be true is checked after each kill and at
the end. A case is determined by the seed of the campaign, the name of its scenario and its number; only a kill after
a time falls where the machine happens to be by then.
"""

from __future__ import annotations

import sys
from pathlib import Path

_CRASH = Path(__file__).resolve().parent.parent
for _folder in (_CRASH, _CRASH / "disk"):
    if str(_folder) not in sys.path:
        sys.path.insert(0, str(_folder))
