"""The demo's frame: its folder, the commands it runs, the comparison at the end."""

from __future__ import annotations

import json
import sys

import pytest
from rich.console import Console

from etdb.demo import commands
from etdb.demo.commands import Commands, StepFailedError
from etdb.demo.story import MARKER, compare_files, prepare_folder, run_demo
from etdb.errors import EtdbError, InputError, LockedError, SourceError
from etdb.workspace.locks import hold_lock


def test_only_a_folder_of_its_own_is_replaced(tmp_path):
    folder = tmp_path / "work"
    prepare_folder(folder)
    (folder / "old").write_text("")
    prepare_folder(folder)
    assert [path.name for path in folder.iterdir()] == [MARKER]
    (folder / MARKER).unlink()
    (folder / "mine").write_text("precious")
    with pytest.raises(InputError):
        prepare_folder(folder)
    assert (folder / "mine").read_text() == "precious"


def test_two_demos_in_one_folder_do_not_replace_each_other(tmp_path):
    folder = tmp_path / "work"
    prepare_folder(folder)
    (folder / "of the first").write_text("")
    (tmp_path / ".demo-cache").mkdir()
    with hold_lock(tmp_path / ".demo-cache" / "work.lock"), pytest.raises(LockedError) as caught:
        run_demo(folder, Console(quiet=True))
    assert caught.value.hint
    assert (folder / "of the first").exists()


def test_a_file_or_a_link_in_its_place_is_refused(tmp_path):
    (tmp_path / "file").write_text("x")
    real = tmp_path / "real"
    prepare_folder(real)
    (tmp_path / "link").symlink_to(real)
    for name in ("file", "link"):
        with pytest.raises(InputError):
            prepare_folder(tmp_path / name)
    assert (real / MARKER).exists()


def test_files_that_differ_or_are_missing_are_told(tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    for folder in (one, two):
        (folder / "sub").mkdir(parents=True)
        (folder / "sub" / "a").write_bytes(b"abc")
    (one / "dataset.toml").write_text("not published")
    assert compare_files(one, two) == {"files": 1, "bytes": 3}
    (two / "sub" / "a").write_bytes(b"abd")
    with pytest.raises(EtdbError, match="other bytes"):
        compare_files(one, two)
    (two / "sub" / "a").unlink()
    with pytest.raises(EtdbError, match="did not come back"):
        compare_files(one, two)


@pytest.fixture
def fake(tmp_path, monkeypatch):
    """A command in place of etdb: a few lines of Python that see the arguments."""

    def make(lines):
        script = tmp_path / "fake.py"
        script.write_text("import json, os, sys\narguments = sys.argv[1:]\n" + lines)
        monkeypatch.setattr(Commands, "_start", lambda self: [sys.executable, str(script)])
        return Commands(tmp_path, "open sesame")

    return make


def test_the_passphrase_goes_through_a_descriptor_and_not_an_argument(fake):
    etdb = fake(
        "number = int(arguments[arguments.index('--passphrase-fd') + 1])\n"
        "print(json.dumps({'read': os.read(number, 99).decode(), 'arguments': arguments}))"
    )
    document = etdb.run("key", "new", passphrase=True)
    assert document["read"] == "open sesame\n"
    assert "sesame" not in json.dumps(document["arguments"])
    assert etdb.seconds > 0


def test_a_failed_command_says_its_own_words(fake):
    etdb = fake("print(json.dumps({'message': 'no gateway', 'hint': 'start one'}))\nsys.exit(5)")
    with pytest.raises(SourceError) as caught:
        etdb.run("download")
    assert caught.value.message == "etdb download: no gateway"
    assert caught.value.hint == "start one"
    with pytest.raises(StepFailedError, match="RuntimeError"):
        fake("raise RuntimeError").run("search")


def test_a_gateway_is_started_and_ended(fake, tmp_path):
    etdb = fake(
        "import pathlib, signal, time\n"
        "def end(*_):\n    pathlib.Path('ended').touch()\n    sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, end)\n"
        'print(\'{\\n  "gateway": "http://127.0.0.1:5"\\n}\', flush=True)\ntime.sleep(60)'
    )
    with etdb.serving() as url:
        assert url == "http://127.0.0.1:5"
    assert (tmp_path / "ended").exists()


def test_a_gateway_that_does_not_start_says_why(fake):
    with pytest.raises(StepFailedError, match="port is taken"), fake("sys.exit('port is taken')").serving():
        pass


def test_the_workspace_of_the_caller_is_not_passed_on(fake, monkeypatch):
    monkeypatch.setenv("ETDB_WORKSPACE", "/elsewhere")
    assert fake("print(json.dumps({'seen': os.environ.get('ETDB_WORKSPACE')}))").run("status") == {"seen": None}
    assert commands.StepFailedError.exit_status == 1
