"""Database files: made, brought up step by step, gone on with after a kill, refused when they are newer."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from etdb.errors import StorageError
from etdb.schema import OldVersionError, Schema, copy_path, prepare_schema

TRIGGER = """
CREATE TABLE names(name TEXT) STRICT;
CREATE TABLE log(line TEXT) STRICT;
CREATE TRIGGER gone AFTER DELETE ON names BEGIN
  INSERT INTO log VALUES ('gone');
  INSERT INTO log VALUES (old.name);
END;
"""
FIRST = Schema(what="the list", version=1, script="CREATE TABLE names(name TEXT) STRICT;")


def upper(connection):
    connection.execute("UPDATE names SET name = upper(name)")


THIRD = Schema(
    what="the list",
    version=3,
    script="CREATE TABLE names(name TEXT, size INTEGER) STRICT;",
    steps={1: "ALTER TABLE names ADD COLUMN size INTEGER;", 2: upper},
    application_id=77,
    is_precious=True,
)


def open_file(path):
    return closing(sqlite3.connect(path, isolation_level=None))


def prepare(path, schema, *, writable=True):
    with open_file(path) as connection:
        prepare_schema(connection, path, schema, writable=writable)


def rows(path, sql="SELECT * FROM names"):
    with open_file(path) as connection:
        return connection.execute(sql).fetchall()


def versions(path):
    return rows(path, "PRAGMA user_version") + rows(path, "PRAGMA application_id")


@pytest.fixture
def first(tmp_path):
    path = tmp_path / "list.sqlite"
    prepare(path, FIRST)
    with open_file(path) as connection:
        connection.execute("INSERT INTO names VALUES ('ada')")
    return path


def test_an_empty_file_is_made_once(tmp_path):
    path = tmp_path / "list.sqlite"
    schema = Schema(what="the list", version=4, script=TRIGGER, application_id=5)
    prepare(path, schema)
    with open_file(path) as connection:
        connection.execute("INSERT INTO names VALUES ('ada')")
        connection.execute("DELETE FROM names")
    prepare(path, schema)
    assert rows(path, "SELECT * FROM log") == [("gone",), ("ada",)]
    assert versions(path) == [(4,), (5,)]


def test_another_process_makes_it_in_the_middle_of_a_look(tmp_path):
    path = tmp_path / "list.sqlite"
    with open_file(path) as connection:
        connection.execute("PRAGMA journal_mode = WAL")

        def make_meanwhile(statement):
            if "application_id" in statement:  # the version was read, the tables were not
                connection.set_trace_callback(None)
                prepare(path, FIRST)

        connection.set_trace_callback(make_meanwhile)
        prepare_schema(connection, path, FIRST, writable=True)
    assert versions(path) == [(1,), (0,)]


def test_an_older_file_is_brought_up_and_a_copy_kept(first):
    prepare(first, THIRD)
    assert rows(first) == [("ADA", None)]
    assert versions(first) == [(3,), (77,)]
    kept = copy_path(first, 1)
    assert rows(kept) == [("ada",)]
    assert versions(kept) == [(1,), (0,)]
    prepare(first, THIRD)
    assert rows(first) == [("ADA", None)]


def test_what_can_be_made_again_has_no_copy(first):
    free = Schema(what="the list", version=2, script="", steps={1: "ALTER TABLE names ADD COLUMN size INTEGER;"})
    prepare(first, free)
    assert rows(first) == [("ada", None)]
    assert [one.name for one in first.parent.iterdir()] == [first.name]


def test_a_step_that_fails_leaves_the_version_before_it(first):
    def fail(connection):
        connection.execute("DELETE FROM names")
        raise KeyboardInterrupt

    broken = Schema(what="the list", version=3, script="", steps={1: THIRD.steps[1], 2: fail}, is_precious=True)
    with pytest.raises(KeyboardInterrupt):
        prepare(first, broken)
    assert rows(first) == [("ada", None)]
    assert versions(first)[0] == (2,)
    prepare(first, THIRD)
    assert rows(first) == [("ADA", None)]
    assert rows(copy_path(first, 1)) == [("ada",)]
    assert rows(copy_path(first, 2)) == [("ada", None)]


def test_half_a_copy_is_no_copy(first):
    copy_path(first, 1).with_name("list.sqlite.v1.copy.tmp").write_bytes(b"half")
    prepare(first, THIRD)
    assert rows(copy_path(first, 1)) == [("ada",)]
    assert not copy_path(first, 1).with_name("list.sqlite.v1.copy.tmp").exists()


def test_what_is_free_is_emptied_and_made_anew(tmp_path):
    path = tmp_path / "found.sqlite"
    script = TRIGGER + "CREATE VIRTUAL TABLE words USING fts5(text);\nCREATE INDEX by_name ON names(name);"
    prepare(path, Schema(what="the words", version=1, script=script, is_free=True))
    with open_file(path) as connection:
        connection.execute("INSERT INTO names VALUES ('ada')")
        connection.execute("INSERT INTO words VALUES ('ada')")
    prepare(path, Schema(what="the words", version=4, script="CREATE TABLE other(one TEXT);", is_free=True))
    assert rows(path, "SELECT name FROM sqlite_master") == [("other",)]
    assert versions(path)[0] == (4,)
    assert [one.name for one in tmp_path.iterdir()] == [path.name]


def test_reading_changes_nothing(first):
    before = first.read_bytes()
    with pytest.raises(OldVersionError, match="is of version 1; this etdb reads version 3") as caught:
        prepare(first, THIRD, writable=False)
    assert caught.value.hint
    assert first.read_bytes() == before
    prepare(first, FIRST, writable=False)


def test_no_way_up_says_what_to_do(first):
    stuck = Schema(what="the list", version=3, script="", steps={2: upper}, hint="make it again")
    with pytest.raises(OldVersionError) as caught:
        prepare(first, stuck)
    assert caught.value.hint == "make it again"
    assert rows(first) == [("ada",)]


def test_a_newer_file_is_refused(first):
    prepare(first, THIRD)
    with pytest.raises(StorageError, match="of version 3; this etdb reads versions up to 1"):
        prepare(first, Schema(what="the list", version=1, script="", application_id=77))


def test_another_programs_file_is_refused(tmp_path):
    path = tmp_path / "photos.sqlite"
    with open_file(path) as connection:
        connection.execute("CREATE TABLE photos(name TEXT)")
    with pytest.raises(StorageError, match="is not the list"):
        prepare(path, FIRST)
    with open_file(path) as connection:
        connection.execute("PRAGMA user_version = 1")
        connection.execute("PRAGMA application_id = 12345")
    with pytest.raises(StorageError, match="is not the list"):
        prepare(path, FIRST)


def test_an_empty_file_is_not_made_by_a_reader(tmp_path):
    path = tmp_path / "list.sqlite"
    with pytest.raises(StorageError, match="is not made yet"):
        prepare(path, FIRST, writable=False)


def test_a_free_file_is_emptied_though_its_triggers_name_a_table_that_goes_first(tmp_path):
    path = tmp_path / "list.sqlite"
    script = """
    CREATE TABLE blocks(id INTEGER PRIMARY KEY) STRICT;
    CREATE TABLE records(id INTEGER PRIMARY KEY REFERENCES blocks ON DELETE CASCADE) STRICT;
    CREATE VIRTUAL TABLE search USING fts5(title);
    CREATE TRIGGER gone AFTER DELETE ON records BEGIN DELETE FROM search WHERE rowid = old.id; END;
    """
    prepare(path, Schema(what="the list", version=1, script=script, is_free=True))
    with open_file(path) as connection:
        connection.execute("INSERT INTO blocks VALUES (1)")
        connection.execute("INSERT INTO records VALUES (1)")
    newer = Schema(what="the list", version=2, script="CREATE TABLE names(name TEXT) STRICT;", is_free=True)
    with open_file(path) as connection:
        connection.execute("PRAGMA foreign_keys = ON")
        prepare_schema(connection, path, newer, writable=True)
    assert rows(path, "SELECT name FROM sqlite_master") == [("names",)]
