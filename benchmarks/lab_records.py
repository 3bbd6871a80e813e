"""A lab's folder of many small datasets: from a table of real tilt series, or made up alike."""

from __future__ import annotations

import csv
import gzip
import io
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_MADE_UP = 12_757
_SPECIES = (
    ("Vibrio cholerae", 666),
    ("Escherichia coli", 562),
    ("Caulobacter vibrioides", 155892),
    ("Legionella pneumophila", 446),
    ("Helicobacter pylori", 210),
    ("Pseudomonas aeruginosa", 287),
    ("Myxococcus xanthus", 34),
    ("Bdellovibrio bacteriovorus", 959),
)


def read_records(path: Path | None, limit: int | None = None) -> list[dict[str, Any]]:
    """The fields of `dataset.toml` of each dataset.

    Args:
        path: a table (CSV, gzip or not) with a row for each tilt series; None makes records up.
        limit: no more than these.
    """
    rows = _made_up() if path is None else map(_from_row, _rows(path))
    records = []
    for fields in rows:
        if limit is not None and len(records) == limit:
            break
        records.append({name: value for name, value in fields.items() if value not in ("", None, [])})
    return records


def write_lab(folder: Path, records: list[dict[str, Any]]) -> None:
    """A folder for each dataset, with `dataset.toml` and one small file."""
    for number, fields in enumerate(records):
        dataset = folder / str(fields["sid"])
        dataset.mkdir(parents=True)
        lines = [f"{name} = {_toml(value)}\n" for name, value in fields.items()]
        (dataset / "dataset.toml").write_text("".join(lines), encoding="utf-8")
        (dataset / "note.txt").write_bytes(b"%d\n" % number)


def _toml(value: Any) -> str:
    # A JSON string is a TOML string; its lists and finite numbers are TOML's too.
    return str(value.date) if isinstance(value, _Date) else json.dumps(value, ensure_ascii=False)


class _Date:
    def __init__(self, date: str) -> None:
        self.date = date


def _rows(path: Path) -> Iterator[dict[str, str]]:
    raw = path.read_bytes()
    text = (gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw).decode()
    return iter(csv.DictReader(io.StringIO(text)))


def _from_row(row: dict[str, str]) -> dict[str, Any]:
    def number(name: str) -> float | None:
        return float(row[name]) if row[name] else None

    voltage = number("voltage")
    return {
        "sid": row["sid"],
        "title": row["title"],
        "species": row["organism"],
        "strain": row["strain"],
        "ncbi_taxon_id": int(row["taxid"]) if row["taxid"] else None,
        "acquired_on": _Date(row["acq_date"]) if row["acq_date"] else None,
        "microscope": row["microscope"],
        "detector": row["camera"],
        "voltage_kv": voltage / 1000 if voltage else None,
        "pixel_spacing_angstrom": number("pixel_spacing_A"),
        "voxel_spacing_angstrom": number("voxel_spacing_A"),
        "tilt_min_deg": number("tilt_min"),
        "tilt_max_deg": number("tilt_max"),
        "tilt_step_deg": number("tilt_step"),
        "dose_e_per_a2": number("total_flux"),
        "acquisition_software": row["acq_software"],
        "reconstruction_software": row["recon_software"],
        "authors": [name for name in row["authors"].split(";") if name],
        "publications": [name for name in row["publications"].split(",") if name],
        "emdb_id": row["xrefs"].split(",")[0],
        "sample_preparation": row["sample_type"],
        "keywords": [word for word in (row["tilt_scheme"], row["recon_method"]) if word],
    }


def _made_up() -> Iterator[dict[str, Any]]:
    random_ = random.Random(2018)
    for number in range(_MADE_UP):
        species, taxon = random_.choice(_SPECIES)
        step = random_.choice((1.0, 1.5, 2.0, 3.0))
        year, month, day = random_.randint(2004, 2022), random_.randint(1, 12), random_.randint(1, 28)
        yield {
            "sid": f"bench{year}-{month:02d}-{day:02d}-{number}",
            "title": f"{species}, whole cell {random_.randint(1, 300)}",
            "species": species,
            "ncbi_taxon_id": taxon,
            "acquired_on": _Date(f"{year}-{month:02d}-{day:02d}"),
            "microscope": random_.choice(("TFS Krios", "FEI Polara", "JEOL 3100")),
            "detector": random_.choice(("Gatan K2", "Gatan K3", "Gatan Ultracam")),
            "voltage_kv": 300.0,
            "pixel_spacing_angstrom": round(random_.uniform(1.6, 6.0), 3),
            "tilt_min_deg": -60.0,
            "tilt_max_deg": random_.choice((60.0, 62.0, 65.0)),
            "tilt_step_deg": step,
            "dose_e_per_a2": float(random_.randint(50, 200)),
            "acquisition_software": random_.choice(("SerialEM", "UCSFTomo")),
            "reconstruction_software": random_.choice(("IMOD", "TOMO3D", "RAPTOR")),
            "authors": ["Ada Lovelace", random_.choice(("Rosalind Franklin", "Dorothy Hodgkin"))],
        }
