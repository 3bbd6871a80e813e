"""A dataset's folder as a download leaves it: beside the files, `etdb-dataset.json` says what they should be.

It carries the record, the evidence of the ledger and where each file of the record lies, so that the folder can be
verified later without a network.
"""

from __future__ import annotations

from pathlib import Path

import msgspec
from msgspec import Struct

from etdb.durable import write_durably
from etdb.errors import FormatError, InputError, StorageError
from etdb.oip.tomogram import Tomogram

__all__ = [
    "RECEIVED_NAME",
    "ReceivedDataset",
    "ReceivedFile",
    "TransactionEvidence",
    "load_received",
    "store_received",
]

RECEIVED_NAME = "etdb-dataset.json"
FORMAT = "etdb-dataset-1"
MAX_RECEIVED_BYTES = 256 << 20


class TransactionEvidence(Struct, frozen=True, kw_only=True):
    """A transaction of the record and what shows that a block holds it (bytes in the chain's own order)."""

    raw_transaction: bytes
    header: bytes = b""
    position: int = 0
    branch: tuple[bytes, ...] = ()
    height: int | None = None
    network: str = ""
    has_work: bool = False

    @property
    def checked_work_blocks(self) -> int:
        """None: what a folder says of work is not believed, only a ledger of one's own follows the headers."""
        return 0


class ReceivedFile(Struct, frozen=True, kw_only=True):
    """A file of the record (`path`) and where it lies in the folder (`target`); both relative, with '/'."""

    path: str
    target: str
    cid: str
    size_bytes: int


class ReceivedDataset(Struct, frozen=True, kw_only=True):
    """What is known of a downloaded dataset. `claims` are what held when it came: verify again, do not trust."""

    format: str = FORMAT
    dataset_id: str
    tomogram: Tomogram
    network: str = ""
    transactions: tuple[TransactionEvidence, ...] = ()
    files: tuple[ReceivedFile, ...] = ()
    left_out: tuple[str, ...] = ()
    claims: dict[str, str] = {}
    sources: tuple[str, ...] = ()


def store_received(folder: Path, received: ReceivedDataset) -> None:
    """Write `etdb-dataset.json`, whole or not at all.

    Raises:
        StorageError: it cannot be written.
    """
    write_durably(folder / RECEIVED_NAME, [msgspec.json.format(msgspec.json.encode(received), indent=2), b"\n"])


def load_received(folder: Path) -> ReceivedDataset:
    """Read `etdb-dataset.json`.

    Raises:
        InputError: the folder has none: no download made it.
        FormatError: it is damaged.
        StorageError: it cannot be read.
    """
    path = folder / RECEIVED_NAME
    try:
        with path.open("rb") as file:
            text = file.read(MAX_RECEIVED_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(
            f"{folder} is not a downloaded dataset: it has no {RECEIVED_NAME}",
            hint="give the folder of one dataset that `etdb download` made",
            path=str(folder),
        ) from None
    except OSError as error:
        raise StorageError(f"{path} cannot be read: {error.strerror}", path=str(path)) from error
    try:
        received = msgspec.json.decode(text, type=ReceivedDataset)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise FormatError(
            f"{path} is damaged: {error}", hint="download again into this folder", path=str(path)
        ) from None
    if received.format != FORMAT or len(text) > MAX_RECEIVED_BYTES:
        raise FormatError(f"{path} is not of the format {FORMAT}", hint="use a newer release", path=str(path))
    return received
