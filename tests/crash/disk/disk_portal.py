"""The story of a portal that keeps what it fetches of others (`cache/blocks`): whatever its disk does, bytes are right.

The lab and its gateway are the world; the portal is asked for every file while it serves, and then told to end.
"""

from __future__ import annotations

import http.client
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

from disk_shim import Record, Runner
from disk_story import Case, Story

FILE_BYTES = 3_000_000
PATIENCE_S = 60


class PortalStory(Story):
    """A first start with nothing kept, a second one with what the first kept."""

    LIFE = ("index", "serve", "serve-again")
    CASES = (
        # What is kept of others can be fetched again: nobody hears of it.
        Case("serve-again", "serve-again", "ws/cache/blocks/", (), is_named=False),
        Case("serve-again", "serve-again", "ws/cache/catalogue.sqlite", (7,)),
    )

    def __init__(self, root: Path, runner: Runner) -> None:
        super().__init__(root, runner)
        lab, data = root / "lab", root / "data" / "cell"
        data.mkdir(parents=True)
        self._content = random.Random(3).randbytes(FILE_BYTES)
        (data / "a.dat").write_bytes(self._content)
        (data / "dataset.toml").write_text('title = "A cell"\nacquired_on = 2026-11-01\nspecies = "Bdellovibrio"\n')
        self.prepare("init", lab)
        self.prepare("-w", lab, "key", "new", "me", "--passphrase-file", self.secret)
        self.prepare("-w", lab, "publish", "--yes", "--no-previews", "--passphrase-file", self.secret, data)
        command = [sys.executable, "-m", "etdb", "-w", str(lab), "serve", "--port", "0", "--no-follow"]
        self.prepare("-w", lab, "index")
        self._lab = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        url = re.search(r"http://\S+", self._lab.stdout.readline())[0]
        self.prepare("init", self.workspace, "--ledger", lab / "chain", "--gateway", url)
        self.root_cid = self.prepare("-w", lab, "--json", "search").partition('"location": "')[2].partition('"')[0]

    def close(self) -> None:
        """See ``Story``."""
        self._lab.terminate()
        self._lab.wait()
        self._lab.stdout.close()
        super().close()

    def words(self, name: str) -> list[object]:
        """See ``Story``."""
        if name == "index":
            return ["-w", self.workspace, "--json", "index"]
        return ["-w", self.workspace, "serve", "--port", "0", "--no-follow"]

    def first_again(self, _name: str) -> str:
        """The catalogue is free; it is made again."""
        return "index"

    def may_be_left_out(self, record: Record) -> bool:
        """What is fetched need not be kept."""
        return "cache/blocks" in record.path or super().may_be_left_out(record)

    def carry_out(
        self, name: str, env: dict[str, str], *, output: Path | None = None, seconds: float = 0
    ) -> tuple[int, str, str]:
        """While it serves somebody asks for the file, twice; then it is told to end."""
        if name == "index":
            return super().carry_out(name, env, output=output, seconds=seconds)
        for suffix in (".out", ".pid"):
            self.runner.output.with_suffix(suffix).unlink(missing_ok=True)
        has_ended, wrong = threading.Event(), []
        # A catalogue that cannot be read is said to be one; wrong bytes never come.
        may_refuse = env.get("ETDB_SHIM_MATCH", "").endswith("catalogue.sqlite")
        reader = threading.Thread(target=self._read, args=(has_ended, wrong, may_refuse))
        reader.start()
        try:
            ended = super().carry_out(name, env, output=output, seconds=seconds)
        finally:
            has_ended.set()
            reader.join()
        assert not wrong, (wrong, ended)
        return ended

    def _read(self, has_ended: threading.Event, wrong: list[object], may_refuse: bool) -> None:
        out = self.runner.output.with_suffix(".out")
        until = time.monotonic() + PATIENCE_S
        url = None
        while url is None and not has_ended.wait(0.02) and time.monotonic() < until:
            url = re.search(r"at (http://\S+)", out.read_text()) if out.exists() else None
        try:
            for _ in range(2) if url else ():
                status, body = _fetched(url[1], f"/ipfs/{self.root_cid}/a.dat")
                if (status, body) != (200, self._content) and not (may_refuse and status == 507):
                    wrong.append((status, len(body)))
        except OSError as error:
            wrong.append(repr(error))
        finally:
            if not has_ended.is_set():
                os.kill(int(self.runner.output.with_suffix(".pid").read_text()), signal.SIGTERM)

    def assert_whole(self, ended: tuple[str, ...]) -> None:
        """The file came right each time, or ``carry_out`` had said so; now its blocks are kept."""
        kept = [path for path in (self.workspace / "cache" / "blocks").rglob("*") if path.is_file()]
        assert sum(path.stat().st_size for path in kept) >= FILE_BYTES


def _fetched(url: str, path: str) -> tuple[int, bytes]:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=PATIENCE_S)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    except http.client.HTTPException as error:
        raise ConnectionError(repr(error)) from error
    finally:
        connection.close()
