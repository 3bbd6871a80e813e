"""The portal's answers: records as JSON beside a bare application with the same bytes, pages, a slice of a volume;
and what the home page and the viewer's first pictures weigh.

Records are asked over the loopback, from two kept connections. Server time of pages and slices is the processor time
of the whole process for one request after the other, all different: it does not count what other programs of the
machine take, nor the way to the client.
"""

from __future__ import annotations

import asyncio
import json
import random
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from benchmarks.keeping_client import ask_all
from benchmarks.measure import Figure, Settings, by_turns, rate
from benchmarks.portal_data import fill
from benchmarks.portal_process import UNLIMITED, portal_of
from benchmarks.portal_weights import first_pictures, home_page
from benchmarks.servers import portal_server
from etdb.blocks import FilesInPlace
from etdb.catalogue import Catalogue
from etdb.testing.asking import ask
from etdb.testing.catalogue import dataset_id_of
from etdb.web.application import portal_app
from etdb.web.portal import Portal

_SIZES = (12_757, 100_000)
_RECORDS = 400
_ROUNDS = 10
_PAGES = 400
_SHAPE = (400, 1024, 1024)
_WORDS = ("cell", "polara", "whole", "vibrio", "coli", "tomogram", "2014", "krios", "serial", "dataset")
_BEGUN = ("bac", "esch", "vib", "tom", "fei", "aut", "jen", "cam", "leg", "sta", "2012", "pix")


def run(settings: Settings) -> list[Figure]:
    figures: list[Figure] = []
    for size in _SIZES if settings.limit is None else (settings.limit,):
        path = settings.folder / f"catalogue-{size}.sqlite"
        fill(path, settings.records, size)
        figures += [*_records(settings, path, size), *_pages(path, size)]
        path.unlink()
    return [*figures, *_slices(settings), home_page(settings.folder / "home")]


def _records(settings: Settings, path: Path, size: int) -> list[Figure]:
    chosen = random.Random(6).sample(range(size), _RECORDS * (settings.turns + 2))
    warm = [f"/api/v1/datasets/{dataset_id_of(number)}" for number in chosen[:_RECORDS]]
    fresh = iter([f"/api/v1/datasets/{dataset_id_of(number)}" for number in chosen[_RECORDS:]])
    kept = settings.folder / "bare.json"
    kept.write_text(
        json.dumps(asyncio.run(_bodies(path, [*warm, *(f"/api/v1/datasets/{dataset_id_of(n)}" for n in chosen)])))
    )
    with portal_server([str(path)]) as (ours, peak), portal_server(["--bare", str(kept)]) as (bare, _):
        again = warm * _ROUNDS

        def cold() -> float:
            paths = [next(fresh) for _ in range(_RECORDS)]
            return rate(_RECORDS, lambda: ask_all(ours, paths))

        ask_all(ours, warm)
        ask_all(bare, warm)
        found, first, reference = by_turns(
            settings.turns,
            lambda: rate(len(again), lambda: ask_all(ours, again)),
            cold,
            lambda: rate(len(again), lambda: ask_all(bare, again)),
        )
        peak.look()
    name = "a bare ASGI application, the same bytes and server"
    return [
        Figure(
            name=f"record JSON asked again, {size:,} records",
            unit="requests/s",
            ours=found,
            reference=reference,
            reference_name=name,
            aim=0.5,
            note=f"{_RECORDS} records that were asked for before, over two connections; "
            "bound by the server's reading of HTTP, in Python",
            peak_mib=peak.mib,
            limit_mib=600,
        ),
        Figure(
            name=f"record JSON asked for the first time, {size:,} records",
            unit="requests/s",
            ours=first,
            reference=reference,
            reference_name=name,
            note="bound by six look-ups in SQLite, the way through a thread, and the encoding",
        ),
    ]


async def _bodies(path: Path, addresses: Sequence[str]) -> dict[str, Any]:
    app = portal_app(portal_of(path))
    found = {}
    for address in addresses:
        answer = await ask(app, address)
        assert answer.status == 200, answer
        found[address] = {"headers": list(answer.headers.items()), "body": answer.body.decode()}
    return found


def _pages(path: Path, size: int) -> Iterator[Figure]:
    portal = portal_of(path)
    app, chance = portal_app(portal), random.Random(7)
    pages = [f"/datasets/{dataset_id_of(number)}" for number in chance.sample(range(size), _PAGES)]
    species = [one.value for one in portal.values("species")][:20]
    microscopes = [one.value for one in portal.values("microscope")][:20]
    filtered = [
        f"/datasets?species={quote(chance.choice(species))}&microscope={quote(chance.choice(microscopes))}"
        f"&tilt_max_deg={chance.randint(40, 60)}..{chance.randint(60, 70)}"
        f"&sort={chance.choice(('newest', 'title', 'date', 'size'))}"
        for _ in range(_PAGES // 2)
    ]
    typed = [f"/datasets?q={chance.choice(_WORDS)}+{chance.choice(_BEGUN)}" for _ in range(_PAGES // 2)]
    orders = [f"/datasets?sort={name}" for name in ("title", "date", "size", "oldest")]
    asyncio.run(_times(app, [*orders, *filtered[:1], pages[0]]))  # what is made once for each new block
    dataset_ms = statistics.median(asyncio.run(_times(app, pages)))
    browse = sorted(asyncio.run(_times(app, list(dict.fromkeys([*filtered, *typed])))))
    browse_ms = browse[int(len(browse) * 0.99)]
    yield _within(f"dataset page at the median, {size:,} records", dataset_ms, 10, "bound by filling its template")
    note = (
        "filters, four orders, and words of which the last is half written; bound by the full-text index where words "
        "stand in most records (a last word of one letter: up to 70 ms with 100,000 records), else by the template"
    )
    yield _within(f"browse page with facets at the 99th percentile, {size:,} records", browse_ms, 25, note)


def _slices(settings: Settings) -> Iterator[Figure]:
    volume = settings.folder / "volume.mrc"
    _write_volume(volume)
    with (
        closing(FilesInPlace(settings.folder / "digests.sqlite", content_folder=settings.folder / "content")) as store,
        Catalogue(settings.folder / "none.sqlite", writable=True) as catalogue,
    ):
        cid = store.add_file(volume).cid
        app = portal_app(Portal(catalogue, store, UNLIMITED, network="local"))
        at = random.Random(8).sample(range(_SHAPE[0]), 100)
        addresses = [f"/api/v1/volumes/{cid}/slice?axis=z&index={number}" for number in at]
        asyncio.run(_times(app, addresses[:1]))
        found = asyncio.run(_times(app, addresses[1:]))
        first = first_pictures(app, str(cid), _SHAPE)
    shape = " x ".join(f"{one:,}" for one in reversed(_SHAPE))
    yield _within(f"XY slice of {shape} as JPEG, median", statistics.median(found), 15, "bound by the JPEG encoder")
    yield first


def _write_volume(path: Path) -> None:
    header = np.zeros(256, "<i4")
    header[[0, 1, 2, 7, 8, 9]] = [_SHAPE[2], _SHAPE[1], _SHAPE[0]] * 2
    header[3], header[16:19], header[52], header[53] = 1, (1, 2, 3), 0x2050414D, 0x00004444
    chance = np.random.default_rng(9)
    plane = chance.normal(1000, 200, _SHAPE[1:])
    smooth = np.cumsum(plane - plane.mean(), axis=0) * 0.05 + plane
    with path.open("wb") as file:
        file.write(header.tobytes())
        for number in range(_SHAPE[0]):
            file.write(np.roll(smooth, number, axis=1).astype("<i2").tobytes())


async def _times(app: Any, addresses: Sequence[str]) -> list[float]:
    """Processor time of each request, in milliseconds."""
    found = []
    for address in addresses:
        began = time.process_time()
        answer = await ask(app, address)
        found.append((time.process_time() - began) * 1_000)
        assert answer.status == 200, (address, answer.status)
    return found


def _within(name: str, milliseconds: float, aim_ms: float, note: str) -> Figure:
    """A time as a rate, beside the rate that the aim is."""
    return Figure(
        name=name,
        unit="/s of server time",
        ours=1_000 / milliseconds,
        reference=1_000 / aim_ms,
        reference_name=f"the aim: {aim_ms:g} ms each",
        aim=1.0,
        note=f"{milliseconds:.2f} ms; {note}",
    )
