"""The whole way once: publish, index, find, fetch back in another process, verify, compare."""

from __future__ import annotations

import hashlib
import secrets
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console

from etdb.demo.commands import Commands, StepFailedError
from etdb.demo.datasets import write_lab
from etdb.demo.material import fetch_material
from etdb.demo.report import show_report
from etdb.demo.stage import Stage
from etdb.durable import make_folder, storage_error
from etdb.errors import InputError, StorageError
from etdb.workspace.locks import hold_lock

__all__ = ["MARKER", "compare_files", "prepare_folder", "run_demo"]

MARKER = ".made-by-etdb-demo"
_QUERY = "layered needle"
_NOTE = "passphrase.txt"
_MADE = frozenset({"key_image", "thumbnail", "key_movie", "preview"})
"""The roles of what is made when a dataset is published."""


def run_demo(workspace: Path, console: Console, stage: Stage | None = None) -> dict[str, Any]:
    """Run the demo and show a report that needs no explanation.

    Args:
        workspace: the folder for everything that the demo makes; one of a former demo is replaced, any other refused.
        console: where the story is told.
        stage: whose ledger and gateway; by default the embedded ones.

    Returns:
        What happened, as one document.

    Raises:
        InputError: the folder holds something that no demo made.
        LockedError: another demo is at work in it.
        SourceError: the input cannot be fetched.
        StepFailedError: a command failed.
        VerificationError: the bytes that came back are not those that were published.
    """
    started = time.monotonic()
    named, workspace = workspace, workspace.absolute()
    stage = stage or Stage()
    facts: dict[str, Any] = {"folder": str(named), "query": _QUERY, "ledger": stage.ledger}
    cache = workspace.parent / ".demo-cache"
    try:
        make_folder(cache)
    except OSError as error:
        raise storage_error(error, cache) from error
    # Not in the folder itself: that is what a second demo would replace under the hands of the first.
    with hold_lock(cache / f"{workspace.name}.lock"), console.status("Starting") as status:

        def say(text: str) -> None:
            status.update(text)

        say("Fetching the microscope files (once)")
        material = fetch_material(cache, say)
        prepare_folder(workspace)
        say("Reconstructing a tomogram from 77 images")
        clock = time.monotonic()
        lab = workspace / "lab"
        folders = write_lab(lab, material, lambda what, part: say(f"{what.capitalize()}: {part:.0%}"))
        facts["reconstruction_seconds"] = time.monotonic() - clock
        facts |= _publish(workspace, lab, stage, say)
        facts |= _fetch_elsewhere(workspace, stage, say)
        say("Comparing every byte with the original")
        facts["compared"] = compare_files(folders[0], Path(facts["received_folder"]))
    facts["seconds"] = time.monotonic() - started
    show_report(console, facts)
    return facts


def prepare_folder(folder: Path) -> None:
    """An empty folder with the demo's mark. Nothing is ever removed but a folder that carries the mark.

    Raises:
        InputError: it holds something else.
        StorageError: it cannot be made.
    """
    try:
        if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
            raise InputError(f"{folder} is not a folder", hint="name another with --folder", path=folder)
        if folder.exists() and any(folder.iterdir()):
            if not (folder / MARKER).is_file():
                raise InputError(
                    f"{folder} holds something that the demo did not make",
                    hint="name another folder with --folder",
                    path=folder,
                )
            shutil.rmtree(folder)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / MARKER).write_text("The next demo deletes this folder. Remove this file to keep it.\n")
    except OSError as error:
        if isinstance(error, (InputError, StorageError)):
            raise
        raise storage_error(error, folder) from error


def _publish(workspace: Path, lab: Path, stage: Stage, say: Callable[[str], None]) -> dict[str, Any]:
    """The publisher's side: a workspace, a key, two datasets on the ledger, and a catalogue of it."""
    passphrase = secrets.token_urlsafe(12)
    note = workspace / _NOTE
    note.touch(mode=0o600)
    note.write_text(passphrase + "\n")
    etdb = Commands(workspace, passphrase)
    say("Making a workspace, a ledger and a key")
    stage.init_publisher(etdb, workspace)
    key = etdb.run("key", "new", "demo", passphrase=True)
    stage.fund(str(key["address"]))
    say("Describing: what headers, logs and lists of angles tell")
    described = etdb.run("describe", str(lab))
    say("Publishing: making pictures and movies, hashing the files, signing and sending the records")
    published = etdb.run("publish", str(lab), "--yes", *stage.publish_options, passphrase=True)
    publish_seconds = etdb.seconds
    say("Indexing the ledger")
    indexed = etdb.run("index")
    listed = etdb.run("search")
    return {
        "key": key,
        "described": described,
        "published": published,
        "publish_seconds": publish_seconds,
        "indexed": indexed,
        "heights": {hit["dataset_id"]: hit["height"] for hit in listed["results"]},
    }


def _fetch_elsewhere(workspace: Path, stage: Stage, say: Callable[[str], None]) -> dict[str, Any]:
    """The reader's side: a fresh workspace that knows the ledger and a gateway's URL, and no path of the lab."""
    reader = workspace / "reader"
    reader.mkdir()
    etdb = Commands(reader)
    with stage.sharing(workspace) as url:
        stage.init_reader(etdb, reader, workspace, url)
        say("A stranger indexes the ledger and searches")
        etdb.run("index")
        found = etdb.run("search", _QUERY)
        if not found["results"]:
            raise StepFailedError(f"the search for {_QUERY!r} found nothing")
        say("The stranger downloads what was found, checking every block")
        chosen = str(found["results"][0]["dataset_id"])
        received = etdb.run("download", chosen, "--output", str(reader / "downloads"))
        seconds = etdb.seconds
    say("The stranger verifies the record's claims and every byte")
    folder = reader / received["datasets"][0]["folder"]
    verified = etdb.run("verify", str(folder))
    return {
        "gateway": url,
        "found": found,
        "pictures": [entry["path"] for entry in found["results"][0]["tomogram"]["files"] if entry["role"] in _MADE],
        "received": received,
        "received_folder": str(folder),
        "download_seconds": seconds,
        "claims": verified["results"],
    }


def compare_files(original: Path, received: Path) -> dict[str, Any]:
    """Compare by SHA-256 what was published with what came back.

    Raises:
        StepFailedError: a file is missing or its bytes are others.
    """
    files = size = 0
    for path in sorted(p for p in original.rglob("*") if p.is_file() and p.name != "dataset.toml"):
        name = path.relative_to(original)
        twin = received / name
        if not twin.is_file():
            raise StepFailedError(f"{name} did not come back")
        if _sha256(path) != _sha256(twin):
            raise StepFailedError(f"{name} came back with other bytes")
        files += 1
        size += path.stat().st_size
    return {"files": files, "bytes": size}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
