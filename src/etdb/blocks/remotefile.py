"""Reading at any place of a file on a plain web server: by ranges, or by fetching it once where there are none."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPResponse
from pathlib import Path

from etdb.blocks.http import HttpSource, Stop
from etdb.errors import EtdbError, FormatError, SourceError

__all__ = ["MAX_KEPT_BYTES", "RemoteFile"]

MAX_KEPT_BYTES = 16 << 30
"""The longest file that is kept on the disk for a while, because its server has no ranges."""
SPARE_BYTES = 256 << 20
"""What is left free on the disk."""
_PIECE_BYTES = 256 << 10
_LOOK_S = 0.1
_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18})", re.ASCII)


class RemoteFile:
    """A file at a URL. Can be used from several threads.

    Args:
        url: of the file.
        timeout_s: seconds of silence before the server is given up.
        public_only: see :class:`~etdb.blocks.http.HttpSource`.
        scratch: where the file is kept when the server has no ranges; None is the system's place.

    Raises:
        InputError: not such a URL.
    """

    def __init__(
        self, url: str, *, timeout_s: float = 30.0, public_only: bool = False, scratch: Path | None = None
    ) -> None:
        self._http = HttpSource(url, timeout_s=timeout_s, public_only=public_only)
        self.url = self._http.url
        self._scratch = scratch
        self._lock = threading.Lock()
        self._size: int | None = None
        self._kept: _KeptFile | None = None

    def size_bytes(self) -> int | None:
        """Its length; None while that is not known, because the server does not say it."""
        if self._kept is not None and self._kept.is_complete:
            return self._kept.length
        if self._size is None and self._kept is None:
            self.read(0, 1)
        return self._size

    def read(self, offset: int, length: int) -> bytes:
        """Bytes from a place; fewer only at the end of the file.

        Raises:
            NotFoundError: there is no such file.
            SourceError: the server cannot be reached, is too slow, or breaks off.
            FormatError: it has no ranges, and the file is too long to be kept.
        """
        if self._size is not None:
            length = min(length, self._size - offset)
        if length <= 0:
            return b""
        if self._kept is None or self._kept.has_failed:
            with self.stream(offset, offset + length) as response:
                if response is not None:
                    room = bytearray(length)
                    count = self._http.read_into(response, memoryview(room))
                    if count < length and offset + count != self._size:
                        raise SourceError(f"{self.url} broke off at offset {offset + count}", source=self.url)
                    return bytes(room[:count])
        kept = self._kept
        assert kept is not None
        return kept.read(offset, length)

    @contextmanager
    def stream(self, start: int, stop: int) -> Iterator[HTTPResponse | None]:
        """The response with bytes ``start`` to ``stop`` of the file; None when they come from :meth:`read` alone.

        Raises:
            NotFoundError, SourceError: as :meth:`read`.
        """
        if self._kept is not None and not self._kept.has_failed:
            yield None
            return
        headers = {"Range": f"bytes={start}-{stop - 1}"}
        with self._http.request("GET", "", expected_bytes=stop - start, headers=headers) as response:
            found = _RANGE.fullmatch(response.getheader("Content-Range", ""))
            if response.status == 206 and found is not None and int(found[1]) == start:
                self._size = int(found[3])
                yield response
                return
            if response.status != 200:
                raise SourceError(f"{self.url} does not serve bytes {start} to {stop} as asked", source=self.url)
        self._keep()
        yield None

    def fill(self, response: HTTPResponse, room: memoryview) -> int:
        """Read from a response of :meth:`stream`; gives the bytes read, fewer only at its end."""
        return self._http.read_into(response, room)

    def close(self) -> None:
        """Let go of connections and of what was kept."""
        with self._lock:
            if self._kept is not None:
                self._kept.close()
        self._http.close()

    def _keep(self) -> None:
        with self._lock:
            if self._kept is None or self._kept.has_failed:
                if self._kept is not None:
                    self._kept.close()
                self._kept = _KeptFile(self._http, self._scratch)


class _KeptFile:
    """The whole file on its way into a nameless file of this machine, by a thread of its own."""

    def __init__(self, http: HttpSource, scratch: Path | None) -> None:
        self._http = http
        self._scratch = scratch or Path(tempfile.gettempdir())
        self.length = 0
        self.is_complete = False
        self._error: EtdbError | None = None
        self._stop = Stop()
        self._changed = threading.Condition()
        try:
            self._file = tempfile.TemporaryFile(dir=self._scratch)  # noqa: SIM115 - closed by close()
        except OSError as error:
            raise self._no_room(error.strerror or str(error)) from error
        self._thread = threading.Thread(target=self._run, name="etdb-keep", daemon=True)
        self._thread.start()

    @property
    def has_failed(self) -> bool:
        return self._error is not None

    def read(self, offset: int, length: int) -> bytes:
        outer = Stop.current()
        with self._changed:
            while self.length < offset + length and not self.is_complete and self._error is None:
                if outer is not None and outer.is_set:
                    raise SourceError(f"{self._http.url} has not come so far yet", source=self._http.url)
                self._changed.wait(_LOOK_S)
            if self.length < offset + length and self._error is not None:
                raise self._error
            return os.pread(self._file.fileno(), min(length, max(0, self.length - offset)), offset)

    def _no_room(self, why: str) -> SourceError:
        """An error of this source, not of the disk that the download goes to: others can still bring it."""
        return SourceError(
            f"{self._http.url} has no ranges, and there is no room to keep it for a while: {why}",
            hint="make room in the folder for temporary files, or use a server with ranges",
            source=self._http.url,
        )

    def close(self) -> None:
        self._stop.set()
        self._thread.join()
        with self._changed:  # others may be reading what has come
            self._error = self._error or SourceError(f"{self._http.url} was closed", source=self._http.url)
            self.length, self.is_complete = 0, False
            self._file.close()

    def _run(self) -> None:
        error: EtdbError | None = None
        try:
            with self._stop, self._http.request("GET", "", expected_bytes=None) as response:
                if (response.length or 0) + SPARE_BYTES > shutil.disk_usage(self._scratch).free:
                    raise self._no_room(f"it has {response.length} bytes")
                while piece := response.read1(_PIECE_BYTES):
                    if self.length + len(piece) > MAX_KEPT_BYTES:
                        raise FormatError(f"{self._http.url} is longer than {MAX_KEPT_BYTES} bytes")
                    if shutil.disk_usage(self._scratch).free < SPARE_BYTES:
                        raise self._no_room(f"{self.length} bytes of it have come")
                    self._file.write(piece)
                    self._file.flush()
                    with self._changed:
                        self.length += len(piece)
                        self._changed.notify_all()
                if response.length:
                    raise SourceError(f"{self._http.url} broke off", source=self._http.url)
        except EtdbError as raised:
            error = raised
        except OSError as raised:
            error = self._no_room(raised.strerror or str(raised))
        with self._changed:
            self._error, self.is_complete = error, error is None
            self._changed.notify_all()
