"""The plainest file server there is: a folder's files, straight from the kernel. Prints its URL and serves."""

from __future__ import annotations

import socketserver
import sys
from pathlib import Path

ROOT = Path(sys.argv[1])


class _Answer(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        while request := self.rfile.readline().split():
            while self.rfile.readline().strip():
                pass
            name = request[1].decode().partition("?")[0].lstrip("/")
            with (ROOT / name).open("rb") as file:
                size = (ROOT / name).stat().st_size
                self.wfile.write(f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n".encode())
                self.wfile.flush()
                self.connection.sendfile(file)


with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Answer) as server:
    print(f"http://127.0.0.1:{server.server_address[1]}/", flush=True)
    server.serve_forever()
