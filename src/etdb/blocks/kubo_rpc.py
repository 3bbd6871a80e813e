"""Kubo's HTTP RPC: every call is a POST to ``/api/v0/...``, answers are bounded, each read has a deadline.

Source: https://docs.ipfs.tech/reference/kubo/rpc/. Answers are JSON, lines of JSON, or plain bytes; what goes wrong
after the first line comes in the trailer ``X-Stream-Error``, without which a broken stream would look finished.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import secrets
import select
import ssl
import stat
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote_plus, urlencode

import msgspec
from msgspec import Struct

from etdb.blocks.kubo_address import KuboAddress, KuboConnection, parse_kubo_address
from etdb.blocks.kubo_errors import NotKuboError, kubo_refusal, status_refusal
from etdb.errors import ConfigurationError, EtdbError, FormatError, SourceError

__all__ = ["KuboRpc", "Option", "Upload", "load_kubo_secret"]

Option = str | int | bool
MAX_ANSWER_BYTES: Final = 1 << 20
MAX_LINE_BYTES: Final = 1 << 16
MAX_LINES: Final = 10_000_000
_MAX_ERROR_BYTES: Final = 1 << 14
_MAX_SECRET_BYTES: Final = 4096
_MAX_IDLE: Final = 4
_PIECE: Final = 1 << 18
_SLOWEST_BYTES_PER_S: Final = 1 << 14
_LONG_S: Final = 600.0
"""Silence that is allowed where Kubo collects garbage, flushes or pins before it answers."""


class Upload(Struct, frozen=True, kw_only=True):
    """The one part of a multipart body.

    Attributes:
        pieces: its content, from the start.
        path: where the content lies as a file, for adding in place.
    """

    pieces: Iterable[bytes | memoryview]
    path: Path | None = None


class KuboRpc:
    """The RPC of one Kubo. Can be used from several threads.

    Args:
        address: see :func:`~etdb.blocks.kubo_address.parse_kubo_address`; empty for a Kubo on this machine.
        secret_file: holds the token for ``API.Authorizations``; only its owner may read it.
        timeout_s: seconds to connect, and of silence in short calls.
        long_s: seconds of silence in calls that wait for Kubo's disk.

    Raises:
        InputError: not an address.
        ConfigurationError: the secret would go over a network unencrypted.
    """

    def __init__(
        self, address: str = "", *, secret_file: Path | None = None, timeout_s: float = 30.0, long_s: float = _LONG_S
    ) -> None:
        self._address: KuboAddress = parse_kubo_address(address)
        if secret_file is not None and not self._address.is_private:
            raise ConfigurationError(
                f"the secret would go to {self._address.text} for everybody on the way to read",
                hint="use https, or a tunnel to an address of this machine",
            )
        self._secret_file = secret_file
        self.timeout_s, self.long_s = timeout_s, long_s
        self._idle: list[KuboConnection] = []
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        """Where it is, for messages."""
        return self._address.text

    def document(
        self, command: str, *arguments: str, max_bytes: int = MAX_ANSWER_BYTES, long: bool = False, **options: Option
    ) -> Any:
        """Ask for one JSON document.

        Args:
            command: as in ``pin/ls``.
            arguments: of the command, in their order.
            max_bytes: the longest answer.
            long: whether Kubo may be silent for longer.
            options: of the command; ``_`` stands for ``-``.

        Raises:
            EtdbError: of :mod:`etdb.blocks.kubo_errors`, or the peer cannot be reached.
        """
        data = self.block(command, *arguments, max_bytes=max_bytes, long=long, **options)
        return self._decode(data, command)

    def block(
        self, command: str, *arguments: str, max_bytes: int = MAX_ANSWER_BYTES, long: bool = False, **options: Option
    ) -> bytes:
        """Ask for bytes, at most ``max_bytes``.

        Raises:
            FormatError: there are more.
        """
        with self._exchange(command, arguments, options, allowance=max_bytes, long=long) as (response, _):
            data: bytes = response.read(max_bytes + 1)
            if len(data) > max_bytes:
                raise FormatError(f"{self.name} sends more than {max_bytes} bytes to {command}", source=self.name)
            response.read(0)
            self._verify_end(response)
            return data

    def lines(
        self, command: str, *arguments: str, upload: Upload | None = None, max_lines: int = MAX_LINES, **options: Option
    ) -> Iterator[Any]:
        """Ask for JSON documents, one a line; each must come before the silence is too long.

        Raises:
            FormatError: a line is too long, or there are too many.
        """
        with self._exchange(command, arguments, options, upload=upload, long=True) as (response, connection):
            for _ in range(max_lines):
                connection.deadline = time.monotonic() + self.long_s
                line = response.readline(MAX_LINE_BYTES + 1)
                if len(line) > MAX_LINE_BYTES:
                    raise FormatError(f"{self.name} sends an endless line to {command}", source=self.name)
                if not line:
                    self._verify_end(response)
                    return
                if line.strip():
                    yield self._decode(line, command)
            raise FormatError(f"{self.name} sends more than {max_lines} lines to {command}", source=self.name)

    def pieces(self, command: str, *arguments: str, max_bytes: int, **options: Option) -> Iterator[bytes]:
        """Ask for a stream of bytes; the caller has to check what it is.

        Raises:
            FormatError: there are more than ``max_bytes``.
        """
        with self._exchange(command, arguments, options, long=True) as (response, connection):
            total = 0
            while True:
                connection.deadline = time.monotonic() + self.long_s
                piece = response.read1(_PIECE)
                total += len(piece)
                if total > max_bytes:
                    raise FormatError(f"{self.name} sends more than {max_bytes} bytes to {command}", source=self.name)
                if not piece:
                    self._verify_end(response)
                    return
                yield piece

    def close(self) -> None:
        """Close the connections that are kept."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    # -- inside

    @contextmanager
    def _exchange(
        self,
        command: str,
        arguments: Iterable[str],
        options: Mapping[str, Option],
        *,
        upload: Upload | None = None,
        allowance: int = 0,
        long: bool = False,
    ) -> Iterator[tuple[Any, KuboConnection]]:
        """Send a request; gives the answer with status 200, its body unread, and the connection."""
        said = [("arg", argument) for argument in arguments]
        said += [(key.replace("_", "-"), _option(value)) for key, value in options.items()]
        target = f"{self._address.prefix}/api/v0/{command}?{urlencode(said)}"
        headers = {"Accept-Encoding": "identity"}
        if self._secret_file is not None:
            headers["Authorization"] = f"Bearer {load_kubo_secret(self._secret_file)}"
        silence_s = self.long_s if long or upload is not None else self.timeout_s
        with self._troubles(command):
            connection, response = self._send(target, headers, upload, silence_s, allowance)
        is_clean = False
        try:
            with self._troubles(command):
                if response.status != 200:
                    raise self._refusal(response, command)
                yield response, connection
                is_clean = response.isclosed() and not response.will_close
        finally:
            response.close()
            self._give_back(connection, keep=is_clean)

    def _send(
        self, target: str, headers: dict[str, str], upload: Upload | None, silence_s: float, allowance: int
    ) -> tuple[KuboConnection, Any]:
        while True:
            with self._lock:
                # A body cannot be sent twice: it never goes over a connection that may be dead.
                connection = self._idle.pop() if self._idle and upload is None else None
            is_fresh = connection is None
            if connection is None:
                connection = KuboConnection(self._address, self.timeout_s)
            try:
                if connection.sock is None:
                    connection.connect()
                connection.timeout = silence_s
                connection.sock.settimeout(silence_s)
                if upload is None:
                    connection.request("POST", target, headers={**headers, "Content-Length": "0"})
                else:
                    self._send_upload(connection, target, headers, upload)
                connection.deadline = time.monotonic() + silence_s + allowance / _SLOWEST_BYTES_PER_S
                return connection, connection.getresponse()
            except (OSError, http.client.HTTPException) as error:
                connection.close()
                # A kept connection that Kubo has closed meanwhile says nothing about Kubo.
                if is_fresh or isinstance(error, TimeoutError):
                    raise
            except BaseException:
                connection.close()
                raise

    def _send_upload(self, connection: KuboConnection, target: str, headers: dict[str, str], upload: Upload) -> None:
        boundary = secrets.token_hex(24)
        kind = {"Content-Type": f"multipart/form-data; boundary={boundary}", "Transfer-Encoding": "chunked"}
        # Once it does not want to hear the rest it has often said why: the answer is read all the same.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            connection.request(
                "POST",
                target,
                body=_body(connection, upload, boundary),
                headers={**headers, **kind},
                encode_chunked=True,
            )

    def _refusal(self, response: http.client.HTTPResponse, command: str) -> EtdbError:
        data = response.read(_MAX_ERROR_BYTES)
        has_secret = self._secret_file is not None
        text = data.decode("utf-8", "replace")
        with contextlib.suppress(msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            document = msgspec.json.decode(data)
            if isinstance(document, dict) and isinstance(document.get("Message"), str):
                return kubo_refusal(document["Message"], self.name)
        return status_refusal(response.status, text, self.name, command, has_secret=has_secret)

    def _verify_end(self, response: Any) -> None:
        if not response.has_last_chunk if response.chunked else response.length:
            raise SourceError(f"the Kubo at {self.name} broke off in the middle of its answer", source=self.name)
        if response.stream_error:
            raise kubo_refusal(response.stream_error, self.name)

    def _decode(self, data: bytes, command: str) -> Any:
        try:
            return msgspec.json.decode(data)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            raise NotKuboError(
                f"what {self.name} answers to {command} is not JSON: it is not the RPC of a Kubo",
                hint="is it the RPC (port 5001), not the gateway (port 8080)?",
                source=self.name,
            ) from None

    @contextmanager
    def _troubles(self, command: str) -> Iterator[None]:
        try:
            yield
        except EtdbError:
            raise
        except (ConnectionRefusedError, FileNotFoundError) as error:
            raise SourceError(
                f"no Kubo answers at {self.name}: {error.strerror}",
                hint="start it with: ipfs daemon; or name another with --api",
                source=self.name,
            ) from error
        except TimeoutError as error:
            raise SourceError(
                f"the Kubo at {self.name} is silent or too slow ({command})",
                hint="see whether it is busy, and run the same command again",
                source=self.name,
            ) from error
        except http.client.HTTPException as error:
            raise SourceError(
                f"what listens at {self.name} breaks off or does not speak HTTP: {type(error).__name__} ({command})",
                hint="was Kubo ended? Start it and run the same command again",
                source=self.name,
            ) from error
        except (ssl.SSLError, OSError) as error:
            raise SourceError(
                f"the Kubo at {self.name} cannot be reached: {error} ({command})",
                hint="start it and run the same command again",
                source=self.name,
            ) from error

    def _give_back(self, connection: KuboConnection, *, keep: bool) -> None:
        with self._lock:
            if keep and connection.sock is not None and len(self._idle) < _MAX_IDLE:
                self._idle.append(connection)
                return
        connection.close()


def load_kubo_secret(path: Path) -> str:
    """The token that Kubo wants, from a file of one line.

    Raises:
        ConfigurationError: it cannot be read, others can read it, or it holds no token.
    """
    hint = "write the token of API.Authorizations into it, and: chmod 600"
    try:
        with path.open("rb") as file:
            rights = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            secret = file.read(_MAX_SECRET_BYTES + 1).strip().removeprefix(b"bearer:")
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}", hint=hint, path=str(path)) from error
    if rights & 0o077:
        raise ConfigurationError(f"others can read {path}", hint=f"run: chmod 600 {path}", path=str(path))
    if not secret or len(secret) > _MAX_SECRET_BYTES or not secret.isascii() or not secret.decode().isprintable():
        raise ConfigurationError(f"{path} should hold one line", hint=hint, path=str(path))
    return secret.decode()


def _body(connection: KuboConnection, upload: Upload, boundary: str) -> Iterator[bytes | memoryview]:
    """The multipart body; it ends early when Kubo answers before it has heard all."""
    place = f"Abspath-Encoded: {quote_plus(os.fsencode(upload.path))}\r\n" if upload.path is not None else ""
    yield (
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="file"\r\n{place}'
        "Content-Type: application/octet-stream\r\n\r\n"
    ).encode()
    answered = select.poll()
    answered.register(connection.sock.fileno(), select.POLLIN)
    for piece in upload.pieces:
        if answered.poll(0):
            return
        yield piece
    yield f"\r\n--{boundary}--\r\n".encode()


def _option(value: Option) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
