import datetime as dt
import typing

import pytest

from etdb.sources import ROLES, DatasetMetadata, parse_dataset_toml
from etdb.sources.metadata import Role


def test_a_full_file():
    text = b"""
title = "Vibrio"
tags = ["a", "b"]
acquired_on = 2014-01-14
tilt_min_deg = -60
tilt_constant_increment = true
ncbi_taxon_id = 666
[extra]
batch = "B-12"
day = 2014-01-14
deep = { list = [1, 10:00:00] }
[files."raw/a.mrc"]
role = "tilt_series"
"""
    metadata, problems = parse_dataset_toml(text)
    assert problems == []
    assert metadata.given() == {
        "title": "Vibrio",
        "tags": ("a", "b"),
        "acquired_on": dt.date(2014, 1, 14),
        "tilt_min_deg": -60.0,
        "tilt_constant_increment": True,
        "ncbi_taxon_id": 666,
        "extra": {"batch": "B-12", "day": "2014-01-14", "deep": {"list": [1, "10:00:00"]}},
    }
    assert metadata.files["raw/a.mrc"].role == "tilt_series"


def test_zero_and_false_are_kept():
    metadata, _ = parse_dataset_toml(b"tilt_min_deg = 0\ntilt_constant_increment = false\ndefocus_um = 0.0\n")
    assert metadata.given() == {"tilt_min_deg": 0.0, "tilt_constant_increment": False, "defocus_um": 0.0}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"title = 3", "title: Expected `str`"),
        (b"ncbi_taxon_id = '666'", "ncbi_taxon_id: Expected `int`"),
        (b"tilt_axes = 3", "tilt_axes: "),
        (b"tilt_min_deg = -181", "tilt_min_deg"),
        (b"voltage_kv = 0", "voltage_kv"),
        (b"defocus_um = nan", "defocus_um: not a finite number"),
        (b"[extra]\nx = [inf]", "extra.x: not a finite number"),
        (b"[files.a]\nrole = 'picture'", "role"),
        (b"files = 3", "files"),
        (b"title = ", "not valid TOML"),
        (b"\xff", "not valid TOML"),
        (b"a = " + b"[" * 3000, "not valid TOML"),
        (b"publisher = 'me'", "unknown key `publisher`"),
        (b"#" * (1 << 21), "is larger than"),
    ],
)
def test_what_is_wrong_is_said(text, words):
    metadata, problems = parse_dataset_toml(text)
    assert metadata == DatasetMetadata()
    assert words in "\n".join(problems)


def test_the_two_lists_of_roles_are_one():
    assert typing.get_args(Role) == ROLES
