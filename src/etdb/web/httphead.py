"""The head of a plain request for content, read strictly: what is not certain is not ours to answer.

Only what every client sends for bytes is taken: GET or HEAD of ``/ipfs/...`` over HTTP/1.1, no body, no conditions, a
kept connection. For all else there is a server with the whole of HTTP.
"""

from __future__ import annotations

import re

from etdb.web.wanted import Wanted

__all__ = ["MAX_HEAD_BYTES", "parse_plain_request"]

MAX_HEAD_BYTES = 8 * 1024
_LINE = re.compile(r"(GET|HEAD) (/ipfs/([A-Za-z0-9]+)(?:/([A-Za-z0-9._~/-]*))?)(?:\?([A-Za-z0-9=&._-]*))? HTTP/1\.1")
_HEADER = re.compile(r"([A-Za-z0-9-]+):([\x20-\x7e\t]*)")
_NOT_PLAIN = frozenset(
    {"content-length", "transfer-encoding", "expect", "upgrade", "te", "trailer", "if-match", "if-unmodified-since"}
)


def parse_plain_request(data: bytes) -> tuple[int, Wanted] | None:
    """The length of the head that ``data`` begins with, and what it wants; None when it is anything but plain."""
    end = data.find(b"\r\n\r\n")
    if not 0 < end <= MAX_HEAD_BYTES - 4 or not data[:end].isascii():
        return None
    first, *lines = data[:end].decode("ascii").split("\r\n")
    line = _LINE.fullmatch(first)
    if line is None:
        return None
    headers: dict[str, str] = {}
    for one in lines:
        header = _HEADER.fullmatch(one)
        name = header[1].lower() if header else ""
        if header is None or name in headers or name in _NOT_PLAIN:
            return None
        headers[name] = header[2].strip(" \t")
    if "host" not in headers or headers.get("connection", "keep-alive").lower() != "keep-alive":
        return None
    wanted = Wanted(
        is_head=line[1] == "HEAD",
        cid=line[3],
        path=line[4] or "",
        url_path=line[2],
        query=dict(one.partition("=")[::2] for one in (line[5] or "").split("&") if one),  # no % or + is in it
        headers=headers,
    )
    return end + 4, wanted
