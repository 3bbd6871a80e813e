"""The demo with nodes that nobody here wrote: a FLO full node (fcoin) takes the records, a Kubo hands out the files.

    python tests/interop/demo_nodes.py [--folder FOLDER]

Both are started on loopback in the demo's folder, and ended by their process ids. Blocks come every two seconds from
here, since fcoin's own miner is broken.
"""

from __future__ import annotations

import argparse
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE)]

import kubo_node  # noqa: E402
from fcoin_node import LEFT_OUT, FcoinError, FcoinNode, is_installed  # noqa: E402
from rich.console import Console  # noqa: E402

from etdb.demo.commands import Commands  # noqa: E402
from etdb.demo.stage import Stage  # noqa: E402
from etdb.demo.story import run_demo  # noqa: E402
from etdb.errors import EtdbError  # noqa: E402

BLOCK_SPACING_S = 2.0
MATURE = 101


class NodesStage(Stage):
    """fcoin and Kubo."""

    publish_options = ("--wait", "--wait-timeout", "300")

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._fcoin: FcoinNode | None = None
        self.ledger = "a real full node's regtest (fcoin)"

    def init_publisher(self, etdb: Commands, workspace: Path) -> None:
        """Start the full node in the demo's folder, and make a workspace on it."""
        self._fcoin = FcoinNode(workspace / "fcoin")
        self._stack.enter_context(self._fcoin)
        etdb.run("init", str(workspace), *self._node_options())

    def _node_options(self) -> list[str]:
        assert self._fcoin is not None
        password = str(self._fcoin.password_file())
        return [
            *("--network", "regtest", "--node", self._fcoin.url),
            *("--node-user", "demo", "--node-password-file", password),
        ]

    def fund(self, address: str) -> None:
        """Mine coins for the publisher; from now on a block comes every two seconds."""
        assert self._fcoin is not None
        self._fcoin.mine(1, address)
        self._fcoin.mine(MATURE - 1)
        self._stack.enter_context(mining(self._fcoin))

    @contextmanager
    def sharing(self, workspace: Path) -> Iterator[str]:
        """The published files in a Kubo, which refers to them where they are; its gateway gives them out."""
        starter = kubo_node.Kubos()
        try:
            daemon = starter.start(workspace)  # Kubo refers to files below the folder of its repository
            Commands(workspace).run("kubo", "add", "--api", daemon.api)
            yield daemon.gateway
        finally:
            starter.stop()

    def init_reader(self, etdb: Commands, reader: Path, publisher: Path, url: str) -> None:
        """A stranger with the same node, and the Kubo's gateway."""
        etdb.run("init", str(reader), *self._node_options(), "--gateway", url)


@contextmanager
def mining(node: FcoinNode) -> Iterator[None]:
    """A block every two seconds, from a thread."""
    ended = threading.Event()

    def work() -> None:
        while not ended.wait(BLOCK_SPACING_S):
            with suppress(FcoinError, OSError):
                node.mine(1)

    thread = threading.Thread(target=work, name="miner")
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def main() -> int:
    """Run it; 0 when every byte came back."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", default="demo-workspace", type=Path)
    options = parser.parse_args()
    console = Console()
    for is_there, left_out in ((is_installed(), LEFT_OUT), (kubo_node.kubo_path().exists(), kubo_node.LEFT_OUT)):
        if not is_there:
            console.print(left_out)
            return 1
    try:
        with ExitStack() as stack:
            run_demo(options.folder, console, NodesStage(stack))
    except EtdbError as error:
        console.print(f"[red]{error.message}[/red] {error.hint}")
        return error.exit_status
    return 0


if __name__ == "__main__":
    sys.exit(main())
