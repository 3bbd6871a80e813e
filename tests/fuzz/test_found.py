"""What fuzzing has found, each input against its target, for ever."""

from __future__ import annotations

import importlib

import pytest

FOUND = [
    ("web_request", b"bytes=\x1f-"),  # a range without numbers, behind white space
    ("web_request", b"bytes= -"),
]


@pytest.mark.parametrize(("target", "data"), FOUND)
def test_what_was_found_holds_now(target, data):
    importlib.import_module(f"tests.fuzz.targets.{target}").check(data)
