"""The timer, the service and the cron line of the documentation are ones, and what they run is a command."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import textwrap
from pathlib import Path

import click
import pytest

from etdb.cli.app import etdb

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "how-to" / "publish-every-night.md").read_text(encoding="utf-8")


def unit(name: str) -> str:
    found = re.search(rf"^`{re.escape(name)}`\n\n((?:    .*\n|\n)+)", PAGE, re.MULTILINE)
    assert found is not None
    return textwrap.dedent(found[1])


def parsed(command: str) -> tuple[str, dict[str, object]]:
    """The command's name and what its options say; an option that is none fails."""
    words = shlex.split(command)
    at = words.index("sync")
    assert words[0] == "/usr/local/bin/etdb"
    with etdb.make_context("etdb", [*words[1:at], "sync"]) as outer:
        inner = etdb.get_command(outer, "sync")
        assert isinstance(inner, click.Command)
        with inner.make_context("sync", words[at + 1 :], parent=outer) as context:
            return "sync", context.params


def test_systemd_takes_the_units(tmp_path):
    if shutil.which("systemd-analyze") is None:
        pytest.skip("left out: systemd's own check of the units, because systemd-analyze is not on this machine")
    for name in ("etdb-sync.service", "etdb-sync.timer"):
        # The program need not be installed where this is checked.
        text = unit(name).replace("/usr/local/bin/etdb", "/bin/true")
        (tmp_path / name).write_text(text)
    done = subprocess.run(
        [
            "systemd-analyze",
            "verify",
            "--man=no",
            str(tmp_path / "etdb-sync.timer"),
            str(tmp_path / "etdb-sync.service"),
        ],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": "/usr/bin:/bin", "SYSTEMD_LOG_LEVEL": "warning"},
    )
    said = [line for line in (done.stdout + done.stderr).splitlines() if "etdb-sync" in line]
    assert done.returncode == 0, done.stdout + done.stderr
    assert said == []


def test_a_broken_unit_would_be_noticed(tmp_path):
    if shutil.which("systemd-analyze") is None:
        pytest.skip("left out: systemd's own check of the units, because systemd-analyze is not on this machine")
    path = tmp_path / "etdb-sync.timer"
    path.write_text(unit("etdb-sync.timer").replace("OnCalendar=*-*-* 02:30:00", "OnCalendar=every night"))
    (tmp_path / "etdb-sync.service").write_text(unit("etdb-sync.service").replace("/usr/local/bin/etdb", "/bin/true"))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(path)], capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert "calendar" in done.stdout + done.stderr


def test_what_they_run_is_a_command():
    service = re.search(r"^ExecStart=(.*)$", unit("etdb-sync.service"), re.MULTILINE)
    cron = re.search(r"^    ((?:\S+ +){5})(/usr/local/bin/etdb .*)$", PAGE, re.MULTILINE)
    assert service is not None
    assert cron is not None
    for command in (service[1], cron[2]):
        name, options = parsed(command)
        assert name == "sync"
        assert options["yes"] is True
        assert options["passphrase_file"] == "/srv/etdb/passphrase"
    fields = cron[1].split()
    assert [bool(re.fullmatch(r"\*|[0-9]{1,2}", field)) for field in fields] == [True] * 5
    assert int(fields[0]) < 60
    assert int(fields[1]) < 24
