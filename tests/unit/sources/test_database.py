"""Databases: only read, within limits, no secret shown. SQLite here; MariaDB and PostgreSQL in tests/interop."""

import sqlite3
from contextlib import closing

import pytest

from etdb.errors import ConfigurationError, InputError, SourceError
from etdb.sources.database import Database, shown_url
from etdb.sources.mapping import load_mapping


@pytest.fixture
def lab(tmp_path):
    with closing(sqlite3.connect(tmp_path / "lab.sqlite")) as db, db:
        db.execute("CREATE TABLE t(a INTEGER, b TEXT)")
        db.executemany("INSERT INTO t VALUES (?, ?)", [(n, f"row {n}") for n in range(100)])
    return tmp_path


def rows(lab, query, **more):
    timeout_s = more.pop("timeout_s", 60)
    with (
        closing(Database("sqlite:///lab.sqlite", base=lab, timeout_s=timeout_s)) as database,
        database.session() as one,
    ):
        return one.rows(query, **more)


def test_rows_by_the_names_of_their_columns(lab):
    assert rows(lab, "SELECT a AS sid, b FROM t WHERE b LIKE '%1' AND b <> ':x' ORDER BY a LIMIT 2") == [
        {"sid": 1, "b": "row 1"},
        {"sid": 11, "b": "row 11"},
    ]


@pytest.mark.parametrize(
    "statement", ["DELETE FROM t", "CREATE TABLE x(a)", "PRAGMA query_only = OFF; DELETE FROM t", "ATTACH 'x' AS y"]
)
def test_nothing_is_written(lab, statement, monkeypatch):
    monkeypatch.chdir(lab)
    before = (lab / "lab.sqlite").read_bytes()
    with pytest.raises(SourceError):
        rows(lab, statement)
    assert (lab / "lab.sqlite").read_bytes() == before
    assert [path.name for path in lab.iterdir()] == ["lab.sqlite"]


def test_limits_of_rows_and_of_time(lab):
    with pytest.raises(InputError, match="more than 99 rows"):
        rows(lab, "SELECT * FROM t", max_rows=99)
    endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n"
    with pytest.raises(SourceError, match="interrupted"):
        rows(lab, endless, timeout_s=0.1)


def test_two_columns_of_one_name(lab):
    with pytest.raises(InputError, match="two columns of one name"):
        rows(lab, "SELECT a, b AS a FROM t")


@pytest.mark.parametrize(
    "url",
    [
        "mysql://u:s3cret@h/db",
        "mysql://u@h/db?password=s3cret",
        "mysql://u@h/db?passwd=s3cret",
        "mysql://u@h/db?local_infile=1",
        "postgresql://u@h/db?options=-c%20x",
        "oracle://u:s3cret@h/db",
        "sqlite:///lab.sqlite?mode=rwc",
        "s3cret",
        "://s3cret@",
        "mysql://u@h:port/db",
    ],
)
def test_addresses_that_are_refused_without_showing_what_is_in_them(lab, url):
    with pytest.raises(ConfigurationError) as caught:
        Database(url, base=lab)
    assert "s3cret" not in caught.value.message + caught.value.hint


def test_what_is_shown_of_an_address():
    assert shown_url("mysql://reader:s3cret@h:3306/db?x=s3cret") == "mysql://reader:***@h:3306/db"
    assert shown_url("mysql://h/db") == "mysql://h/db"
    assert shown_url("s3cret") == "an address without ://"


def test_a_database_that_is_not_there(tmp_path):
    with pytest.raises(SourceError, match=r"there is no database .*gone\.sqlite"):
        Database("sqlite:///gone.sqlite", base=tmp_path)
    with (
        pytest.raises(SourceError) as caught,
        Database("mysql://u@127.0.0.1:9/db", password_file=secret(tmp_path)).session(),
    ):
        pass
    assert "s3cret" not in str(caught.value)
    assert caught.value.fields["url"] == "mysql://u@127.0.0.1:9/db"


def secret(folder, *, mode=0o600, text="s3cret\n"):
    path = folder / "password"
    path.touch(mode=mode)
    path.chmod(mode)
    path.write_text(text)
    return path


@pytest.mark.parametrize(("mode", "text"), [(0o644, "s3cret\n"), (0o600, ""), (0o600, "\n"), (0o600, "x" * 5000)])
def test_a_password_file_that_is_none(tmp_path, mode, text):
    path = secret(tmp_path, mode=mode, text=text)
    with pytest.raises(ConfigurationError), Database("mysql://u@127.0.0.1:9/db", password_file=path).session():
        pass


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "datasets"),
        ("[datasets]\nsql = 1", "sql"),
        ("[datasets]\nsql = 'SELECT 1'\n[file]\nsql = 'x'", "file"),
        ("[datasets", "Expected"),
    ],
)
def test_a_mapping_that_is_none(tmp_path, text, says):
    (tmp_path / "map.toml").write_text(text)
    with pytest.raises(ConfigurationError, match=says):
        load_mapping(tmp_path / "map.toml")
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load_mapping(tmp_path / "gone.toml")
