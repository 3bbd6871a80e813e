"""``etdb verify FOLDER --record``: whether somebody's files are what a record signs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from etdb.cli.opening import find_workspace, open_catalogue, open_files
from etdb.durable import storage_error
from etdb.errors import EtdbError, FormatError, InputError
from etdb.ipfs import parse_cid
from etdb.oip import Tomogram
from etdb.trust import Claim, ClaimResult, Outcome
from etdb.verify import (
    MAX_RECORD_BYTES,
    OF_THE_LEDGER,
    parse_record_file,
    read_manifest,
    verify_rebuilt,
    verify_record_file,
)

if TYPE_CHECKING:
    from etdb.cli.app import Context
    from etdb.trust import Verification
    from etdb.workspace import Workspace

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
    tomogram, claims, manifest = _record(context, named)
    verification = verify_rebuilt(folder, tomogram, manifest=manifest, progress=advance)
    return verification.with_results(claims)


def _record(context: Context, named: str) -> tuple[Tomogram, list[ClaimResult], bytes | None]:
    """The record, what is known of its own claims, and its manifest where the workspace published it."""
    path = Path(named)
    if path.is_file():
        message = parse_record_file(_read(path))
        return message.tomogram, [verify_record_file(message)], None
    try:
        cid = parse_cid(named)
    except FormatError:
        workspace = find_workspace(context)
        with open_catalogue(workspace) as catalogue:
            view = catalogue.get(named)
        claims = [one for one in view.claims.results if one.claim in OF_THE_LEDGER]
        return view.tomogram, claims, _kept_manifest(workspace, view.tomogram.location)
    detail = "there is no record to compare with, only a location"
    claim = ClaimResult(claim=Claim.MANIFEST_AGREES, outcome=Outcome.NOT_POSSIBLE, detail=detail)
    return Tomogram(title="", location=str(cid)), [claim], None


def _kept_manifest(workspace: Workspace, location: str) -> bytes | None:
    """The manifest of a dataset that was published from here; the lab's folder never gets it."""
    if not workspace.digests_path.exists():
        return None
    try:
        with open_files(workspace) as files:
            return read_manifest(location, files)
    except EtdbError:
        return None


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_RECORD_BYTES + 1)
    except OSError as error:
        raise storage_error(error, path) from error
    if len(data) > MAX_RECORD_BYTES:
        raise FormatError(f"{path} is longer than any record")
    return data
