"""Roles that others gave to real files: the original system in its record, the curators of the CryoET Data Portal."""

import csv
import io
import json
import tarfile

from tests.unit.em.real import real

from etdb.oip.wire import role_of
from etdb.sources import guess_role, guess_roles
from etdb.sources.roles import Seen


def files_of(value):
    if isinstance(value, dict):
        found = [value] if "fname" in value else []
        return found + [file for inner in value.values() for file in files_of(inner)]
    return [file for inner in value for file in files_of(inner)] if isinstance(value, list) else []


def test_the_files_of_a_record_of_the_original_system():
    files = files_of(json.loads(real("etdb/oip042_onchain_record_rr2014-01-14-5.json").read_bytes()))
    assert len(files) == 10
    guessed = guess_roles(Seen(path=file["fname"]) for file in files)
    assert guessed == {file["fname"]: role_of(file["type"], file["subtype"]) for file in files}


def test_the_tomograms_that_curators_chose():
    names = []
    with tarfile.open(real("etdb/cz_gjensen_dataset_configs.tar.gz")) as archive:
        for member in archive:
            if "/run_tomo_map/" in member.name and member.name.endswith(".csv"):
                text = archive.extractfile(member).read().decode()
                names += [row[1] for row in csv.reader(io.StringIO(text)) if len(row) > 1 and "/" in row[1]]
    assert len(names) > 3_000
    assert {guess_role(name) for name in names} == {"reconstruction"}
