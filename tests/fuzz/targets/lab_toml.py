"""Any dataset.toml gives metadata or problems in words; any etdb.toml gives settings or ConfigurationError."""

from __future__ import annotations

import contextlib
from pathlib import Path

from etdb.errors import EtdbError
from etdb.sources import parse_dataset_toml
from etdb.workspace.settings import parse_settings, settings_template

WHERE = Path("etdb.toml")


def seeds() -> list[bytes]:
    return [
        b'title = "Cell"\nspecies = "Vibrio cholerae"\ntilt_min_deg = -60.0\n[extra]\nx = [1]\n',
        b'title = "Cell"\n[files."a.mrc"]\nrole = "tilt_series"\n',
        b"acquired_on = 2014-01-14\nauthors = ['a']\n",
        settings_template("local").encode(),
        b"[a]\n" + b"[" * 500,
    ]


def check(data: bytes) -> None:
    metadata, problems = parse_dataset_toml(data)
    assert all(isinstance(one, str) and one for one in problems)
    metadata.given()
    with contextlib.suppress(EtdbError):
        parse_settings(data, WHERE)
