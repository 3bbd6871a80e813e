"""A lab with a real MariaDB and small real files, and `etdb sync` as its timer runs it. To see it:

python -m tests.labdb.night 210
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import mrcfile
from tests.labdb import publicdb, servers

from etdb.ledger import LocalChain
from etdb.publish import Journal
from etdb.workspace import Keyring, Workspace

SHARED = Path(__file__).resolve().parents[2].parent / "shared"
SETTINGS = """
[source.caltech]
kind = "caltech"
folder = "../data"
url = "mysql://reader@localhost/publicdb?unix_socket={sock}"
password_file = "../password"
length_unit = "nm"
[source.caltech.record]
lab = "Jensen Lab"
institution = "Caltech"
licence = "CC-BY-NC-4.0"
tags = ["etdb", "electron tomography"]
description = "From the Caltech tomography database"
"""


class Night:
    """A lab's folder, its database and its workspace."""

    def __init__(self, root: Path, sock: Path, count: int) -> None:
        self.root, self.sock = root, sock
        self.words: tuple[str, ...] = ()
        self.workspace = Workspace.init(root / "ws")
        Keyring(self.workspace.keys_folder, self.workspace.flo_network_name, scrypt_n=2**14).new("me", "s3cret")
        LocalChain(self.workspace.chain_folder, writable=True).close()
        self.secret = root / "password"  # of the key, and of the database
        self.secret.touch(mode=0o600)
        self.secret.write_text("s3cret\n")
        config = self.workspace.config_path
        config.write_text(config.read_text() + SETTINGS.format(sock=sock))
        rows = publicdb.corpus(SHARED / "data" / "etdb" / "etdb_tiltseries_flat_DERIVED.csv.gz", count)
        self.tables = publicdb.series_rows(rows)
        schema = json.loads((SHARED / "vectors" / "mysql_publicdb.json").read_text())
        publicdb.fill(sock, schema, self.tables)
        with mrcfile.open(SHARED / "data" / "maps" / "EMD-3197.map") as volume:
            publicdb.write_files(self.tables, root / "data", volume.data.astype("f4"))
        self.sids = [row["tiltseriesID"] for row in self.tables["TiltSeriesData"]]

    def execute(self, statement: str, *values: object) -> None:
        """The lab changes something."""
        with servers.mariadb_root(self.sock, database="publicdb", charset="utf8mb4") as db:
            db.cursor().execute(statement, values)

    def command(self, *words: object) -> list[str]:
        """`etdb sync` with these words."""
        etdb = [sys.executable, "-m", "etdb", "-w", str(self.workspace.root), *map(str, words)]
        return [*etdb, "--yes", "--passphrase-file", str(self.secret)]

    def sync(self, *words: object) -> dict[str, Any]:
        """One run to its end."""
        done = subprocess.run(
            self.command("--json", "sync", *self.words, *words), capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr + done.stdout[-2000:]
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def did(self) -> Counter[str]:
        """What one run did, by what it is called."""
        return Counter(one["what"] for source in self.sync()["sources"] for one in source["changes"])

    def sync_killed_after(self, seconds: float) -> bool:
        """One run that is killed; whether it was."""
        with tempfile.TemporaryFile() as out:
            process = subprocess.Popen(self.command("sync", *self.words), stdout=out, stderr=out)
            try:
                process.wait(seconds)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                process.wait()
            return process.returncode == -signal.SIGKILL

    def messages(self) -> Counter[tuple[str, str]]:
        """The journal's messages, by kind and state."""
        with closing(Journal(self.workspace.journal_path)) as journal:
            return Counter((one.kind, one.state) for one in journal.datasets())

    def indexed(self) -> list[dict[str, Any]]:
        """What anyone sees who reads the chain."""
        for words in (("index",), ("--json", "search", "--limit", "1000")):
            done = subprocess.run(
                [sys.executable, "-m", "etdb", "-w", str(self.workspace.root), *words],
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, done.stderr
        found: list[dict[str, Any]] = json.loads(done.stdout)["results"]
        return found

    def change(self) -> tuple[str, str, str]:
        """The lab changes a title, replaces a file, and deletes a series; their sids."""
        titled, refiled, deleted = self.sids[3], self.sids[50], self.sids[100]
        self.execute("UPDATE TiltSeriesData SET title = %s WHERE tiltseriesID = %s", "A better title, Å", titled)
        raw = self.root / "data" / refiled / "rawdata" / f"{refiled}.mrc"
        data = bytearray(raw.read_bytes())
        data[-4:] = b"\x00\x00\x80\x3f"
        raw.write_bytes(data)
        self.execute(
            "UPDATE TiltSeriesData SET status = 1, delete_text = 'wrong sample' WHERE tiltseriesID = %s", deleted
        )
        return titled, refiled, deleted


@contextmanager
def lab_night(root: Path, count: int) -> Iterator[Night]:
    """Everything, in a folder of its own."""
    with servers.mariadb() as sock:
        with servers.mariadb_root(sock) as db:
            for user in ("reader", "writer"):
                db.cursor().execute(f"CREATE USER {user} IDENTIFIED BY 's3cret'")
        yield Night(root, sock, count)


def main() -> None:
    """Show it."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 210
    with tempfile.TemporaryDirectory(prefix="etdb-night-") as name, lab_night(Path(name), count) as night:
        etdb = [sys.executable, "-m", "etdb", "-w", str(night.workspace.root)]

        def show(*words: str) -> None:
            print(f"\n$ etdb {' '.join(words)}", flush=True)
            started = time.monotonic()
            more = ["--yes", "--passphrase-file", str(night.secret)] if words == ("sync",) else []
            subprocess.run([*etdb, *words, *more], check=False, env={**os.environ, "COLUMNS": "120"})
            print(f"({time.monotonic() - started:.1f} s)", flush=True)

        show("sync", "--dry-run")
        show("sync")
        show("sync")
        titled, refiled, deleted = night.change()
        print(f"\nThe lab gives {titled} another title, replaces a file of {refiled}, and deletes {deleted}.")
        show("sync", "--dry-run")
        show("sync")
        show("sync")
        show("index")
        show("search", "better title")


if __name__ == "__main__":
    main()
