"""The Caltech database `publicdb`, made again: its tables, and rows from what became public of it.

From `shared/data/etdb/etdb_tiltseries_flat_DERIVED.csv.gz` (metadata of the CryoET Data Portal for these series) come:
tiltseriesID, title, species, strain, tax_id, user (full name of the first author), tomo_date, tilt_min, tilt_max,
tilt_step, single_dual, dosage, scope, software, voxel, the name and number of the reconstruction, publication (DOI).

Made up, because that file is not the lab's schema: DEF_id of everything but reconstructions, defocus and magnification
(from the number of the row), notes, keywords, treatment, sample, features, captions, raw data names, keyimg, keymov.
"""

from __future__ import annotations

import csv
import gzip
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tests.labdb.servers import mariadb_root

TOMOGRAM = re.compile(r"3dimage_[0-9]+/[^/*?]+")
Rows = dict[str, list[dict[str, Any]]]


def quoted(name: str) -> str:
    return f"`{name}`"


def create_statements(schema: Mapping[str, Any], *, dialect: str) -> Iterator[str]:
    """The tables of `shared/vectors/mysql_publicdb.json`, all columns."""
    for table, told in schema["tables"].items():
        columns = ", ".join(f"{quoted(name)} {kind}" for name, kind in told["columns"].items())
        if dialect == "sqlite":
            # MySQL 5.1 took a column that nobody gave for an empty one.
            yield f"CREATE TABLE {table} ({columns.replace(' NOT NULL', '')})"
        else:
            keys = ", ".join(key for key in told["keys"])
            yield f"CREATE TABLE {table} ({columns}, {keys}) ENGINE={told['engine']} DEFAULT CHARSET={told['charset']}"


def corpus(path: Path, count: int) -> list[dict[str, str]]:
    """So many series, spread over the whole file so that many species and people come."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["acq_date"] and TOMOGRAM.fullmatch(row["tomo_file"])]
    step = max(1, len(rows) // count)
    return rows[::step][:count]


def series_rows(rows: Sequence[Mapping[str, str]]) -> Rows:
    """The rows of all tables."""
    tables: Rows = {name: [] for name in ("TiltSeriesData", "DataFile", "ThreeDFile", "SpeciesData", "ScopeData")}
    tables |= {name: [] for name in ("UserData", "PublicationData", "FeatureData", "ListFeature")}
    users, species, scopes, publications = ({} for _ in range(4))
    features = {name: number for number, name in enumerate(("Flagella", "Chemoreceptor arrays", "S-layer"), 1)}
    tables["FeatureData"] = [{"DEF_id": number, "featurename": name} for name, number in features.items()]
    counter = itertools.count(200_000)
    for number, row in enumerate(rows):
        person = row["authors"].split(";")[0] or "Unknown"
        user = users.setdefault(person, len(users) + 1)
        kind = species.setdefault((row["organism"], row["strain"]), (len(species) + 1, row["taxid"]))
        scopes.setdefault(row["microscope"] or "Polara", len(scopes) + 1)
        doi = row["publications"].split(",")[0]
        publication = publications.setdefault(doi, len(publications) + 1) if doi else ""
        folder, _, filename = row["tomo_file"].partition("/")
        image = int(folder.rpartition("_")[2])
        sid = row["sid"]
        tables["TiltSeriesData"].append(
            _series(
                number,
                sid,
                title=row["title"],
                **{
                    "REF|UserData|user": str(user),
                    "REF|SpeciesData|specie": str(kind[0]),
                    "REF_PublicationData_publication": str(publication),
                },
                tomo_date=row["acq_date"] or None,
                tilt_min=_float(row["tilt_min"]),
                tilt_max=_float(row["tilt_max"]),
                tilt_step=row["tilt_step"],
                single_dual=1,
                tilt_constant=1,
                dosage=_float(row["total_flux"]),
                voxel=(_float(row["voxel_spacing_A"]) or 0) / 10,
                scope=row["microscope"] or "0",
                software_acquisition=row["acq_software"],
                software_process=row["recon_software"],
            )
        )
        volume = {"REF|TiltSeriesData|tiltseries": sid, "DEF_timestamp": None, "tag": 0, "status": 0}
        tables["ThreeDFile"] += [
            volume
            | {"DEF_id": next(counter), "title": "", "TXT_notes": "", "classify": "rawdata"}
            | {"filename": f"{sid}.mrc", "pixel_size": (_float(row["pixel_spacing_A"]) or 0) / 10},
            volume
            | {"DEF_id": image, "title": f"{row['recon_method'] or 'A'} reconstruction", "classify": "reconstruction"}
            | {"TXT_notes": "", "filename": filename, "pixel_size": (_float(row["voxel_spacing_A"]) or 0) / 10},
        ]
        picture = {"REF|TiltSeriesData|tiltseries": sid, "filetype": "2dimage", "status": 0}
        tables["DataFile"] += [
            picture | {"DEF_id": next(counter), "auto": 0, "filename": f"slice_{number}.jpg", "TXT_notes": "a slice"},
            picture | {"DEF_id": next(counter), "auto": 2, "filename": f"{sid}_slicer.jpg", "TXT_notes": ""},
            picture | {"DEF_id": next(counter), "auto": 0, "filename": "deleted.jpg", "TXT_notes": "", "status": 1},
        ]
        tables["ListFeature"].append(
            {"DEF_id": number, "REF|TiltSeriesData|tiltseries": sid, "REF|FeatureData|featurename": str(number % 3 + 1)}
            | {"checked": "1"}
        )
    tables["UserData"] = [
        {"DEF_id": number, "username": name.lower().replace(" ", ""), "fullname": name, "var": "abc", "email": "x@y"}
        for name, number in users.items()
    ]
    tables["SpeciesData"] = [
        {"DEF_id": number, "SpeciesName": name, "strain": strain, "tax_id": int(taxon or 0), "TXT_notes": ""}
        for (name, strain), (number, taxon) in species.items()
    ]
    tables["ScopeData"] = [{"DEF_id": n, "scopename": name, "TXT_notes": ""} for name, n in scopes.items()]
    tables["PublicationData"] = [
        {"DEF_id": number, "title": f"doi:{doi}", "authors": "", "journal": "", "issue": "", "pages": "", "year": ""}
        for doi, number in publications.items()
    ]
    return tables


def _series(number: int, sid: str, **columns: Any) -> dict[str, Any]:
    base = {
        "DEF_id": number + 1,
        "tiltseriesID": sid,
        "TXT_notes": f"Series {number}: frozen on grid {number % 7}",
        "keywords": "cryo; whole cell",
        "roles": "",
        "treatment": "plunge-frozen" if number % 2 else "",
        "sample": "cells in mid-log phase",
        "defocus": -(number % 12) - 1.0,
        "magnification": 22_500.0,
        "keyimg": 1,
        "keymov": 0,
        "feature": "",
        "pubtext": "",
        "status": 0,
        "ispublic": 1,
        "emdb": "",
        "delete_text": None,
        "delete_time": None,
    }
    return base | columns


def insert_statements(tables: Rows, *, mark: str) -> Iterator[tuple[str, list[tuple[Any, ...]]]]:
    """`executemany` arguments, a statement for each set of columns; `mark` is the driver's own."""
    for table, rows in tables.items():
        for columns in dict.fromkeys(tuple(row) for row in rows):
            names = ", ".join(quoted(name) for name in columns)
            values = [tuple(row[name] for name in columns) for row in rows if tuple(row) == columns]
            yield f"INSERT INTO {table} ({names}) VALUES ({', '.join([mark] * len(columns))})", values


def fill(sock: Path, schema: Mapping[str, Any], tables: Rows) -> None:
    """Make `publicdb` on a MariaDB anew; users `reader` and `writer` must be there."""
    with mariadb_root(sock, charset="utf8mb4") as db:
        cursor = db.cursor()
        cursor.execute("DROP DATABASE IF EXISTS publicdb")
        cursor.execute("CREATE DATABASE publicdb CHARACTER SET latin1")
        cursor.execute("GRANT SELECT ON publicdb.* TO reader")
        cursor.execute("GRANT ALL ON publicdb.* TO writer")
        cursor.execute("USE publicdb")
        for statement in create_statements(schema, dialect="mysql"):
            cursor.execute(statement)
        for statement, values in insert_statements(tables, mark="%s"):
            cursor.executemany(statement, [[as_the_forms_did(one) for one in row] for row in values])


def as_the_forms_did(cell: Any) -> Any:
    """Text as the lab's forms of 2005 stored it: its UTF-8 bytes, each as a letter of latin1."""
    if not isinstance(cell, str) or cell.isascii():
        return cell
    letters = (bytes([byte]) for byte in cell.encode())
    return "".join(one.decode("cp1252", "ignore") or one.decode("latin-1") for one in letters)


def write_files(tables: Rows, folder: Path, density: np.ndarray) -> None:
    """The files that the rows name: small sub-volumes of a real map as MRC, and small pictures."""
    titles = {row["tiltseriesID"]: number for number, row in enumerate(tables["TiltSeriesData"])}
    (folder / "Caps").mkdir(parents=True, exist_ok=True)
    for row in tables["ThreeDFile"]:
        sid, at = row["REF|TiltSeriesData|tiltseries"], titles[row["REF|TiltSeriesData|tiltseries"]]
        is_raw = row["classify"] == "rawdata"
        inside = "rawdata" if is_raw else f"3dimage_{row['DEF_id']}"
        corner = [(at * 5 + axis * 3) % (size - 12) for axis, size in enumerate(density.shape)]
        part = density[tuple(slice(start, start + 12) for start in corner)] + (at if is_raw else -at)
        _write(folder / sid / inside / row["filename"], mrc(part, row["pixel_size"] * 10, is_stack=is_raw))
    for row in tables["DataFile"]:
        if not row["status"]:
            sid, name = row["REF|TiltSeriesData|tiltseries"], row["filename"]
            place = folder / "Caps" / name if row["auto"] == 2 else folder / sid / f"file_{row['DEF_id']}" / name
            _write(place, b"\xff\xd8\xff\xe0" + f"{sid} {name}".encode() + b"\xff\xd9")
    for row in tables["TiltSeriesData"]:
        for ending in ("_s.jpg", ".jpg"):
            name = f"keyimg_{row['tiltseriesID']}{ending}"
            _write(folder / row["tiltseriesID"] / name, b"\xff\xd8\xff\xe0" + name.encode() + b"\xff\xd9")


def mrc(part: np.ndarray, spacing_angstrom: float, *, is_stack: bool) -> bytes:
    """An MRC2014 file of mode 2."""
    data = np.ascontiguousarray(part, dtype="<f4")
    z, y, x = data.shape
    head = np.zeros(256, dtype="<i4")
    head[:4] = x, y, z, 2
    head[7:10] = x, y, z
    head[16:19] = 1, 2, 3
    head[22] = 0 if is_stack else 1
    floats = head.view("<f4")
    floats[10:13] = [n * spacing_angstrom for n in (x, y, z)]
    floats[13:16] = 90
    floats[19:22] = data.min(), data.max(), data.mean()
    raw = bytearray(head.tobytes())
    raw[104:112] = bytes(8)
    raw[208:216] = b"MAP DD\0\0"
    return bytes(raw) + data.tobytes()


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def _float(text: str) -> float | None:
    return float(text) if text else None


def contract_rows(datasets: Sequence[Any]) -> Rows:
    """The datasets of the contract (`etdb.testing.sources.LabDataset`), as this database would hold them."""
    people = {one.microscopist: number for number, one in enumerate(datasets, 1) if one.microscopist}
    return {
        "UserData": [
            {"DEF_id": number, "username": "u", "fullname": name, "var": "abc"} for name, number in people.items()
        ],
        "SpeciesData": [
            {"DEF_id": number, "SpeciesName": one.species, "strain": "", "tax_id": 0}
            for number, one in enumerate(datasets, 1)
        ],
        "TiltSeriesData": [
            _series(number, one.sid, title=one.title, ispublic=int(one.released), scope="0")
            | {"keyimg": 0, "TXT_notes": one.notes, "sample": ""}
            | {"REF|UserData|user": str(people.get(one.microscopist, "")), "REF|SpeciesData|specie": str(number + 1)}
            for number, one in enumerate(datasets)
        ],
        "ThreeDFile": [
            {"DEF_id": number, "REF|TiltSeriesData|tiltseries": one.sid, "title": "", "classify": "rawdata"}
            | {"filename": path.removeprefix("rawdata/"), "pixel_size": 0, "status": 0}
            for number, (one, path) in enumerate((one, path) for one in datasets for path in one.files)
        ],
    }
