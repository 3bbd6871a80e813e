"""``python -m etdb``: the same as ``etdb``."""

from etdb.cli import main

main()
