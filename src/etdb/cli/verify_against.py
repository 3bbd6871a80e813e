"""``etdb verify FOLDER --record``: whether somebody's files are what a record signs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from etdb.cli.opening import find_workspace, open_catalogue
from etdb.durable import storage_error
from etdb.errors import FormatError, InputError
from etdb.ipfs import parse_cid
from etdb.oip import Tomogram
from etdb.verify import MAX_RECORD_BYTES, OF_THE_LEDGER, parse_record_file, verify_rebuilt, verify_record_file

if TYPE_CHECKING:
    from etdb.cli.app import Context
    from etdb.trust import ClaimResult, Verification

__all__ = ["verify_against"]


def verify_against(context: Context, folder: Path, named: str, advance: Callable[[int], None]) -> Verification:
    """Verify a folder's files against a record.

    Args:
        context: for the workspace, when an id is named.
        folder: the files under the record's names.
        named: a file that holds the record, a CID, or the id of a dataset of the catalogue.
        advance: told of each number of bytes that was hashed.

    Raises:
        InputError: the folder is none, or no record is named so.
        FormatError: the file holds no record.
    """
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder", hint="--record compares the files of a folder with a record")
    tomogram, claims = _record(context, named)
    verification = verify_rebuilt(folder, tomogram, progress=advance)
    return verification.with_results(claims)


def _record(context: Context, named: str) -> tuple[Tomogram, list[ClaimResult]]:
    """The record, and what is known of its own claims."""
    path = Path(named)
    if path.is_file():
        message = parse_record_file(_read(path))
        return message.tomogram, [verify_record_file(message)]
    try:
        cid = parse_cid(named)
    except FormatError:
        with open_catalogue(find_workspace(context)) as catalogue:
            view = catalogue.get(named)
        return view.tomogram, [one for one in view.claims.results if one.claim in OF_THE_LEDGER]
    return Tomogram(title="", location=str(cid)), []


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_RECORD_BYTES + 1)
    except OSError as error:
        raise storage_error(error, path) from error
    if len(data) > MAX_RECORD_BYTES:
        raise FormatError(f"{path} is longer than any record")
    return data
