"""Servers that the cases measure against, each in a process of its own on the loopback."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.measure import Peak

__all__ = ["gateway", "plain_server", "plain_server_name", "portal_server"]

_NGINX_CONF = """\
worker_processes 2; daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 256; }}
http {{
  access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000; default_type application/octet-stream;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  server {{ listen 127.0.0.1:{port}; root {root}; }}
}}
"""


def plain_server_name() -> str:
    """What serves plain files here."""
    return "nginx (sendfile)" if _nginx() else "a plain file server (sendfile; nginx is not installed)"


@contextmanager
def plain_server(root: Path) -> Iterator[str]:
    """Serve the files of a folder as they are; gives the URL."""
    program = _nginx()
    if program is None:
        with _started([sys.executable, "-m", "benchmarks.plain_server", str(root)]) as (process, _peak):
            assert process.stdout is not None
            yield process.stdout.readline().strip().rstrip("/")
        return
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    folder = root.with_name(root.name + "-nginx")
    folder.mkdir(exist_ok=True)
    conf = folder / "nginx.conf"
    user = "user root; " if os.geteuid() == 0 else ""  # otherwise its workers could not read our folder
    conf.write_text(user + _NGINX_CONF.format(folder=folder, root=root, port=port), encoding="utf-8")
    with _started([program, "-p", str(folder), "-c", str(conf)]):
        _until_listening(port)
        yield f"http://127.0.0.1:{port}"


@contextmanager
def gateway(digests: Path, content: Path, *, check: bool = True) -> Iterator[tuple[str, Peak]]:
    """Our gateway over files in place; gives the URL and its memory."""
    command = [sys.executable, "-m", "benchmarks.gateway_process", str(digests), str(content)]
    with _started([*command, *([] if check else ["--no-check"])]) as (process, peak):
        assert process.stdout is not None
        yield process.stdout.readline().strip().rstrip("/"), peak


@contextmanager
def portal_server(arguments: list[str]) -> Iterator[tuple[str, Peak]]:
    """What `benchmarks.portal_process` makes of these; gives the URL and its memory."""
    with _started([sys.executable, "-m", "benchmarks.portal_process", *arguments]) as (process, peak):
        assert process.stdout is not None
        yield process.stdout.readline().strip().rstrip("/"), peak


@contextmanager
def _started(command: list[str]) -> Iterator[tuple[subprocess.Popen[str], Peak]]:
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        peak = Peak(process.pid)
        try:
            yield process, peak
        finally:
            peak.look()
            process.terminate()


def _nginx() -> str | None:
    return shutil.which("nginx") or shutil.which("/usr/sbin/nginx")


def _until_listening(port: int) -> None:
    for _ in range(100):
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1):
                return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError("nginx does not start")
