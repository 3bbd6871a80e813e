"""The plainest file server there is: one file, straight from the kernel. Prints its URL and serves."""

from __future__ import annotations

import socketserver
import sys
from pathlib import Path

PATH = Path(sys.argv[1])


class _Answer(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        while self.rfile.readline().strip():
            pass
        size = PATH.stat().st_size
        self.wfile.write(f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\nConnection: close\r\n\r\n".encode())
        self.wfile.flush()
        with PATH.open("rb") as file:
            self.connection.sendfile(file)


with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Answer) as server:
    print(f"http://127.0.0.1:{server.server_address[1]}/", flush=True)
    server.serve_forever()
