"""A client of the JSON-RPC that FLO Core and fcoin speak, over ``http.client``.

Everything that a node sends is only claimed, and bounded: its size, its time, its depth. Whatever goes wrong has an
error that names the node by its URL and says what to do; no error, log or argument ever holds the secret.
"""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from email.utils import parsedate_to_datetime
from typing import Any, Final
from urllib.parse import quote, urlsplit

import msgspec

from etdb.errors import ConfigurationError
from etdb.ledger.node_errors import (
    NodeAnswerError,
    NodeBusyError,
    NodeCallError,
    NodeLoginError,
    NodeUnreachableError,
    shown,
)
from etdb.ledger.rpc_connection import AnswerTooLongError, Connection, open_connection, read_body
from etdb.ledger.rpc_login import RpcLogin

__all__ = ["Call", "RpcClient"]

MAX_ANSWER_BYTES: Final = 64 << 20
"""Of one answer. A block of 4 MB takes 8 MB here."""
MAX_BATCH: Final = 500
"""Calls in one request."""
_BUSY_WAITS_S: Final = (0.1, 0.3, 1.0, 3.0)
# The last two are of proxies, while the node behind them starts or is slow.
_BUSY: Final = frozenset({429, 503, 502, 504})
_DATE_LETTERS: Final = 64
_WARMING_UP: Final = -28
_METHOD_NOT_FOUND: Final = -32601
_JSON: Final = msgspec.json.Decoder()

Call = tuple[str, Sequence[Any]]


class RpcClient:
    """One node. One request at a time; may be used from several threads.

    Args:
        url: ``http://127.0.0.1:7313``; without user and password.
        login: what to show.
        timeout_s: seconds of silence that are borne.
        deadline_s: seconds that one request may take in all.
        max_answer_bytes: longer answers are not read.
        sleep: waits between two tries of a call that the node had no time for.

    Raises:
        ConfigurationError: not such a URL.
    """

    def __init__(
        self,
        url: str,
        login: RpcLogin | None = None,
        *,
        timeout_s: float = 30.0,
        deadline_s: float = 300.0,
        max_answer_bytes: int = MAX_ANSWER_BYTES,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        parts = urlsplit(url)
        try:
            host, port = parts.hostname, parts.port
        except ValueError:
            host = port = None
        if parts.username or parts.password:
            raise ConfigurationError(
                "the node's url holds a user or a password",
                hint="put the password into a file of its own and set user and password_file under [node]",
            )
        if parts.scheme not in {"http", "https"} or not host or parts.query or parts.fragment:
            raise ConfigurationError(f"{url!r} is not the address of a node", hint="as in http://127.0.0.1:7313")
        self.url = url.rstrip("/")
        self._is_tls, self._host, self._port = parts.scheme == "https", host, port
        self._path = parts.path.rstrip("/")
        self._login = login or RpcLogin()
        self._timeout_s, self._deadline_s, self._max_bytes = timeout_s, deadline_s, max_answer_bytes
        self._sleep = sleep
        self._lock = threading.Lock()
        self._connection: Connection | None = None
        self._is_retired = False
        self._authorization: str | None = None
        self._last_id = 0
        self.clock_ahead_s: int | None = None
        """By how many seconds the clock here is ahead of the server's, by the date of its last answer that had one."""

    def another(self, *, max_answer_bytes: int) -> RpcClient:
        """A client of the same node with a connection of its own, for a request beside this one's."""
        return RpcClient(
            self.url,
            self._login,
            timeout_s=self._timeout_s,
            deadline_s=self._deadline_s,
            max_answer_bytes=min(max_answer_bytes, self._max_bytes),
            sleep=self._sleep,
        )

    # -- JSON-RPC

    def call(self, method: str, *params: Any) -> Any:
        """Call a method; what it gives.

        Raises:
            NodeCallError: the node answers with an error.
            NodeError: it cannot be reached, does not let us in, is busy, or answers nonsense.
        """
        request_id = self._next_id()
        answer = self._post_json("/", {"jsonrpc": "1.0", "id": request_id, "method": method, "params": list(params)})
        return self._result(answer, request_id, method)

    def batch(self, calls: Sequence[Call]) -> list[Any]:
        """Call methods, several in one request; what each gives, in this order. The first error ends it."""
        results = self.try_batch(calls)
        for result in results:
            if isinstance(result, NodeCallError):
                raise result
        return results

    def try_batch(self, calls: Sequence[Call]) -> list[Any]:
        """As ``batch``, but a call that the node answers with an error gives that ``NodeCallError``."""
        results: list[Any] = []
        size = MAX_BATCH
        while len(results) < len(calls):
            part = calls[len(results) : len(results) + size]
            try:
                results += self._batch(part)
            except AnswerTooLongError:
                if len(part) == 1:
                    raise
                size = len(part) // 2
        return results

    def _batch(self, calls: Sequence[Call]) -> list[Any]:
        wanted = {self._next_id(): place for place, (_, _) in enumerate(calls)}
        document = [
            {"jsonrpc": "1.0", "id": request_id, "method": method, "params": list(params)}
            for request_id, (method, params) in zip(wanted, calls, strict=True)
        ]
        answers = self._post_json("/", document)
        if isinstance(answers, dict):  # one error for all of them
            self._result(answers, None, "a batch")
        if not isinstance(answers, list) or len(answers) != len(calls):
            raise self._nonsense("answers a batch with something else than one answer for each call")
        results: list[Any] = [None] * len(calls)
        for answer in answers:
            request_id = answer.get("id") if isinstance(answer, dict) else None
            place = wanted.pop(request_id, None) if isinstance(request_id, int) else None
            if place is None:
                raise self._nonsense("answers other calls than were made")
            try:
                results[place] = self._result(answer, request_id, calls[place][0])
            except NodeCallError as error:
                results[place] = error
        return results

    def _result(self, answer: Any, request_id: int | None, method: str) -> Any:
        if not isinstance(answer, dict) or ("result" not in answer and "error" not in answer):
            raise self._nonsense(f"answers {method} with JSON that is no answer")
        error = answer.get("error")
        if error is not None:
            raise self._call_error(error, method)
        if answer.get("id") != request_id:
            raise self._nonsense(f"answers another call than {method}")
        return answer.get("result")

    def _call_error(self, error: Any, method: str) -> Exception:
        code = error.get("code") if isinstance(error, dict) else None
        words = shown(error.get("message") if isinstance(error, dict) else error)
        code = code if isinstance(code, int) else 0
        if code == _WARMING_UP:
            hint = "wait until it has started, then run the same command"
            return NodeBusyError(f"the node at {self.url} is starting: {words}", hint=hint, url=self.url)
        hint = "is it a FLO full node, and not a wallet or another service?" if code == _METHOD_NOT_FOUND else ""
        return NodeCallError(
            f"the node at {self.url} answers {method} with an error: {words} ({code})",
            rpc_code=code,
            rpc_message=words,
            hint=hint,
            url=self.url,
        )

    def _next_id(self) -> int:
        with self._lock:
            self._last_id += 1
            return self._last_id

    # -- other doors of the same server

    def get_json(self, path: str, **query: str | int) -> Any:
        """A JSON document by GET, as fcoin gives them."""
        return self._parsed(self._request("GET", _with_query(path, query), None))

    def post_json(self, path: str, document: Any) -> Any:
        """Post JSON elsewhere than to the JSON-RPC, as fcoin takes it; its answer, errors too."""
        return self._post_json(path, document)

    def get_bytes(self, path: str) -> bytes | None:
        """Bytes by GET, as binary REST gives them; None where the node has no such place."""
        status, body = self._request("GET", path, None)
        return body if status == http.client.OK else None

    def _post_json(self, path: str, document: Any) -> Any:
        return self._parsed(self._request("POST", path, msgspec.json.encode(document)))

    def _parsed(self, answer: tuple[int, bytes]) -> Any:
        status, body = answer
        try:
            document = _JSON.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            document = None
            if status == http.client.OK:
                looks = "an HTML page" if body[:64].lstrip()[:1] == b"<" else "something else"
                raise self._nonsense(f"answers with {looks} instead of JSON", "is this the node's RPC port?") from None
        if status != http.client.OK and not (isinstance(document, (dict, list)) and document):
            raise self._nonsense(f"answers HTTP {status}: {shown(body[:200].decode('utf-8', 'replace'))}")
        return document

    # -- HTTP

    def _request(self, method: str, path: str, body: bytes | None) -> tuple[int, bytes]:
        """Status and body, of an answer that is worth reading."""
        for wait_s in (*_BUSY_WAITS_S, None):
            status, answer = self._exchange(method, path, body)
            if status == http.client.UNAUTHORIZED:
                self.close()
                status, answer = self._exchange(method, path, body)  # its cookie may be new
            if not _is_busy(status, answer):
                break
            if wait_s is None:
                raise NodeBusyError(
                    f"the node at {self.url} has too much to do (HTTP {status})",
                    hint="try again later; a node's queue is made longer with rpcworkqueue",
                    url=self.url,
                )
            self._sleep(wait_s)
        if status in {http.client.UNAUTHORIZED, http.client.FORBIDDEN}:
            raise self._locked_out(status)
        if 300 <= status < 400:
            raise self._nonsense("redirects elsewhere, which is not followed", "give the address it leads to as url")
        return status, answer

    def _exchange(self, method: str, path: str, body: bytes | None) -> tuple[int, bytes]:
        headers = {"Accept": "*/*", "Connection": "keep-alive"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        with self._lock:
            if self._connection is None:
                self._authorization = self._login.header()
            if self._authorization is not None:
                headers["Authorization"] = self._authorization
            while True:
                kept = self._connection is not None
                try:
                    return self._exchange_once(method, self._path + path, body, headers)
                except (ConnectionError, http.client.BadStatusLine) as error:
                    self._drop()
                    # A kept connection that the node has closed meanwhile says nothing about the node.
                    if not kept:
                        raise self._unreachable(error) from error
                except (OSError, http.client.HTTPException) as error:
                    self._drop()
                    raise self._unreachable(error) from error
                except BaseException:
                    self._drop()
                    raise

    def _exchange_once(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]
    ) -> tuple[int, bytes]:
        deadline = time.monotonic() + self._deadline_s
        if self._connection is None:
            self._connection = open_connection(self._host, self._port, is_tls=self._is_tls, timeout_s=self._timeout_s)
        self._connection.deadline = deadline
        self._connection.request(method, path, body, dict(headers))
        response = self._connection.getresponse()
        self._note_date(response.headers.get("Date"))
        data = read_body(response, self._max_bytes, self.url)
        if response.will_close or self._is_retired:
            self._drop()
        response.close()
        return response.status, data

    def _note_date(self, said: str | None) -> None:
        if not said or len(said) > _DATE_LETTERS:
            return
        try:
            self.clock_ahead_s = round(time.time() - parsedate_to_datetime(said).timestamp())
        except (ValueError, TypeError, OverflowError):
            self.clock_ahead_s = None

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def close(self) -> None:
        """Close the connection, after the request under way; the next call opens another."""
        with self._lock:
            self._drop()

    def retire(self, wait_s: float) -> None:
        """Close it for good. A request that takes longer than this, or begins later, closes what it uses itself."""
        self._is_retired = True
        if self._lock.acquire(timeout=wait_s):
            try:
                self._drop()
            finally:
                self._lock.release()

    # -- what went wrong

    def _unreachable(self, error: Exception) -> NodeUnreachableError:
        what, hint = f"breaks off: {shown(str(error) or type(error).__name__)}", "look at the node's log"
        if isinstance(error, TimeoutError):
            what, hint = "is silent or too slow", "is it busy? look at its log, and try again"
        elif isinstance(error, ConnectionRefusedError):
            what, hint = "is not there: nobody listens", "start the node, or correct url under [node] in etdb.toml"
        elif isinstance(error, OSError) and not isinstance(error, ConnectionError):
            what, hint = f"cannot be reached: {shown(error.strerror or error)}", "check url under [node] in etdb.toml"
        return NodeUnreachableError(f"the node at {self.url} {what}", hint=hint, url=self.url)

    def _locked_out(self, status: int) -> NodeLoginError:
        if status == http.client.FORBIDDEN:
            hint = "let this machine in with rpcallowip in the node's configuration"
        elif self._login == RpcLogin():
            hint = "set cookie_file, or user and password_file, under [node] in etdb.toml"
        else:
            hint = "check cookie_file, or user and password_file, under [node] in etdb.toml"
        return NodeLoginError(f"the node at {self.url} does not let us in (HTTP {status})", hint=hint, url=self.url)

    def _nonsense(self, what: str, hint: str = "look at the node's log, and at url under [node]") -> NodeAnswerError:
        return NodeAnswerError(f"the node at {self.url} {what}", hint=hint, url=self.url)


def _is_busy(status: int, body: bytes) -> bool:
    if status in _BUSY:
        return True
    return status == http.client.INTERNAL_SERVER_ERROR and body.startswith(b"Work queue depth exceeded")


def _with_query(path: str, query: Mapping[str, str | int]) -> str:
    if not query:
        return path
    return path + "?" + "&".join(f"{name}={quote(str(value), safe='')}" for name, value in query.items())
