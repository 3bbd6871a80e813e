"""A process that synchronises a new workspace with a node, for the case `sync`: prints how fast, and its peak memory.

python -m benchmarks.sync_process URL PASSWORD_FILE SCRATCH BLOCKS [FOLDER]
"""

from __future__ import annotations

import json
import resource
import sys
import time
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

from etdb.flo import REGTEST
from etdb.ledger.blockfolder import BlockFolder
from etdb.ledger.blockfolder_beside import FolderBesideNode
from etdb.ledger.blocksource import BlockSource
from etdb.ledger.node import FloNode
from etdb.ledger.node_blocks import RpcBlocks
from etdb.ledger.rpc import RpcClient
from etdb.ledger.rpc_login import RpcLogin


def main(url: str, password_file: str, scratch: str, count: int, beside: str = "") -> None:
    client = RpcClient(url, RpcLogin(user="etdb", password_file=Path(password_file)))
    source: BlockSource = RpcBlocks(client)
    if beside:
        source = FolderBesideNode(source, lambda: BlockFolder(Path(beside), REGTEST, scratch=Path(scratch)))
    reached: list[tuple[float, float]] = []

    def note(_step: str, done: int, _total: int) -> None:
        if done == count - 1:
            reached.append((time.perf_counter(), time.process_time()))

    with TemporaryDirectory(dir=scratch) as folder:
        started, processor = time.perf_counter(), time.process_time()
        ledger = FloNode(client, REGTEST, Path(folder) / "node.sqlite", source=source, progress=note)
        with closing(ledger):
            assert sum(1 for _ in ledger.blocks(0)) == count
            ended = time.perf_counter()
    (synced, used), *_ = reached
    found = {
        "rate": count / (synced - started),
        "read_rate": count / (ended - started),
        "processor_us": (used - processor) / count * 1e6,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    print(json.dumps(found))


main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), *sys.argv[5:])
