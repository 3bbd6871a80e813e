"""gateway-conformance, the suite of those who write the gateway specifications: built once by setup.sh."""

from __future__ import annotations

import os
import re
import subprocess
from collections import Counter
from pathlib import Path

__all__ = ["LEFT_OUT", "SPECIFICATIONS", "VERSION", "fixtures", "group_counts", "run_suite", "suite_path"]

VERSION = "0.13.2"
LEFT_OUT = "left out: gateway-conformance is not built; run tests/interop/setup.sh where go is installed"
SPECIFICATIONS = (
    "trustless-block-gateway",
    "trustless-car-gateway",
    "trustless-car-gateway-optional",
    "path-unixfs-gateway",
    "path-raw-gateway",
    "path-range-gateway",
)


def _folder() -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "etdb-interop" / f"gateway-conformance-{VERSION}"


def suite_path() -> Path:
    """Where setup.sh builds it, outside of the repository."""
    return _folder() / "suite"


def fixtures() -> list[Path]:
    """The CARs that the gateway must hold."""
    return sorted((_folder() / "source" / "fixtures").rglob("*.car"))


def run_suite(url: str) -> dict[str, bool]:
    """Run it against a gateway.

    Returns:
        Of each single check, whether it passed: the names that no other name lies below. What was left out, because
        it belongs to other specifications, is not among them.
    """
    source = _folder() / "source"
    done = subprocess.run(
        [str(suite_path()), "-test.v", f"-specs={','.join(SPECIFICATIONS)}"],
        cwd=source / "tests",
        env={"PATH": os.environ["PATH"], "GATEWAY_URL": url, "GATEWAY_CONFORMANCE_HOME": str(source)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    said = re.findall(r"^\s*--- (PASS|FAIL|SKIP): (\S+) \(", done.stdout, re.MULTILINE)
    names = {name for _, name in said}
    assert names, done.stdout[-2000:] + done.stderr[-2000:]
    above = {name.rsplit("/", depth)[0] for name in names for depth in range(1, name.count("/") + 1)}
    return {name: word == "PASS" for word, name in said if name not in above and word != "SKIP"}


def group_counts(checks: dict[str, bool]) -> dict[str, tuple[int, int]]:
    """Of each group, how many checks passed and failed."""
    counts = Counter((name.partition("/")[0], passed) for name, passed in checks.items())
    return {group: (counts[group, True], counts[group, False]) for group in sorted({group for group, _ in counts})}
