"""Keep a small workspace as an older etdb wrote it, so that newer ones prove that they still read it.

    python tests/vectors/make/stores.py CHECKOUT OUT.json            a whole workspace
    python tests/vectors/make/stores.py CHECKOUT OUT.json --chain    a local chain alone
    python tests/vectors/make/stores.py CHECKOUT OUT.json --ledgers  what was read of a node, and imported texts
    python tests/vectors/make/stores.py CHECKOUT OUT.json --sync     which source each dataset came from

CHECKOUT is a clone of this repository at the version in question; its own code runs in a process of its own. Databases
are kept as SQL with their version, block files as hexadecimal, all else as text. The lab's folder, which stands in the
tables as an absolute path, is written as /LAB.
"""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

PASSPHRASE = "an old passphrase"
TOML = 'title = "A kept cell"\nspecies = "Vibrio cholerae"\nacquired_on = 2014-01-14\n'


def main(checkout: Path, out: Path) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        lab, workspace = Path(scratch) / "LAB" / "cell", Path(scratch) / "workspace"
        lab.mkdir(parents=True)
        (lab / "dataset.toml").write_text(TOML)
        (lab / "cell.txt").write_bytes(b"not much of a cell\n" * 3)

        def etdb(*arguments: str, secret: bool = False) -> dict:
            reader, writer = os.pipe()
            os.write(writer, (PASSPHRASE + "\n").encode())
            os.close(writer)
            done = subprocess.run(
                [
                    *(sys.executable, "-m", "etdb", "--workspace", str(workspace), "--json", *arguments),
                    *(("--passphrase-fd", str(reader)) if secret else ()),
                ],
                env=os.environ | {"PYTHONPATH": str(checkout / "src")},
                pass_fds=(reader,),
                stdout=subprocess.PIPE,
                cwd=scratch,
                check=True,
            )
            os.close(reader)
            return json.loads(done.stdout)

        etdb("init", str(workspace))
        etdb("key", "new", "lab", secret=True)
        published = etdb("publish", str(lab), "--yes", secret=True)
        etdb("index")
        document = made_by(checkout) | {
            "passphrase": PASSPHRASE,
            "published": published["datasets"],
            "lab": {path.name: path.read_text() for path in sorted(lab.iterdir())},
            "databases": {},
            "blocks": {},
            "files": {},
        }
        for path in sorted(one for one in workspace.rglob("*") if one.is_file()):
            name = str(path.relative_to(workspace))
            if path.suffix == ".sqlite":
                document["databases"][name] = dump(path).replace(str(lab.parent), "/LAB")
            elif path.suffix == ".dat":
                document["blocks"][name] = path.read_bytes().hex()
            elif path.suffix in {".toml", ".json"} or path.parent.name == "content":
                document["files"][name] = path.read_text()
        out.write_text(json.dumps(document, indent=1) + "\n")


def main_chain(checkout: Path, out: Path) -> None:
    code = (
        "import sys, pathlib\n"
        "from etdb.flo import REGTEST, PrivateKey\n"
        "from etdb.ledger import LocalChain\n"
        "chain = LocalChain(pathlib.Path(sys.argv[1]), writable=True)\n"
        "address = PrivateKey.generate(bytes(range(32))).address(REGTEST)\n"
        "for number in range(4): chain.mine(1, address, flo_data=b'text:%d' % number)\n"
        "print(chain.tip().block_hash)"
    )
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"PYTHONPATH": str(checkout / "src")}
        done = subprocess.run([sys.executable, "-c", code, folder], env=environment, stdout=subprocess.PIPE, check=True)
        document = made_by(checkout) | {
            "tip": done.stdout.decode().strip(),
            "index.sqlite": dump(Path(folder) / "index.sqlite"),
            "blk00000.dat": (Path(folder) / "blk00000.dat").read_bytes().hex(),
        }
    out.write_text(json.dumps(document, indent=1) + "\n")


def main_ledgers(checkout: Path, out: Path) -> None:
    code = (
        "import sys, pathlib\n"
        "from contextlib import closing\n"
        "from etdb.flo import REGTEST, PrivateKey\n"
        "from etdb.ledger import LocalChain\n"
        "from etdb.ledger.legacy import LegacyMessage\n"
        "from etdb.ledger.legacy_store import LegacyLedger\n"
        "from etdb.ledger.node import FloNode\n"
        "from etdb.ledger.rpc import RpcClient\n"
        "from etdb.testing.fake_node import FakeNode\n"
        "folder = pathlib.Path(sys.argv[1])\n"
        "address = PrivateKey(bytes(range(1, 33))).address(REGTEST)\n"
        "chain = LocalChain(folder / 'chain', writable=True)\n"
        "for number in range(4): chain.mine(1, address, flo_data=b'text:%d' % number)\n"
        "with FakeNode(chain) as fake, closing(\n"
        "    FloNode(RpcClient(fake.url), REGTEST, folder / 'node.sqlite', watch=[address])) as node:\n"
        "    list(node.blocks(0))\n"
        "with closing(LegacyLedger(folder / 'exported.sqlite', 'main', writable=True)) as texts:\n"
        "    texts.add(LegacyMessage(txid='%064x' % n, height=5 + n // 2, time_s=9 + n, data=b'text:%d' % n)\n"
        "              for n in range(3))\n"
    )
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"PYTHONPATH": str(checkout / "src")}
        subprocess.run([sys.executable, "-c", code, folder], env=environment, check=True)
        document = made_by(checkout) | {
            "node.sqlite": dump(Path(folder) / "node.sqlite"),
            "exported.sqlite": dump(Path(folder) / "exported.sqlite"),
            "blk00000.dat": (Path(folder) / "chain" / "blk00000.dat").read_bytes().hex(),
        }
    out.write_text(json.dumps(document, indent=1) + "\n")


def main_sync(checkout: Path, out: Path) -> None:
    code = (
        "import sys, pathlib\n"
        "from contextlib import closing\n"
        "from etdb.sync.state import SyncState\n"
        "with closing(SyncState(pathlib.Path(sys.argv[1]) / 'sync.sqlite', writable=True)) as state:\n"
        "    state.note('F' * 34, 'lab', ['one', 'two'])\n"
        "    state.settle('F' * 34, [('one', bytes(range(32)))])\n"
    )
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"PYTHONPATH": str(checkout / "src")}
        subprocess.run([sys.executable, "-c", code, folder], env=environment, check=True)
        document = made_by(checkout) | {"sync.sqlite": dump(Path(folder) / "sync.sqlite")}
    out.write_text(json.dumps(document, indent=1) + "\n")


def made_by(checkout: Path) -> dict:
    """What made a document."""
    head = subprocess.run(["git", "-C", checkout, "rev-parse", "HEAD"], stdout=subprocess.PIPE, check=True)
    return {
        "commit": head.stdout.decode().strip(),
        "python": sys.version.split()[0],
        "sqlite": sqlite3.sqlite_version,
    }


def dump(path: Path) -> str:
    """The tables as SQL; of the catalogue, whose search tables no dump can carry, the empty tables."""
    database = sqlite3.connect(path)
    version, application = (
        database.execute(f"PRAGMA {name}").fetchone()[0] for name in ("user_version", "application_id")
    )
    made = [
        row[0] for row in database.execute("SELECT sql FROM sqlite_master WHERE name NOT LIKE 'search#_%' ESCAPE '#'")
    ]
    is_plain = not any(sql and sql.startswith("CREATE VIRTUAL") for sql in made)
    lines = list(database.iterdump()) if is_plain else [f"{sql};" for sql in made if sql]
    return "\n".join([*lines, f"PRAGMA user_version = {version};", f"PRAGMA application_id = {application};"])


makers = {"--chain": main_chain, "--ledgers": main_ledgers, "--sync": main_sync}
makers.get(sys.argv[-1], main)(Path(sys.argv[1]).resolve(), Path(sys.argv[2]))
