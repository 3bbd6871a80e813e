"""The manifest is an RO-Crate in the eyes of a validator that nobody here wrote."""

from __future__ import annotations

import datetime as dt
import json
import subprocess
import sys
from pathlib import Path

import pytest

from etdb.manifest import MANIFEST_NAME, ManifestFile, encode_manifest
from etdb.oip import Tomogram

JUDGE = Path(__file__).with_name("roc_judge.py")
CID = "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku"


def judge(folder: Path, home: Path) -> dict:
    home.mkdir()
    done = subprocess.run(
        [sys.executable, JUDGE, folder],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=home,
        env={"HOME": str(home), "PATH": "/usr/bin:/bin"},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture
def crate(tmp_path) -> Path:
    folder = tmp_path / "crate"
    (folder / "tilt series").mkdir(parents=True)
    (folder / "tilt series" / "Zelle ä.mrc").write_bytes(b"x")
    (folder / "notes.txt").write_bytes(b"yy")
    return folder


def write(folder: Path, licence: str) -> None:
    tomogram = Tomogram(
        title="Bdellovibrio",
        description="An attack phase cell",
        species="Bdellovibrio bacteriovorus",
        acquired_on=dt.date(2026, 11, 1),
        authors=("Ada Müller",),
        licence=licence,
        tags=("tomogram",),
        tilt_min_deg=-60.0,
        sid="am2026-11-01-1",
        extra={"grid": "R2/2 & more", "squares": ["a", "b"]},
    )
    files = [
        ManifestFile(path="tilt series/Zelle ä.mrc", size_bytes=1, cid=CID, sha256="0" * 64, software="IMOD"),
        ManifestFile(path="notes.txt", size_bytes=2, cid=CID, media_type="text/plain", notes="by hand"),
    ]
    (folder / MANIFEST_NAME).write_bytes(encode_manifest(tomogram, files, prepared_on=dt.date(2026, 11, 2)))


@pytest.mark.parametrize("licence", ["CC0-1.0", ""])
def test_the_manifest_is_valid(crate, tmp_path, licence):
    write(crate, licence)
    assert judge(crate, tmp_path / "home") | {"asked": []} == {"passed": True, "issues": [], "asked": []}


def test_the_judge_refuses_a_broken_one(crate, tmp_path):
    write(crate, "CC0-1.0")
    document = json.loads((crate / MANIFEST_NAME).read_text())
    del next(entity for entity in document["@graph"] if entity["@id"] == "./")["datePublished"]
    (crate / MANIFEST_NAME).write_text(json.dumps(document))
    assert not judge(crate, tmp_path / "home")["passed"]
