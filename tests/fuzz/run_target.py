"""One target in this process, until libFuzzer ends it: ``python -m tests.fuzz.run_target NAME CORPUS [flags]``."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import atheris


def main() -> None:
    name, corpus, *flags = sys.argv[1:]
    with atheris.instrument_imports(include=["etdb"], enable_loader_override=False):
        target = importlib.import_module(f"tests.fuzz.targets.{name}")
    for number, seed in enumerate(target.seeds()):
        (Path(corpus) / f"seed{number:04d}").write_bytes(seed)
    atheris.Setup([sys.argv[0], corpus, *flags], target.check)
    atheris.Fuzz()


main()
