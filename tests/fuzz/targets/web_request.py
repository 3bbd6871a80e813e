"""A request head is left to the full server, or understood as it would be; a range is within the file or none."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

from etdb.web.httphead import parse_plain_request
from etdb.web.wanted import Wanted, wanted_range

PLAIN = b"GET /ipfs/bafkqaaa/a/b.mrc?format=raw HTTP/1.1\r\nHost: a\r\nRange: bytes=1-5\r\n\r\n"


def seeds() -> list[bytes]:
    query = PLAIN.replace(b"raw", b"car&car-dups=n&&=&a&b=1=2")
    return [
        query,
        PLAIN.replace(b"/a/b.mrc", b"/"),
        PLAIN,
        PLAIN.replace(b"GET", b"HEAD"),
        b"bytes=-5",
        b"bytes=\n-",
        b"bytes=7-",
        b"bytes=3-2",
        PLAIN + PLAIN,
    ]


def check(data: bytes) -> None:
    found = parse_plain_request(data)
    if found is not None:
        length, wanted = found
        assert 0 < length <= len(data)
        assert data[:length].endswith(b"\r\n\r\n")
        # The general server would understand the same.
        line = data[:length].split(b"\r\n")[0].decode().split(" ")
        target = urlsplit(line[1])
        assert (line[0] == "HEAD", wanted.url_path) == (wanted.is_head, target.path)
        assert target.path == f"/ipfs/{wanted.cid}" + (
            f"/{wanted.path}" if wanted.path or line[1].count("/") > 2 else ""
        )
        assert wanted.query == dict(parse_qsl(target.query, keep_blank_values=True))
    asked = Wanted(is_head=False, cid="", path="", url_path="", query={}, headers={"range": data.decode("latin-1")})
    for size in (0, 1, 1000):
        window = wanted_range(asked, size, '"etag"')
        if window is not None:
            assert window[0] >= 0
            assert window[1] <= size
