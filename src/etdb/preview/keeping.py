"""Previews that are kept: made once, then the same bytes for ever.

Encoders do not repeat themselves, and a root that is published commits to bytes. So what is made goes into the
workspace's content folder under its CID, and a small note beside says of which file, and how, it was made. Whoever
asks again for the same gets the same bytes. Each product is taken up when it is whole: a run that is killed goes on
with the next.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

from etdb.blocks import FilesInPlace
from etdb.durable import scratch_folder, storage_errors, write_durably
from etdb.oip.tomogram import FileEntry
from etdb.preview.making import MadeFile, Progress, make_product
from etdb.preview.planning import Product

__all__ = ["PreviewKeeper", "entry_of", "kept_files"]

RECIPE: Final = 2
"""How previews are made; a change makes new ones of what is not published yet."""
MAX_NOTE_BYTES: Final = 16 << 20


class _Kept(Struct, frozen=True, kw_only=True):
    path: str
    role: str
    media_type: str
    notes: str
    cid: str
    size_bytes: int


class _Note(Struct, frozen=True, kw_only=True):
    """What was made of what."""

    made_of: dict[str, Any]
    files: tuple[_Kept, ...]


_note = msgspec.json.Decoder(_Note)


class PreviewKeeper:
    """Makes previews, or gives those that were made before.

    Args:
        blocks: hashes the lab's files and keeps what is made.
        notes_folder: of the workspace: what was made of what.
        scratch_folder: for what is not whole yet; anything there may be removed when nobody is at work.
        sha256: also of whole files of the lab, from the read that publishing needs.
    """

    def __init__(self, blocks: FilesInPlace, *, notes_folder: Path, scratch_folder: Path, sha256: bool = True) -> None:
        self._blocks = blocks
        self._notes_folder = notes_folder
        self._scratch_folder = scratch_folder
        self._sha256 = sha256

    def keep(self, product: Product, progress: Progress = lambda _done, _total: None) -> list[MadeFile]:
        """The files of a product, in the content folder; made only when they are not there.

        Raises:
            SourceFileError, FormatError, MovieError, MissingExtraError: see ``make_product``.
            StorageError: the workspace cannot be written.
        """
        # The file itself decides, not its name or its time. It is read once: publishing needs its CID too.
        source_cid = str(self._blocks.add_file(product.source.file, sha256=self._sha256).cid)
        made_of = _made_of(product, source_cid)
        key = hashlib.sha256(msgspec.json.encode(made_of, order="sorted")).hexdigest()[:32]
        note = self._notes_folder / f"{key}.json"
        found = self._found(note)
        if found is not None:
            return found
        with scratch_folder("preview-", self._scratch_folder) as scratch, storage_errors(scratch):
            kept = [self._take_up(one) for one in make_product(product, scratch, progress)]
        write_durably(note, [msgspec.json.encode(_Note(made_of=made_of, files=tuple(kept)))])
        return [self._made(one) for one in kept]

    def _take_up(self, made: MadeFile) -> _Kept:
        added = self._blocks.add_bytes(made.file.read_bytes())
        made.file.unlink()
        return _Kept(
            path=made.path,
            role=made.role,
            media_type=made.media_type,
            notes=made.notes,
            cid=str(added.cid),
            size_bytes=added.size_bytes,
        )

    def _found(self, note: Path) -> list[MadeFile] | None:
        try:
            with note.open("rb") as file:
                kept = _note.decode(file.read(MAX_NOTE_BYTES)).files
            if all((self._blocks.content_folder / one.cid).stat().st_size == one.size_bytes for one in kept):
                return [self._made(one) for one in kept]
        except (OSError, msgspec.MsgspecError):
            return None  # a note is no more than a memory of what can be made again
        return None

    def _made(self, kept: _Kept) -> MadeFile:
        return MadeFile(
            path=kept.path,
            role=kept.role,
            media_type=kept.media_type,
            notes=kept.notes,
            file=self._blocks.content_folder / kept.cid,
        )


def kept_files(entries: Mapping[str, str], content_folder: Path) -> dict[str, Path]:
    """Where files of a published dataset lie that are not the lab's: path and CID of each, to path and place."""
    return {path: content_folder / cid for path, cid in entries.items() if (content_folder / cid).is_file()}


def entry_of(made: MadeFile) -> FileEntry:
    """The row of the record for a file that was made."""
    return FileEntry(
        path=made.path,
        display_name=made.path.rpartition("/")[2],
        size_bytes=made.file.stat().st_size,
        role=made.role,
        media_type=made.media_type,
        notes=made.notes,
    )


def _made_of(product: Product, source_cid: str) -> dict[str, Any]:
    source = product.source
    return {
        "recipe": RECIPE,
        "kind": product.kind,
        "source_cid": source_cid,
        "spacing_angstrom": source.spacing_angstrom,
        "angles_deg": list(source.angles_deg),
        "is_series": source.is_series,
        "dtype": source.facts.dtype,
        "files": [file.path for file in product.files],
        "zarr": product.zarr_name,
    }
