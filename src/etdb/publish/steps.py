"""The steps before anything is sent: hash the files, write the manifest, sign the record."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import msgspec

from etdb import oip
from etdb.blocks import AddedFile, FilesInPlace
from etdb.errors import InputError, SourceFileError
from etdb.flo import PrivateKey, sign_message
from etdb.manifest import MANIFEST_NAME, ManifestFile, encode_manifest
from etdb.oip import Tomogram
from etdb.oip.strict_json import MAX_JSON_BYTES
from etdb.publish.submission import Submission

__all__ = ["HashedFiles", "as_draft", "draft_for", "hash_files", "sign_record", "stand_in_record", "store_manifest"]

_CID_LENGTH = 59  # a CIDv1 of sha2-256 in base32, with its prefix
_SIGNATURE_LENGTH = 88  # 65 bytes in base64


class HashedFiles(msgspec.Struct, frozen=True, kw_only=True):
    """A dataset's files as they were read: what each hashes to, and the record with their sizes."""

    added: dict[str, AddedFile]
    tomogram: Tomogram

    @property
    def cids(self) -> dict[str, str]:
        """The CID of each path."""
        return {path: str(one.cid) for path, one in self.added.items()}


def draft_for(submission: Submission, publisher: str) -> Tomogram:
    """The submission's record as far as it is known before its files are read."""
    if MANIFEST_NAME in submission.paths:
        raise SourceFileError(
            f"{submission.source} already holds a file named {MANIFEST_NAME}, which etdb writes itself",
            hint="rename it, or move it out of the dataset",
            path=str(submission.paths[MANIFEST_NAME]),
        )
    return as_draft(submission.tomogram, publisher)


def as_draft(tomogram: Tomogram, publisher: str) -> Tomogram:
    """A record as its readers will see it, without location and time.

    The wire has all tags in one text: a comma in a tag makes two of it, and the manifest must say the same.
    """
    tags = tuple(piece.strip() for tag in tomogram.tags for piece in tag.split(",") if piece.strip())
    return msgspec.structs.replace(tomogram, publisher=publisher, timestamp_s=0, location="", tags=tags)


def hash_files(
    blocks: FilesInPlace, submission: Submission, draft: Tomogram, advance: Callable[[int], None], *, sha256: bool
) -> HashedFiles:
    """Read every file once, where it is; files that are known and have not changed are not read again.

    Raises:
        SourceFileError: a file is missing, unreadable, or changed while it was read.
        DiskFullError: the digests could not be stored.
    """
    named = [entry.path for entry in draft.files]
    files_there = blocks.add_files([submission.paths[name] for name in named], sha256=sha256, progress=advance)
    added = dict(zip(named, files_there, strict=True))
    files = tuple(msgspec.structs.replace(one, size_bytes=added[one.path].size_bytes) for one in draft.files)
    return HashedFiles(added=added, tomogram=msgspec.structs.replace(draft, files=files))


def store_manifest(blocks: FilesInPlace, hashed: HashedFiles, prepared_on: dt.date) -> str:
    """Write the manifest and make the directory; its root CID.

    Raises:
        InputError: the manifest would be longer than any reader takes.
        DiskFullError: they could not be stored; nothing is half-written.
    """
    described = [
        ManifestFile(
            path=entry.path,
            size_bytes=hashed.added[entry.path].size_bytes,
            cid=str(hashed.added[entry.path].cid),
            media_type=entry.media_type,
            sha256=hashed.added[entry.path].sha256,
            role=entry.role,
            display_name=entry.display_name,
            notes=entry.notes,
            software=entry.software,
        )
        for entry in hashed.tomogram.files
    ]
    text = encode_manifest(hashed.tomogram, described, prepared_on=prepared_on)
    if len(text) > MAX_JSON_BYTES:
        raise InputError(
            f"the manifest of {len(described)} files takes {len(text)} bytes; readers take {MAX_JSON_BYTES}",
            hint="publish the dataset in several parts, or fewer files with more in each",
        )
    return str(blocks.add_directory(hashed.added, kept={MANIFEST_NAME: text}))


def sign_record(tomogram: Tomogram, root_cid: str, timestamp_s: int, key: PrivateKey) -> bytes:
    """The signed message that the ledger will carry (Open Index Protocol 0.42)."""
    placed = msgspec.structs.replace(tomogram, location=root_cid, timestamp_s=timestamp_s)
    preimage = oip.artifact_preimage(root_cid, placed.publisher, timestamp_s)
    return oip.encode_publish(placed, sign_message(key, preimage))


def stand_in_record(draft: Tomogram, timestamp_s: int) -> bytes:
    """A message of exactly the size that the signed record will have, for estimates."""
    placed = msgspec.structs.replace(draft, location="b" * _CID_LENGTH, timestamp_s=timestamp_s)
    return oip.encode_publish(placed, "A" * _SIGNATURE_LENGTH)
