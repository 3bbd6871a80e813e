"""A record that somebody has as a file: its text as it stood on the chain, or as the old daemon served it."""

from __future__ import annotations

from typing import Any

from etdb.errors import FormatError
from etdb.flo import MAIN, TESTNET, Network, is_address
from etdb.oip import PublishMessage, encode_go_json, load_json, parse_message
from etdb.trust import ClaimResult, check_artifact

__all__ = ["MAX_RECORD_BYTES", "parse_record_file", "verify_record_file"]

MAX_RECORD_BYTES = 4_000_000


def parse_record_file(data: bytes) -> PublishMessage:
    """Read a record.

    It may be the text itself (``json:{...}``), a line with the text as ``floData``, the document of OIP 0.42 or 0.41,
    or what the old daemon served (``artifact`` beside ``meta``).

    Raises:
        FormatError: none of these, or not a tomogram's record.
    """
    text = data.strip()
    if text.startswith(b"{"):
        text = _text_of(load_json(text), text)
    message = parse_message(text)
    if not isinstance(message, PublishMessage):
        raise FormatError("not a tomogram's record", hint="give its text: json:{...}")
    return message


def _text_of(document: Any, text: bytes) -> bytes:
    if not isinstance(document, dict):
        return text
    if isinstance(document.get("floData"), str):
        return str(document["floData"]).encode("utf-8", "replace")
    if isinstance(document.get("artifact"), dict):
        try:
            return b"json:" + encode_go_json({"oip042": {"publish": {"artifact": document["artifact"]}}})
        except ValueError as error:
            raise FormatError(f"not a tomogram's record: {error}") from None
    return b"json:" + text


def verify_record_file(message: PublishMessage) -> ClaimResult:
    """Check the record's own signature, on the network that its publisher's address belongs to."""
    return check_artifact(message, _network_of(message.tomogram.publisher))


def _network_of(address: str) -> Network:
    return TESTNET if is_address(address, TESTNET) else MAIN
