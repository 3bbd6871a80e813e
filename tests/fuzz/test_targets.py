"""Every target holds on its seeds and on simple changes of them, so that a target that cannot run is seen at once."""

from __future__ import annotations

import importlib
import random

import pytest
from tests.fuzz.__main__ import HERE, TARGETS


@pytest.mark.parametrize("name", TARGETS)
def test_a_target_holds_on_its_seeds(name):
    target = importlib.import_module(f"tests.fuzz.targets.{name}")
    seeds = target.seeds()
    assert seeds
    assert all(isinstance(seed, bytes) for seed in seeds)
    choose = random.Random(name)
    for seed in seeds[:12]:
        target.check(seed)
        for _ in range(4):
            changed = bytearray(seed or b"\0")
            changed[choose.randrange(len(changed))] = choose.randrange(256)
            target.check(bytes(changed[: choose.randrange(len(changed) + 1)]))
            target.check(bytes(changed))


@pytest.mark.parametrize("name", TARGETS)
def test_the_first_line_says_what_holds(name):
    first = (HERE / "targets" / f"{name}.py").read_text(encoding="utf-8").splitlines()[0]
    assert first.startswith('"""')
    assert len(first) > 40
