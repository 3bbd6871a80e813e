"""Records published into a real full node whose blocks come every two seconds: bound by the blocks, not by us."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.measure import Figure, Settings
from etdb.testing.images import mrc_header

if TYPE_CHECKING:
    from fcoin_node import FcoinNode

_INTEROP = Path(__file__).resolve().parent.parent / "tests" / "interop"
_RECORDS = 1_000
_SPACING_S = 2.0
_EMPTY_BYTES = 1_000
_CORE_SHARE = 0.2
_LANES = 8
_TOML = """\
title = "Cell {number:04d}, whole, single axis"
description = "{text}"
species = "Vibrio cholerae"
microscope = "Polara"
acquired_on = 2014-01-14
sid = "bench{number:04d}"
"""
_TEXT = "Vitreous ice, flagellum and chemoreceptor array visible, pili at one pole, storage granules near. " * 24


def run(settings: Settings) -> list[Figure]:
    sys.path.insert(0, str(_INTEROP))
    import fcoin_node

    if not fcoin_node.is_installed():
        print(f"  left out: {fcoin_node.LEFT_OUT}")
        return []
    count = min(settings.limit or _RECORDS, _RECORDS)
    lab = settings.folder / "lab"
    for number in range(count):
        dataset = lab / f"bench{number:04d}"
        dataset.mkdir(parents=True)
        (dataset / "dataset.toml").write_text(_TOML.format(number=number, text=_TEXT.strip()), encoding="utf-8")
        (dataset / "cell_rec.mrc").write_bytes(mrc_header(1024) + number.to_bytes(4, "big") * 256)
    with fcoin_node.FcoinNode(settings.folder / "fcoin", log_level="warning") as node:
        return [_publish(settings.folder, lab, node, count)]


def _publish(folder: Path, lab: Path, node: FcoinNode, count: int) -> Figure:
    secret = folder / "passphrase"
    secret.touch(mode=0o600)
    secret.write_text("bench bench bench\n")
    words = ["--network", "regtest", "--node", node.url, "--node-user", "bench"]
    _etdb(folder, "init", str(folder / "w"), *words, "--node-password-file", str(node.password_file()))
    address = _etdb(folder, "key", "new", "--passphrase-file", str(secret))[0]["address"]
    for _ in range(_LANES):
        node.mine(1, address)
    node.mine(100)
    height = node.height
    unlock = ["--passphrase-file", str(secret)]
    before, before_s = _etdb(folder, "publish", str(lab), "--yes", "--no-wait", *unlock)
    with _mining(node):
        started = time.monotonic()
        report, processor_s = _etdb(folder, "publish", "--resume", "--yes", "--wait-timeout", "1200", *unlock)
        seconds = time.monotonic() - started
    sizes = [len(node.raw_block(at)) for at in range(height + 1, node.height + 1)]
    used = [size for size in sizes if size > _EMPTY_BYTES]
    full = math.ceil(sum(used) / max(used))
    transactions = int(before["transactions_sent"]) + int(report["transactions_sent"])
    return Figure(
        name="signed records into a full node, a block every 2 s",
        unit="records/s",
        ours=count / (len(used) * _SPACING_S),
        reference=count / (full * _SPACING_S),
        reference_name=f"blocks of {max(used) / 1e3:.0f} kB, this node's largest, one after the other",
        note=(
            f"bound by the room in blocks: {count} records in {transactions} transactions, {sum(used) / 1e6:.1f} MB in"
            f" {len(used)} blocks of which {full} would do; {seconds:.0f} s until all are final, {processor_s:.1f} s of"
            f" the processor, {processor_s / seconds:.0%} of a core (aim: under {_CORE_SHARE:.0%}). Before: {count}"
            f" datasets read, hashed and signed, {before['transactions_sent']} transactions sent, in {before_s:.1f} s"
            " of the processor"
        ),
    )


def _etdb(folder: Path, *words: str) -> tuple[dict, float]:
    """A command's document, and the processor's seconds that it took."""
    output = folder / "said.json"
    with output.open("wb") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", "etdb", "--workspace", str(folder / "w"), "--json", *words], stdout=said
        )
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, output.read_text()
    return json.loads(output.read_text()), used.ru_utime + used.ru_stime


@contextmanager
def _mining(node: FcoinNode) -> Iterator[None]:
    ended = threading.Event()

    def work() -> None:
        while not ended.wait(_SPACING_S):
            node.mine(1)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
