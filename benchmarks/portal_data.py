"""A portal's catalogue of many records for the case `portal`: real tilt series, told again until there are enough."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import itertools
from collections.abc import Iterator
from pathlib import Path

import msgspec

from benchmarks.lab_records import read_records
from etdb.catalogue import Catalogue
from etdb.oip import FileEntry, Tomogram
from etdb.testing.catalogue import fill_catalogue

__all__ = ["fill"]

_FILES = tuple(
    FileEntry(path=name, size_bytes=size, role=role, media_type=media_type)
    for name, size, role, media_type in (
        ("series.st", 900_000_000, "tilt_series", "application/x-mrc"),
        ("rec.mrc", 3_000_000_000, "reconstruction", "application/x-mrc"),
        ("keyimg.jpg", 90_000, "key_image", "image/jpeg"),
        ("keyimg_s.jpg", 9_000, "thumbnail", "image/jpeg"),
        ("keymov.mp4", 8_000_000, "key_movie", "video/mp4"),
        ("ro-crate-metadata.json", 6_000, "metadata", "application/ld+json"),
    )
)


def fill(path: Path, table: Path | None, count: int) -> None:
    """Write a catalogue of `count` records, each with six files."""
    with Catalogue(path, writable=True) as catalogue:
        fill_catalogue(catalogue, list(itertools.islice(_tomograms(table), count)))


def _tomograms(table: Path | None) -> Iterator[Tomogram]:
    rows = read_records(table)
    numbers = itertools.count()
    for turn in itertools.count():
        for row in rows:
            fields = {name: tuple(value) if isinstance(value, list) else value for name, value in row.items()}
            if "acquired_on" in fields:
                fields["acquired_on"] = dt.date.fromisoformat(fields["acquired_on"].date)
            tomogram = Tomogram(
                publisher=f"F{len(str(row['sid'])) % 7}publisher",
                timestamp_s=1_500_000_000,
                description="A tilt series of a whole cell.",
                location=_location(next(numbers)),
                files=_FILES,
                **fields,
            )
            yield tomogram if not turn else msgspec.structs.replace(tomogram, sid=f"{tomogram.sid}-{turn}")


def _location(number: int) -> str:
    """A root of its own: a CID (version 1, dag-pb, SHA-256) in base32."""
    data = bytes((1, 0x70, 0x12, 32)) + hashlib.sha256(number.to_bytes(8, "big")).digest()
    return "b" + base64.b32encode(data).decode().lower().rstrip("=")
