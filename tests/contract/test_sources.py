"""Every source, by the same tests; real servers are in tests/interop."""

import csv
import json
import sqlite3
from contextlib import closing, contextmanager

import pytest
import yaml
from tests.labdb import publicdb

from etdb.sources.caltech import CaltechSource
from etdb.sources.database import Database
from etdb.sources.mapping import Query, QueryMapping, database_source
from etdb.sources.tables import csv_source, yaml_source
from etdb.sources.tree import TreeSource
from etdb.testing.sources import SourceContract


class TestCsv(SourceContract):
    @contextmanager
    def source_of(self, datasets, folder):
        table, files = folder.parent / "datasets.csv", folder.parent / "files.csv"
        with table.open("w", newline="") as out:
            writer = csv.writer(out)
            writer.writerow(["ID", "title", "species", "microscopist", "released", "notes"])
            for one in datasets:
                writer.writerow([one.sid, one.title, one.species, one.microscopist, one.released, one.notes])
        with files.open("w", newline="") as out:
            writer = csv.writer(out, delimiter=";")
            writer.writerow(["ID", "path", "role"])
            writer.writerows([one.sid, path, "RAW"] for one in datasets for path in one.files)
        with closing(
            csv_source(table, folder, files_table=files, columns={"ID": "sid"}, roles={"raw": "tilt_series"})
        ) as source:
            yield source


class TestCsvWithWholeFolders(SourceContract):
    has_file_table = False

    @contextmanager
    def source_of(self, datasets, folder):
        table = folder.parent / "datasets.csv"
        with table.open("w", newline="") as out:
            writer = csv.writer(out, delimiter="\t")
            writer.writerow(["sid", "title", "species", "microscopist", "released", "notes"])
            for one in datasets:
                writer.writerow([one.sid, one.title, one.species, one.microscopist, "yn"[not one.released], one.notes])
        with closing(csv_source(table, folder)) as source:
            yield source


class TestYaml(SourceContract):
    @contextmanager
    def source_of(self, datasets, folder):
        table = folder.parent / "lab.yaml"
        listed = [
            {
                "sid": one.sid,
                "title": one.title,
                "species": one.species,
                "microscopist": one.microscopist or None,
                "released": one.released,
                "notes": one.notes,
                "files": [{"path": path, "role": "tilt_series"} for path in one.files],
            }
            for one in datasets
        ]
        table.write_text(yaml.safe_dump({"datasets": listed}, allow_unicode=True))
        with closing(yaml_source(table, folder)) as source:
            yield source


class TestTree(SourceContract):
    has_file_table = False

    @contextmanager
    def source_of(self, datasets, folder):
        for one in datasets:
            (folder / one.sid).mkdir(exist_ok=True)
            if one.released:
                (folder / one.sid / "RELEASED").write_text("")
            words = {"title": one.title, "species": one.species, "notes": one.notes, "microscopist": one.microscopist}
            (folder / one.sid / "dataset.toml").write_text(
                "".join(f"{name} = {json.dumps(text, ensure_ascii=False)}\n" for name, text in words.items() if text)
            )
        with closing(TreeSource(folder, marker="RELEASED")) as source:
            yield source


class TestSqlite(SourceContract):
    @contextmanager
    def source_of(self, datasets, folder):
        path = folder.parent / "lab.sqlite"
        with closing(sqlite3.connect(path)) as db, db:
            db.execute("CREATE TABLE grids(id TEXT, name TEXT, latin TEXT, who TEXT, public INTEGER, remarks TEXT)")
            db.execute("CREATE TABLE scans(grid TEXT, name TEXT, kind TEXT)")
            for one in datasets:
                values = (one.sid, one.title, one.species, one.microscopist, one.released, one.notes)
                db.execute("INSERT INTO grids VALUES (?, ?, ?, ?, ?, ?)", values)
                db.executemany("INSERT INTO scans VALUES (?, ?, 'raw')", [(one.sid, name) for name in one.files])
        mapping = QueryMapping(
            datasets=Query(
                sql="SELECT id AS sid, name AS title, latin AS species, who AS microscopist, public AS released,"
                " remarks AS notes FROM grids WHERE name NOT LIKE ':no%'"
            ),
            files=Query(sql="SELECT grid AS sid, name AS path, kind AS role FROM scans"),
            roles={"raw": "tilt_series"},
        )
        database = Database("sqlite:///lab.sqlite", base=folder.parent)
        with closing(database_source(database, mapping, folder)) as source:
            yield source


class TestCaltechInSqlite(SourceContract):
    """The same queries as on MariaDB: the rows, without the server."""

    @pytest.fixture(autouse=True)
    def schema(self, shared_vectors):
        self.tables = shared_vectors("mysql_publicdb.json")

    @contextmanager
    def source_of(self, datasets, folder):
        path = folder.parent / "publicdb.sqlite"
        with closing(sqlite3.connect(path)) as db, db:
            for statement in publicdb.create_statements(self.tables, dialect="sqlite"):
                db.execute(statement)
            for statement, values in publicdb.insert_statements(publicdb.contract_rows(datasets), mark="?"):
                db.executemany(statement, values)
        with closing(CaltechSource(Database("sqlite:///publicdb.sqlite", base=folder.parent), folder)) as source:
            yield source
