"""What is changed, one thing at a time, and what is left alone."""

from __future__ import annotations

import json
from collections import Counter
from types import CodeType, FunctionType

from tests.mutation.again import alive_in, bring_up_to_date
from tests.mutation.explained import REASONS, reason_of
from tests.mutation.mutants import mutants_of, names_read
from tests.mutation.running import SOURCE as ROOT

SOURCE = '''
LIMIT = 2 * 4

class Box:
    def is_full(self, count: int = 3) -> bool:
        """Text, default values and types stay."""
        if count < LIMIT and not self.closed:
            raise ValueError("full")
        return count + 1
'''


def test_every_change_stands_alone():
    found = list(mutants_of(SOURCE, "box.py"))
    assert [(one.owner, one.what) for one in found] == [
        ("Box.is_full", "condition False"),
        ("Box.is_full", "return None"),
        ("Box.is_full", "And -> Or"),
        ("Box.is_full", "without raise"),
        ("Box.is_full", "Add -> Sub"),
        ("Box.is_full", "Lt -> LtE"),
        ("Box.is_full", "without not"),
        ("Box.is_full", "1 -> 2"),
        ("Box.is_full", "1 -> 0"),
        ("LIMIT", "8 -> 7"),
        ("LIMIT", "8 -> 9"),
    ]
    assert len({one.number for one in found}) == len(found)
    assert found[4].text == "return count + 1"
    subtracts = found[4].code
    assert isinstance(subtracts, CodeType)
    function = FunctionType(subtracts, {"LIMIT": 8})
    assert function(None, 9) == 8
    assert names_read(SOURCE)["LIMIT"] == {"Box.is_full"}


def test_results_are_brought_up_to_date(tmp_path):
    text = "a/b.py f: 1 -> 2 in: x"
    path = tmp_path / "room.json"
    counts = {"run": 4, "killed": 2, "timed_out": 0, "survived": 2, "not_reached": 0}
    alive = [{"mutant": text, "why": ""}, {"mutant": "a/b.py f: gone", "why": ""}]
    path.write_text(json.dumps({**counts, "modules": [{**counts, "survivors": alive}]}))
    bring_up_to_date(path, Counter({(text, "killed"): 1}))
    made = json.loads(path.read_text())
    assert alive_in(made) == set()
    for where in (made, made["modules"][0]):
        assert (where["run"], where["killed"], where["survived"]) == (3, 3, 0)


def test_reasons_are_for_mutants_that_can_be():
    """A reason names a line that is still in the code."""
    for mutant in REASONS:
        where, _, line = mutant.partition(" in: ")
        code = (ROOT / where.split(" ")[0]).read_text("utf-8")
        assert line in {one.strip() for one in code.splitlines()}, mutant
        assert reason_of(mutant)
