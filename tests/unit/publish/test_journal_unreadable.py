"""A journal that the disk does not give back while it is read: every question ends with an error of ours."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from types import SimpleNamespace

import pytest

from etdb.errors import StorageError
from etdb.publish.journal import Journal
from etdb.publish.journal_reading import JournalReading

ARGUMENTS = {
    "find": ("publisher", "sid"),
    "dataset": (1,),
    "unsettled": (1,),
    "is_dead": ("00" * 32,),
    "parts": (1,),
    "doubtful": ("publisher",),
    "unfinished": ([1],),
    "under_way": ("publisher",),
    "find_transaction": ("00" * 32,),
    "last_final": ("publisher",),
    "messages_about": ("publisher", "sid"),
    "dropped": ("publisher", "sid", 1),
    "sid_of": ("publisher", "00" * 32),
    "dataset_id": (SimpleNamespace(about="", id=1),),
    "revision_id": (SimpleNamespace(id=1),),
}
QUESTIONS = sorted(name for name in vars(JournalReading) if not name.startswith("_"))


class Damaged:
    """A database of which no page can be read."""

    def execute(self, *_: object) -> None:
        raise sqlite3.DatabaseError("database disk image is malformed")

    def close(self) -> None:
        """Nothing is open."""


@pytest.mark.parametrize("name", QUESTIONS)
def test_a_question_to_a_damaged_journal(tmp_path, monkeypatch, name):
    with closing(Journal(tmp_path / "journal.sqlite")) as journal, monkeypatch.context() as patched:
        patched.setattr(journal, "_db", Damaged())
        with pytest.raises(StorageError, match=r"journal\.sqlite"):
            ask(journal, name)


def ask(journal: Journal, name: str) -> object:
    answer = getattr(journal, name)(*ARGUMENTS.get(name, ()))
    return list(answer) if isinstance(answer, Iterator) else answer
