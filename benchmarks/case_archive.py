"""A whole archive of records: published, indexed from zero, indexed again, searched with facets.

There is no other program that does the same, so the records are reported beside what nobody can leave out (as in the
case `records`), and the searches beside the time that a person notices.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.lab_records import read_records, write_lab
from benchmarks.measure import Figure, Settings
from etdb.catalogue import Catalogue, Query, Range
from etdb.demo.commands import Commands

_SEARCHES = 1_000
_AIM_MS = 20.0
_FACETS = (
    "species",
    "lab",
    "publisher",
    "microscope",
    "detector",
    "acquisition_software",
    "reconstruction_software",
    "year",
    "authors",
    "emdb_id",
    "licence",
    "file_role",
)
"""What a portal's page shows beside its results."""
_WORDS = (
    *("", "cell", "wild type", "flagellar motor", "pneumophila", "delta", "sirt", "imod", "krios", "coli", "pn"),
    *("vibrio -cholerae", "jensen", "ghosal", "raptor", "dose symmetric", "k2", "2014", "w", "gas vesicle", "tomo3d"),
)
_MICROSCOPES = ("TFS Krios", "FEI Polara", "JEOL 3100")
_SPECIES = ("Vibrio cholerae", "Escherichia coli", "Legionella pneumophila", "Helicobacter pylori")
_SORTS = ("", "newest", "title", "date", "date-oldest", "size", "species")


def run(settings: Settings) -> list[Figure]:
    records = read_records(settings.records, settings.limit)
    lab = settings.folder / "lab"
    write_lab(lab, records)
    workspace = settings.folder / "workspace"
    workspace.mkdir()
    etdb = Commands(workspace, "bench")
    etdb.run("init", str(workspace))
    etdb.run("key", "new", "bench", passphrase=True)
    report = etdb.run("publish", str(lab), "--yes", passphrase=True)
    assert len(report["datasets"]) == len(records)
    published_s = etdb.seconds
    etdb.run("index")
    indexed_s = etdb.seconds
    catalogue = workspace / "cache" / "catalogue.sqlite"
    first = _dump_digest(catalogue)
    catalogue.unlink()
    etdb.run("index")
    assert _dump_digest(catalogue) == first, "a replay gave another fold"
    times_ms = _search(catalogue)
    reference = json.loads(
        subprocess.run(
            [sys.executable, "-m", "benchmarks.reference_records", str(report["transactions_sent"])],
            cwd=settings.folder,
            env={"PYTHONPATH": ":".join(path or "." for path in sys.path)},
            stdout=subprocess.PIPE,
            check=True,
        ).stdout
    )
    note = f"{len(records):,} records in {report['transactions_sent']:,} transactions, one small file each"
    percentile = times_ms[int(len(times_ms) * 0.99)]
    return [
        Figure(
            name="an archive published",
            unit="records/s",
            ours=len(records) / published_s,
            reference=len(records) / reference["sign_s"],
            reference_name="two signatures and a durable commit a transaction, nothing else",
            note=f"{note}; {published_s:.0f} s; bound by SQLite (a quarter) and by what it and files wait for the "
            "disk (a sixth)",
        ),
        Figure(
            name="an archive indexed from zero",
            unit="records/s",
            ours=len(records) / indexed_s,
            reference=len(records) / reference["check_s"],
            reference_name="a signature's check and a row of full text a transaction, nothing else",
            note=f"{note}; {indexed_s:.0f} s; the replay gave the identical fold; bound by checks of signatures "
            "(two fifths) and by SQLite (a quarter)",
        ),
        Figure(
            name="searches with facets, at the 99th percentile",
            unit="searches/s",
            ours=1000 / percentile,
            reference=1000 / _AIM_MS,
            reference_name=f"{_AIM_MS:.0f} ms each",
            aim=1.0,
            note=f"{_SEARCHES:,} searches over {len(records):,} records with {len(_FACETS)} facets counted: "
            f"median {times_ms[len(times_ms) // 2]:.1f} ms, 99th percentile {percentile:.1f} ms, "
            f"longest {times_ms[-1]:.1f} ms; bound by what SQLite reads for the rows that are shown",
        ),
    ]


def _search(path: Path) -> list[float]:
    """Different searches, as people make them: words, a filter or two, any order; nothing is asked before."""
    random_ = random.Random(2018)
    times = []
    with Catalogue(path) as catalogue:
        for _ in range(_SEARCHES):
            terms: dict[str, tuple[str, ...]] = {}
            ranges: dict[str, Range] = {}
            if random_.random() < 0.3:
                terms["microscope"] = (random_.choice(_MICROSCOPES),)
            if random_.random() < 0.3:
                terms["species"] = tuple(random_.sample(_SPECIES, random_.randint(1, 2)))
            if random_.random() < 0.3:
                first = random_.randint(2003, 2020)
                ranges["year"] = Range(first, first + random_.randint(0, 9))
            if random_.random() < 0.2:
                ranges["tilt_step_deg"] = Range(round(random_.uniform(0.5, 2), 2), 3.0)
            query = Query(
                text=random_.choice(_WORDS), terms=terms, ranges=ranges, sort=random_.choice(_SORTS), facets=_FACETS
            )
            started = time.perf_counter()
            catalogue.search(query)
            times.append((time.perf_counter() - started) * 1000)
    return sorted(times)


def _dump_digest(path: Path) -> str:
    """In a process of its own: the rows of all tables at once are no part of the case's memory."""
    code = (
        "import hashlib, pathlib, sys\nfrom etdb.catalogue import Catalogue\n"
        "with Catalogue(pathlib.Path(sys.argv[1])) as c: print(hashlib.sha256(repr(c.dump()).encode()).hexdigest())"
    )
    return subprocess.run([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, check=True, text=True).stdout
