"""A gateway in a process of its own: given its digests and its content folder, prints its URL and serves."""

from __future__ import annotations

import sys
from pathlib import Path

from etdb.blocks import FilesInPlace
from etdb.web.gateway import gateway_app
from etdb.web.serving import serve

store = FilesInPlace(Path(sys.argv[1]), content_folder=Path(sys.argv[2]))
serve(gateway_app(store, check="--no-check" not in sys.argv), on_ready=lambda url: print(url, flush=True))
