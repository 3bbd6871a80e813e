"""Sets of records as integers: what is kept of a state of the fold, and for how long."""

from __future__ import annotations

import sqlite3

from etdb.catalogue.sets import RecordSets


def fold(*, height: int = 1) -> sqlite3.Connection:
    db = sqlite3.connect(":memory:")
    db.executescript("CREATE TABLE meta(key, value); CREATE TABLE records(id); CREATE TABLE blocks(height, block_hash)")
    db.execute("INSERT INTO blocks VALUES (?, 'hash')", (height,))
    return db


def test_conditions_that_are_asked_again_and_again_stay_known():
    db, sets = fold(), RecordSets()
    asked = []

    def meeting(number: int) -> int:
        return sets.meeting(db, number, lambda: asked.append(number) or number)

    for number in range(1, 1_000):
        assert meeting(0) == 0
        assert meeting(number) == number
    assert asked == list(range(1_000))
    meeting(1)
    assert asked[-1] == 1  # long ago, and forgotten


def test_another_state_of_the_fold_is_asked_again():
    db, sets = fold(), RecordSets()
    assert sets.meeting(db, "same", lambda: 1) == 1
    db.execute("INSERT INTO blocks VALUES (2, 'other')")
    assert sets.meeting(db, "same", lambda: 2) == 2
