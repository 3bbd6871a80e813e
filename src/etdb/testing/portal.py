"""A small portal to try pages and the API on: signed records with real messages, one volume, and hostile ones.

It is the same each time, so that examples made from its answers can be compared with what it answers.
"""

from __future__ import annotations

import datetime as dt
import struct
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import msgspec

from etdb.blocks import FilesInPlace
from etdb.catalogue import Catalogue
from etdb.flo import REGTEST
from etdb.index.fold import Fold
from etdb.oip import FileEntry
from etdb.testing.records import RecordSigner
from etdb.web.portal import Portal
from etdb.workspace import PortalSettings

__all__ = ["HOSTILE_TEXTS", "fold_messages", "sample_messages", "sample_model", "sample_portal", "sample_volume"]

FIRST_TIME_S = 1_700_000_000
HOSTILE_TEXTS = (
    "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "\u202egnp.exe\u2066 right to left \u202d\u0000\u0007\u001b[31m",
    "../../etc/passwd",
    '=HYPERLINK("http://example.org","click")',
    "'; DROP TABLE records; --",
    "{{ 7*7 }} {% raw %} ${7*7}",
    "x" * 90_000,
)


def sample_volume() -> bytes:
    """An MRC file of 4 sections of 8 by 8 16-bit pixels that brighten from corner to corner."""
    header = bytearray(1024)
    struct.pack_into("<10i", header, 0, 8, 8, 4, 1, 0, 0, 0, 8, 8, 4)
    struct.pack_into("<6f", header, 40, 80.0, 80.0, 40.0, 90.0, 90.0, 90.0)
    struct.pack_into("<3i3f", header, 64, 1, 2, 3, 0.0, 210.0, 105.0)
    header[208:212] = b"MAP "
    header[212:216] = b"\x44\x44\x00\x00"
    values = [z * 50 + y * 5 + x * 5 for z in range(4) for y in range(8) for x in range(8)]
    return bytes(header) + struct.pack(f"<{len(values)}h", *values)


def sample_model() -> bytes:
    """An IMOD model of one object with two points in one contour."""
    head = b"IMODV1.2" + b"sample".ljust(128, b"\0")
    head += struct.pack(
        ">4iI4i6f3i2ffii3f",
        8,
        8,
        4,
        1,
        0,
        1,
        0,
        0,
        255,
        *(0.0,) * 3,
        *(1.0,) * 3,
        0,
        0,
        0,
        3,
        128,
        1.0,
        0,
        0,
        *(0.0,) * 3,
    )
    thing = b"OBJT" + b"points".ljust(128, b"\0")
    thing += struct.pack(">iIii3fi8Bii", 1, 1 << 9, 0, 1, 0.0, 1.0, 0.0, 2, *(0,) * 8, 0, 0)
    return head + thing + b"CONT" + struct.pack(">iIii6f", 2, 0, 0, 0, 2.0, 2.0, 1.0, 5.0, 5.0, 2.0) + b"IEOF"


def fold_messages(catalogue: Catalogue, messages: Sequence[tuple[str, str, bytes]], *, a_block: int = 4) -> None:
    """Index messages as a ledger would bring them: (transaction id, sender, floData), some a block, a block an hour."""
    fold = Fold(REGTEST)
    with catalogue.batch() as batch:
        batch.set_meta("fold", fold.rule)
        for number, (txid, sender, data) in enumerate(messages):
            height, position = divmod(number, a_block)
            if position == 0:
                batch.add_block(height, f"{height:064x}", FIRST_TIME_S + height * 3600)
            fold.add(batch, batch.add_message(height, position, txid, (sender,), data))


def sample_messages(location: str, *, hostile: bool = False) -> list[tuple[str, str, bytes]]:
    """Three datasets (one in parts, one corrected, one withdrawn), what is set aside, other records, an orphan."""
    signer, other = RecordSigner("sample"), RecordSigner("another")
    files = (
        FileEntry(path="rec.mrc", size_bytes=1536, role="reconstruction", media_type="application/x-mrc"),
        FileEntry(path="note.txt", size_bytes=6, role="notes", media_type="text/plain"),
        FileEntry(path="points.mod", size_bytes=len(sample_model()), role="model"),
    )
    first = signer.tomogram(
        title="Bdellovibrio attack phase cell",
        description="A predator on its way.",
        species="Bdellovibrio bacteriovorus",
        ncbi_taxon_id=959,
        lab="Sample lab",
        institution="Sample institute",
        microscope="FEI Polara",
        microscopist="Yi-Wei Chang",
        sid="sample2014-01-14-1",
        tags=("pili", "flagella"),
        tilt_min_deg=-60.0,
        tilt_max_deg=60.0,
        tilt_step_deg=1.0,
        tilt_axes=1,
        defocus_um=-8.0,
        dose_e_per_a2=150.0,
        magnification=22_500.0,
        licence="CC0-1.0",
        location=location,
        files=files,
    )
    corrected = msgspec.structs.replace(first, title="Bdellovibrio, attack phase", timestamp_s=FIRST_TIME_S + 60)
    second = other.tomogram(
        title="Caulobacter stalk",
        sid="another-1",
        lab="Another lab",
        acquired_on=dt.date(2016, 7, 1),
        notes="First line\nSecond line & more",
    )
    withdrawn = signer.tomogram(title="Taken back", sid="sample-3")
    waiting = signer.split(signer.message(title="Never whole", sid="sample-4", notes="n" * 1500))
    texts: list[tuple[str, bytes]] = []
    ids = [f"{number:02x}" * 32 for number in range(1, 255)]

    def put(data: bytes, by: RecordSigner = signer) -> str:
        texts.append((by.address, data))
        return ids[len(texts) - 1]

    in_parts = signer.split(signer.message(first))
    first_id = put(in_parts.first())
    for part in in_parts.rest(first_id):
        put(part)
    put(other.message(second), other)
    third_id = put(signer.message(withdrawn))
    put(signer.edit(first_id, first, corrected, reason="the title was too long"))
    put(signer.deactivate(third_id, reason="the wrong specimen"))
    put(signer.register("The sample lab"))
    put(waiting.first())
    put(b"json:{broken")
    put(b'json:{"oip042":{"publish":{"artifact":{"floAddress":"x","type":"music"}}}}')
    if hostile:
        for number, text in enumerate(HOSTILE_TEXTS):
            fields: dict[str, Any] = dict.fromkeys(("title", "species", "lab", "microscopist", "notes"), text)
            names = (f"../{number}/x.mrc", text[:300] or "x")
            entries = tuple(FileEntry(path=name, size_bytes=1, display_name=text[:300]) for name in names)
            whole = other.message(other.tomogram(**fields, sid=f"hostile-{number}", files=entries, tags=(text[:99],)))
            put(whole, other)
    return [(txid, sender, data) for txid, (sender, data) in zip(ids, texts, strict=False)]


@contextmanager
def sample_portal(folder: Path, *, settings: PortalSettings | None = None, hostile: bool = False) -> Iterator[Portal]:
    """The portal, with its store; the first dataset's files are there, those of the others are not.

    Args:
        folder: where its files are made.
        settings: what it shows.
        hostile: with records that were made to hurt.
    """
    with (
        closing(FilesInPlace(folder / "digests.sqlite", content_folder=folder / "content")) as store,
        Catalogue(folder / "catalogue.sqlite", writable=True) as catalogue,
    ):
        contents = {"rec.mrc": sample_volume(), "note.txt": b"hello\n", "points.mod": sample_model()}
        added = {}
        for name, data in contents.items():
            path = folder / name
            path.write_bytes(data)
            added[name] = store.add_file(path)
        root = store.add_directory(added)
        fold_messages(catalogue, sample_messages(str(root), hostile=hostile))
        yield Portal(catalogue, store, settings or PortalSettings(url="https://etdb.example.org"), network="local")
