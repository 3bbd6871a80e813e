"""Sources against real servers: MariaDB with the tables of the Caltech database, and PostgreSQL."""

from __future__ import annotations

import datetime as dt
from contextlib import closing, contextmanager

import psycopg
import pytest
from tests.labdb import publicdb, servers

from etdb.errors import InputError, SourceError
from etdb.sources.caltech import CaltechSource
from etdb.sources.database import Database
from etdb.sources.mapping import Query, QueryMapping, database_source
from etdb.testing.sources import SourceContract

pytestmark = pytest.mark.interop


@pytest.fixture(scope="session")
def mariadb_socket():
    if servers.mariadb_path() is None:
        pytest.skip(servers.LEFT_OUT_MARIADB)
    with servers.mariadb() as sock:
        with servers.mariadb_root(sock) as db:
            db.cursor().execute("CREATE USER reader IDENTIFIED BY 's3cret'")
            db.cursor().execute("CREATE USER writer IDENTIFIED BY 's3cret'")
        yield sock


@pytest.fixture(scope="session")
def postgres_port():
    if servers.postgres_folder() is None:
        pytest.skip(servers.LEFT_OUT_POSTGRES)
    with servers.postgresql() as port:
        yield port


@pytest.fixture
def password(tmp_path):
    path = tmp_path / "server" / "password"
    path.parent.mkdir(exist_ok=True)
    path.touch(mode=0o600)
    path.write_text("s3cret\n")
    return path


@pytest.fixture
def publicdb_of(mariadb_socket, shared_vectors, password):
    """Fill `publicdb` anew, and give the database as the reader sees it."""

    def fill(tables, *, user="reader", timeout_s=60.0):
        publicdb.fill(mariadb_socket, shared_vectors("mysql_publicdb.json"), tables)
        url = f"mysql://{user}@localhost/publicdb?unix_socket={mariadb_socket}"
        return Database(url, password_file=password, timeout_s=timeout_s)

    return fill


class TestCaltechInMariaDb(SourceContract):
    @pytest.fixture(autouse=True)
    def database(self, publicdb_of):
        self.fill = publicdb_of

    @contextmanager
    def source_of(self, datasets, folder):
        folder.mkdir(exist_ok=True)
        with closing(CaltechSource(self.fill(publicdb.contract_rows(datasets)), folder)) as source:
            yield source


class TestPostgreSql(SourceContract):
    @pytest.fixture(autouse=True)
    def server(self, postgres_port, password):
        self.port, self.password = postgres_port, password

    @contextmanager
    def source_of(self, datasets, folder):
        with psycopg.connect(f"host=127.0.0.1 port={self.port} user=lab password=s3cret dbname=postgres") as db:
            db.execute("DROP TABLE IF EXISTS grids")
            db.execute("DROP TABLE IF EXISTS scans")
            db.execute("CREATE SEQUENCE IF NOT EXISTS numbers")
            db.execute("CREATE TABLE grids(id text, name text, latin text, who text, public boolean, remarks text)")
            db.execute("CREATE TABLE scans(grid text, name text, kind text)")
            for one in datasets:
                values = (one.sid, one.title, one.species, one.microscopist, one.released, one.notes)
                db.execute("INSERT INTO grids VALUES (%s, %s, %s, %s, %s, %s)", values)
                for name in one.files:
                    db.execute("INSERT INTO scans VALUES (%s, %s, 'Raw')", (one.sid, name))
        mapping = QueryMapping(
            datasets=Query(
                sql="SELECT id AS sid, name AS title, latin AS species, who AS microscopist, public AS released,"
                " remarks AS notes, '2014-01-14'::date AS acquired_on, ARRAY['a','b'] AS keywords, 0.5::numeric"
                " AS tilt_min_deg, '{\"x\": 1}'::json AS \"extra.settings\" FROM grids WHERE name NOT LIKE ':%s%'"
            ),
            files=Query(sql="SELECT grid AS sid, name AS path, kind AS role FROM scans"),
            roles={"raw": "tilt_series"},
        )
        with closing(database_source(self.database(), mapping, folder)) as source:
            yield source

    def database(self, **more):
        return Database(
            f"postgresql://lab@127.0.0.1:{self.port}/postgres?sslmode=disable", password_file=self.password, **more
        )

    def test_types_of_the_database_become_those_of_the_record(self, source):
        metadata = source.read("aba2005-04-15-2").metadata
        assert metadata["acquired_on"] == dt.date(2014, 1, 14)
        assert metadata["keywords"] == ("a", "b")
        assert metadata["tilt_min_deg"] == 0.5
        assert metadata["extra"] == {"settings": {"x": 1}}

    def test_it_cannot_write_even_as_the_owner(self, source):
        for statement in ("DELETE FROM grids RETURNING id", "SELECT nextval('numbers')", "COMMIT; DELETE FROM grids"):
            with pytest.raises(SourceError, match=r"read-only|syntax error"), self.database().session() as session:
                session.rows(statement)
        assert len(source.listing().released) == 2

    def test_a_query_that_takes_too_long_is_ended(self):
        with pytest.raises(SourceError, match="timeout"), self.database(timeout_s=0.2).session() as session:
            session.rows("SELECT pg_sleep(60)")

    def test_more_rows_than_the_limit(self):
        with pytest.raises(InputError, match="more than 10 rows"), self.database().session() as session:
            session.rows("SELECT generate_series(1, 100000)", max_rows=10)

    def test_a_wrong_password_is_not_shown(self):
        self.password.write_text("wr0ng\n")
        with pytest.raises(SourceError) as caught, self.database().session():
            pass
        assert "wr0ng" not in str(caught.value) + repr(caught.value.__cause__) + repr(caught.value.__context__)
        assert "lab" in caught.value.message


def test_text_comes_out_right_however_it_was_stored(publicdb_of, mariadb_socket, tmp_path):
    """UTF-8 bytes in latin1 columns, real latin1, and the five bytes that Windows-1252 leaves empty."""
    fill = publicdb_of
    (tmp_path / "data" / "a-1" / "rawdata").mkdir(parents=True)
    (tmp_path / "data" / "a-1" / "rawdata" / "a.mrc").write_bytes(b"a")
    row = publicdb.contract_rows([])
    row["TiltSeriesData"] = [publicdb._series(0, "a-1", title="t", scope="0", keyimg=0)]
    row["ThreeDFile"] = [
        {"DEF_id": 1, "REF|TiltSeriesData|tiltseries": "a-1", "title": "", "classify": "rawdata", "filename": "a.mrc"}
        | {"pixel_size": 0, "status": 0}
    ]
    database = fill(row)
    wanted = "β-Tubulin “quoted” Ångström à 4 °C Đ"  # its UTF-8 has 81, 8D, 8F, 90 and 9D among its bytes
    twice = wanted.encode().decode("latin-1").encode()
    plain = "Å 4 °C, 10 µm"
    stored = [text.hex() for text in (wanted.encode(), plain.encode("latin-1"), twice)]
    as_bytes = "CONVERT(UNHEX(%s) USING latin1)"
    with servers.mariadb_root(mariadb_socket, database="publicdb") as db:
        db.cursor().execute(
            f"UPDATE TiltSeriesData SET TXT_notes = {as_bytes}, sample = {as_bytes}, treatment = {as_bytes}", stored
        )
    with closing(CaltechSource(database, tmp_path / "data")) as source:
        metadata = source.read("a-1").metadata
    assert metadata["notes"] == f"Tilt series notes: {wanted}"
    assert metadata["sample_preparation"] == f"Sample: {plain}\nTreatment: {wanted}"


def test_nothing_can_be_written_even_by_a_user_who_may(publicdb_of):
    database = publicdb_of(publicdb.contract_rows([]), user="writer")
    for statement in ("DELETE FROM UserData", "INSERT INTO FeatureData VALUES (1, 'x')", "DROP TABLE UserData"):
        with pytest.raises(SourceError, match="READ ONLY"), database.session() as session:
            session.rows(statement)
    assert database.notes == []


def test_a_query_of_mariadb_that_takes_too_long_is_ended(publicdb_of):
    database = publicdb_of(publicdb.contract_rows([]), timeout_s=0.2)
    with pytest.raises(SourceError, match="max_statement_time"), database.session() as session:
        session.rows(
            "SELECT count(*) FROM information_schema.COLUMNS a, information_schema.COLUMNS b,"
            " information_schema.COLUMNS c"
        )


def test_dates_that_mysql_keeps_and_nobody_has(publicdb_of, tmp_path):
    rows = publicdb.contract_rows([])
    rows["TiltSeriesData"] = [publicdb._series(0, "a-1", title="t", scope="0", keyimg=0, tomo_date="0000-00-00")]
    rows["ThreeDFile"] = [
        {"DEF_id": 1, "REF|TiltSeriesData|tiltseries": "a-1", "title": "", "classify": "rawdata", "filename": "a.mrc"}
        | {"pixel_size": 0, "status": 0}
    ]
    (tmp_path / "a-1" / "rawdata").mkdir(parents=True)
    (tmp_path / "a-1" / "rawdata" / "a.mrc").write_bytes(b"a")
    with closing(CaltechSource(publicdb_of(rows), tmp_path)) as source:
        dataset = source.read("a-1")
    assert "acquired_on" not in dataset.metadata
    assert any("0000-00-00" in note for note in dataset.notes)
