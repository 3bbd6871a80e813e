"""A small S3 store in memory: what `etdb.stage.s3` asks of one, with checksums, parts, and faults on demand.

It checks what a request says of its bytes as Amazon's does, and no signatures. Real stores are judged elsewhere.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

__all__ = ["FakeS3", "fake_s3"]


class FakeS3:
    """What the store holds; tests look at it and spoil it.

    ``says_checksums`` False is a store that knows nothing of them; ``spoils`` one that keeps other bytes.
    ``says`` has other texts for elements and headers of its answers; None leaves one out.
    """

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.checksums: dict[str, str] = {}
        self.uploads: dict[str, tuple[str, dict[int, bytes]]] = {}
        self.requests: list[str] = []
        self.says_checksums = True
        self.spoils = False
        self.says: dict[str, str | None] = {}
        self.url = ""
        self._ids = itertools.count(1)

    def begin(self, key: str) -> str:
        """A new upload in parts."""
        upload = f"upload-{next(self._ids)}"
        self.uploads[upload] = (key, {})
        return upload


@contextmanager
def fake_s3() -> Iterator[FakeS3]:
    """A store on a free port of this machine; buckets need not be made."""
    store = FakeS3()

    class Handler(_Handler):
        s3 = store

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    store.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield store
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    s3: FakeS3
    protocol_version = "HTTP/1.1"

    def do_PUT(self) -> None:
        key, query, body = self._read()
        given = self.headers.get("x-amz-checksum-sha256")
        if given is not None and given != _base64(hashlib.sha256(body).digest()):
            self._error(400, "BadDigest")
            return
        kept = body[:-1] + b"?" if self.s3.spoils and body else body
        if "partNumber" in query:
            self.s3.uploads[query["uploadId"]][1][int(query["partNumber"])] = kept
        else:
            self.s3.objects[key] = kept
            self.s3.checksums[key] = _base64(hashlib.sha256(kept).digest())
        self._answer(200, b"", {"ETag": f'"{hashlib.md5(kept).hexdigest()}"'})  # noqa: S324 - what S3 calls an ETag

    def do_POST(self) -> None:
        key, query, _ = self._read()
        if "uploads" in query:
            upload = self.s3.begin(key)
            self._xml(f"<InitiateMultipartUploadResult><UploadId>{upload}</UploadId></InitiateMultipartUploadResult>")
            return
        _, parts = self.s3.uploads.pop(query["uploadId"])
        pieces = [parts[number] for number in sorted(parts)]
        self.s3.objects[key] = b"".join(pieces)
        digest = hashlib.sha256(b"".join(hashlib.sha256(piece).digest() for piece in pieces)).digest()
        self.s3.checksums[key] = f"{_base64(digest)}-{len(pieces)}"
        self._xml("<CompleteMultipartUploadResult><ETag>x</ETag></CompleteMultipartUploadResult>")

    def do_GET(self) -> None:
        key, query, _ = self._read()
        if "list-type" in query:
            held = "".join(
                f"<Contents><Key>{escape(one)}</Key><Size>{len(data)}</Size></Contents>"
                for one, data in sorted(self.s3.objects.items())
                if one.startswith(query.get("prefix", ""))
            )
            self._xml(f"<ListBucketResult><IsTruncated>false</IsTruncated>{held}</ListBucketResult>")
        elif "uploads" in query:
            held = "".join(
                f"<Upload><Key>{escape(one)}</Key><UploadId>{upload}</UploadId></Upload>"
                for upload, (one, _) in self.s3.uploads.items()
                if one.startswith(query.get("prefix", ""))
            )
            self._xml(f"<ListMultipartUploadsResult>{held}</ListMultipartUploadsResult>")
        elif "uploadId" in query:
            held = "".join(
                f"<Part><PartNumber>{number}</PartNumber><ETag>e</ETag><Size>{len(data)}</Size>"
                f"<ChecksumSHA256>{_base64(hashlib.sha256(data).digest())}</ChecksumSHA256></Part>"
                for number, data in sorted(self.s3.uploads[query["uploadId"]][1].items())
            )
            self._xml(f"<ListPartsResult><IsTruncated>false</IsTruncated>{held}</ListPartsResult>")
        elif key in self.s3.objects:
            self._answer(200, self.s3.objects[key], {})
        else:
            self._error(404, "NoSuchKey")

    def do_HEAD(self) -> None:
        key, _, _ = self._read()
        if key not in self.s3.objects:
            self._answer(404, b"", {})
            return
        more = {"x-amz-checksum-sha256": self.s3.checksums[key]} if self.s3.says_checksums else {}
        self._answer(200, self.s3.objects[key], more)

    def do_DELETE(self) -> None:
        key, query, _ = self._read()
        if "uploadId" in query:
            self.s3.uploads.pop(query["uploadId"], None)
        else:
            self.s3.objects.pop(key, None)
        self._answer(204, b"", {})

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
        pass

    def _read(self) -> tuple[str, dict[str, str], bytes]:
        parts = urlsplit(self.path)
        key = unquote(parts.path).partition("/")[2].partition("/")[2]
        query = {name: values[0] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.s3.requests.append(f"{self.command} {key} {query.get('partNumber', '')}".strip())
        return key, query, body

    def _xml(self, text: str) -> None:
        for name, said in self.s3.says.items():
            text = re.sub(f"<{name}>[^<]*</{name}>", f"<{name}>{said}</{name}>" if said is not None else "", text)
        self._answer(200, f'<?xml version="1.0"?>{text}'.encode(), {"Content-Type": "application/xml"})

    def _error(self, status: int, code: str) -> None:
        body = f"<Error><Code>{code}</Code><Message>{code}</Message></Error>".encode()
        self._answer(status, body, {"Content-Type": "application/xml"})

    def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            if (said := self.s3.says.get(name, value)) is not None:
                self.send_header(name, said)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD" and status != 204:
            self.wfile.write(body)


def _base64(digest: bytes) -> str:
    return base64.b64encode(digest).decode()
