"""The program: ``etdb``, and ``python -m etdb``."""

from __future__ import annotations

import signal

__all__ = ["main"]


def main() -> None:
    """Run the command line."""
    # Nothing has begun while the modules are read, so Ctrl-C just ends the program, without a traceback of them.
    may_be_interrupted = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if may_be_interrupted:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from etdb.cli import main as run

    if may_be_interrupted:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    run()


if __name__ == "__main__":
    main()
