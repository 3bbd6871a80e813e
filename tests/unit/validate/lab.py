"""A good dataset of tiny real files, which tests damage on purpose."""

from __future__ import annotations

import datetime as dt
import json
import shutil
import struct
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from etdb.sources import FolderSource
from etdb.validate import Finding, Terms, validate_dataset
from etdb.vocabulary import Taxonomy

TODAY = dt.date(2026, 11, 30)
ANGLES = (-60.0, -30.01, 0.0, 29.99, 60.0)
TOML = """
title = "TS 01"
species = "Bdellovibrio bacteriovorus"
ncbi_taxon_id = 959
acquired_on = 2021-10-08
dose_e_per_a2 = 100.0
tilt_min_deg = -60
tilt_max_deg = 60
tilt_step_deg = 30
voltage_kv = 300
defocus_um = -5
magnification = 33000
"""
# Where a field of an MRC header stands, and its type.
FIELDS = {
    "size": (0, "3i"), "mode": (12, "i"), "start": (16, "3i"), "grid": (28, "3i"), "cell": (40, "3f"),
    "angles": (52, "3f"), "axes": (64, "3i"), "ispg": (88, "i"), "next": (92, "i"), "exttyp": (104, "4s"),
    "version": (108, "i"), "origin": (196, "3f"), "map": (208, "4s"), "stamp": (212, "4s"), "nlabl": (220, "i"),
    "label": (224, "80s"), "nint": (128, "h"), "nreal": (130, "h"),
}  # fmt: skip


def mrc(planes: np.ndarray, spacing: float = 2.7, *, order: str = "<", extended: bytes = b"", **fields: Any) -> bytes:
    """An MRC2014 file of planes (z, y, x), with any field of its header replaced."""
    modes = {"int8": 0, "int16": 1, "float32": 2, "complex64": 4, "uint16": 6, "float16": 12}
    z, y, x = planes.shape
    header = bytearray(1024)
    stamp = b"DD\0\0" if order == "<" else b"\x11\x11\0\0"
    values = {
        "size": (x, y, z), "mode": modes[planes.dtype.name], "grid": (x, y, z), "axes": (1, 2, 3),
        "cell": (x * spacing, y * spacing, z * spacing), "angles": (90, 90, 90), "ispg": 0, "version": 20140,
        "map": b"MAP ", "stamp": stamp, "nlabl": 0, "next": len(extended), **fields,
    }  # fmt: skip
    for name, value in values.items():
        offset, form = FIELDS[name]
        struct.pack_into(order + form, header, offset, *(value if isinstance(value, tuple) else (value,)))
    return bytes(header) + extended + planes.astype(planes.dtype.newbyteorder(order)).tobytes()


def images(count: int = 5, dtype: str = "int16", seed: int = 1, shape: tuple[int, int] = (6, 8)) -> np.ndarray:
    """Planes of noise."""
    return np.random.default_rng(seed).integers(1, 100, (count, *shape)).astype(dtype)


def serialem(angles: tuple[float, ...] = ANGLES) -> dict[str, Any]:
    """An extended header of SerialEM with the tilt angle of each section (bit 0: two bytes, hundredths of a degree)."""
    extended = b"".join(struct.pack("<h", round(angle * 100)) for angle in angles)
    return {"extended": extended, "exttyp": b"SERI", "nint": 2, "nreal": 1}


def model(points: list[tuple[float, float, float]], size: tuple[int, int, int] = (8, 6, 4)) -> bytes:
    """An IMOD model of one contour."""
    numbers = (*size, 1, 1 << 12, 1, 0, 0, 255, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 0, 0, 0, 3, 128, 1.0, 0, 0, 0.0, 0.0, 0.0)
    head = b"IMODV1.2" + struct.pack(">128s3iiI4i3f3f3i2ifii3f", b"model", *numbers)
    one = b"OBJT" + struct.pack(">64s64siI2i3fi8B2i", b"", b"", 1, 0, 0, 0, 0.0, 1.0, 0.0, 0, *([0] * 8), 0, 0)
    contour = b"CONT" + struct.pack(">4i", len(points), 0, 0, 0)
    return head + one + contour + b"".join(struct.pack(">3f", *point) for point in points) + b"IEOF"


def ome_zarr(
    shapes: list[tuple[int, int, int]],
    spacings: list[float],
    axes: str = "zyx",
    unit: str = "angstrom",
    *,
    name: str = "TS_01",
    dtype: str = "<f4",
    labels: Sequence[float] = (),
) -> dict[str, str]:
    """The metadata of an OME-Zarr 0.4 folder, by file."""
    datasets = [
        {"path": str(n), "coordinateTransformations": [{"type": "scale", "scale": [spacing] * 3}]}
        for n, spacing in enumerate(spacings)
    ]
    named = [{"name": axis, "type": "space", "unit": unit} for axis in axes]
    group: dict[str, Any] = {"multiscales": [{"version": "0.4", "axes": named, "datasets": datasets}]}
    if labels:
        group["image-label"] = {"version": "0.4", "colors": [{"label-value": value} for value in labels]}
    arrays = {
        f"{name}.zarr/{n}/.zarray": json.dumps({"zarr_format": 2, "shape": shape, "chunks": shape, "dtype": dtype})
        for n, shape in enumerate(shapes)
    }
    return {f"{name}.zarr/.zgroup": '{"zarr_format": 2}', f"{name}.zarr/.zattrs": json.dumps(group), **arrays}


def points(*places: tuple[float, float, float], **keys: Any) -> str:
    """Points of the CryoET Data Portal's form; a key's value may be one for all or a list."""
    kind = {"instance_id": "instancePoint", "xyz_rotation_matrix": "orientedPoint"}
    lines = []
    for n, (x, y, z) in enumerate(places):
        line: dict[str, Any] = {"type": "point", "location": {"x": x, "y": y, "z": z}}
        for key, value in keys.items():
            line |= {"type": kind[key], key: value[n] if isinstance(value, list) else value}
        lines.append(json.dumps(line))
    return "\n".join(lines)


CTF_LINE = (10295.926758, 10012.275391, -38.856349, 0.0, 0.03065, 15.279412)


def ctffind(*lines: tuple[float, ...], announced: int = 5, pixel: float = 2.7) -> str:
    """What CTFFIND 4 writes; the numbers of the micrographs come first in each line."""
    head = [
        "# Output from CTFFind version 4.1.14, run on 2021-10-09 15:12:45",
        f"# Input file: TS_01.mrc ; Number of micrographs: {announced}",
        f"# Pixel size: {pixel:.3f} Angstroms ; acceleration voltage: 300.0 keV ; spherical aberration: 2.70 mm",
        "# Columns: #1 - micrograph number; #2 - defocus 1 [Angstroms]; #3 - defocus 2; #4 - azimuth; ...",
    ]
    return "\n".join(head + [" ".join(f"{value:f}" for value in line) for line in lines]) + "\n"


def mdoc(angles: tuple[float, ...] = ANGLES, **keys: Any) -> str:
    """An mdoc file; a key's value may be one for all sections or a list, None to leave it out."""
    top = {"PixelSpacing": 2.7, "Voltage": 300, "ImageFile": "TS_01.mrc", "ImageSize": "8 6", "DataMode": 1}
    section = {
        "TiltAngle": list(angles),
        "Magnification": 33000,
        "ExposureDose": 20.0,
        "PriorRecordDose": [20.0 * n for n in range(len(angles))],
        "PixelSpacing": 2.7,
        "RotationAngle": 175.3,
        "TargetDefocus": -5,
        "SubFramePath": [rf"D:\DATA\frames\TS_01_{n:03}.mrc" for n in range(len(angles))],
        "NumSubFrames": 3,
        "DateTime": [f"08-Oct-21  07:{n:02}:00" for n in range(len(angles))],
    }
    axis = keys.pop("axis", 85.3)
    for key, value in keys.items():
        (section if key in section or key not in top else top)[key] = value
    if "PixelSpacing" in keys:
        top["PixelSpacing"] = section["PixelSpacing"]
    lines = [f"{key} = {value}" for key, value in top.items() if value is not None]
    lines += ["", f"[T =     Tilt axis angle = {axis}, binning = 1  spot = 8  camera = 2]"]
    for n in range(len(angles)):
        lines += ["", f"[ZValue = {n}]"]
        for key, value in section.items():
            one = value[n] if isinstance(value, list) else value
            if one is not None:
                lines.append(f"{key} = {one}")
    return "\n".join(lines) + "\n"


class Lab:
    """One dataset in a folder of its own: the good one, or a copy of another."""

    STACK, MDOC, RAW, TLT, VOLUME = "raw/TS_01.mrc", "raw/TS_01.mrc.mdoc", "raw/TS_01.rawtlt", "TS_01.tlt", "TS_01.rec"

    def __init__(self, root: Path, *, of: Path | None = None) -> None:
        self.root = root / "ts_01"
        self.taxa: Taxonomy | None = None
        self.full = False
        if of is not None:
            shutil.copytree(of, self.root)
            return
        self.write(self.STACK, mrc(images()))
        self.write(self.MDOC, mdoc())
        self.angles(self.RAW, ANGLES)
        self.angles(self.TLT, ANGLES)
        for n in range(5):
            self.write(f"frames/TS_01_{n:03}.mrc", mrc(images(3, seed=10 + n)))
        self.write(self.VOLUME, mrc(images(4, "float32", seed=3), 10.8, ispg=1))
        self.write("dataset.toml", TOML)

    def write(self, path: str, data: bytes | str) -> None:
        """A file of the dataset."""
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data.encode() if isinstance(data, str) else data)

    def remove(self, path: str) -> None:
        """Take a file away."""
        (self.root / path).unlink()

    def cut(self, path: str, count: int) -> None:
        """Take bytes from a file's end (or add them)."""
        data = (self.root / path).read_bytes()
        self.write(path, data[:-count] if count > 0 else data + bytes(-count))

    def angles(self, path: str, angles: tuple[float, ...]) -> None:
        """A file of tilt angles."""
        self.write(path, "".join(f"{angle}\n" for angle in angles))

    def toml(self, **values: Any) -> None:
        """Replace values of dataset.toml; None leaves one out."""
        lines = [line for line in TOML.splitlines() if line.split(" = ")[0] not in values]
        lines += [f"{key} = {value}" for key, value in values.items() if value is not None]
        self.write("dataset.toml", "\n".join(lines) + "\n")

    def find(self, **terms: Any) -> list[Finding]:
        """What the checks say of it."""
        dataset, problems = FolderSource(self.root).survey(self.root)
        said: dict[str, Any] = {"today": TODAY, "full": self.full, "taxa": self.taxa, **terms}
        return validate_dataset(dataset, Terms(**said), problems=problems)

    def ids(self) -> set[str]:
        """The ids of what is found."""
        return {finding.id for finding in self.find()}


Change = Callable[[Lab], None]
