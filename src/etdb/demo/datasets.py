"""The demo's lab: dataset folders as a laboratory would have them, with real files and a `dataset.toml` each.

Only what the files cannot tell stands in `dataset.toml`: angles, pixel size, date, magnification and voltage are read
from headers and logs, and pictures are made, when the datasets are published. Nothing is claimed that the source does
not say: what the specimens are made of, and who sat at the microscope, is not known.
"""

from __future__ import annotations

import datetime as dt
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from etdb.demo.material import WHEEL_SHA256, Material
from etdb.demo.mrc import read_stack, write_volume
from etdb.demo.reconstruct import reconstruct, to_int16
from etdb.errors import FormatError

__all__ = ["LAB_DATASETS", "encode_toml", "read_log", "write_lab"]

_ANGSTROM_PER_NM = 10.0
_SOFTWARE = "etdb demo: centre-of-mass alignment, filtered back-projection"
_SOURCE = {
    "source": "NIST, test data of the Python package etspy 1.3.0",
    "source_sha256": WHEEL_SHA256,
}
LAB_DATASETS = ("needle_2011-11-18", "titan_2023-03-31")


def write_lab(lab: Path, material: Material, progress: Callable[[str, float], None] = lambda *_: None) -> list[Path]:
    """Write the dataset folders.

    Args:
        lab: a folder that does not exist yet.
        material: the files that they are made from.
        progress: is told what is done and which part of it (0 to 1).

    Returns:
        The folders, in the order of :data:`LAB_DATASETS`.
    """
    folders = [lab / name for name in LAB_DATASETS]
    for folder in folders:
        folder.mkdir(parents=True)
        shutil.copyfile(material["LICENSE"], folder / "LICENSE.txt")
    _write_needle(folders[0], material, progress)
    _write_titan(folders[1], material)
    return folders


def _write_needle(folder: Path, material: Material, progress: Callable[[str, float], None]) -> None:
    log = read_log(material["HAADF.txt"].read_text(encoding="latin-1"))
    voxel = float(log["Image pixel size [nm]"]) * _ANGSTROM_PER_NM
    for name in ("HAADF.mrc", "HAADF.rawtlt", "HAADF.txt"):
        shutil.copyfile(material[name], folder / name)
    stack = read_stack(material["HAADF.mrc"])
    angles = np.loadtxt(material["HAADF.rawtlt"])
    result = reconstruct(stack, angles, progress=lambda part: progress("reconstructing", part))
    turn = float(np.rad2deg(result.alignment.axis_turn_rad))
    volume, factor = to_int16(result.volume)
    labels = [
        "Tomogram of a needle-shaped specimen, HAADF STEM, from HAADF.mrc",
        _SOFTWARE,
        f"int16 = {factor:.4g} x HAADF signal a voxel; (z, y, x); tilt axis along x; hand not known",
    ]
    write_volume(folder / "needle_rec.mrc", volume, voxel, labels)
    _write_toml(
        folder,
        {
            "title": "Layered needle-shaped specimen, HAADF STEM tilt series and tomogram",
            "description": (
                "Tilt series of 77 high-angle annular dark-field images of a free-standing needle with several layers "
                "of different density near its tip, from -76 to +76 degrees, and the tomogram reconstructed from it. "
                "What the layers consist of is not stated by the source."
            ),
            "species": "none: materials specimen (layered needle)",
            "microscope": "FEI microscope, STEM mode (model not stated)",
            "reconstruction_software": _SOFTWARE,
            "institution": "National Institute of Standards and Technology (NIST)",
            "sid": LAB_DATASETS[0],
            "detector": "HAADF",
            "licence": "NIST-PD-fallback",
            "authors": ["NIST etspy developers"],
            "tags": ["electron tomography", "HAADF STEM", "needle", "materials science"],
            "keywords": ["layered needle", "HAADF", "STEM tomography"],
            "notes": "The tomogram may be its own mirror image in z: the direction of the tilt is not known.",
            "extra": {
                **_SOURCE,
                "sample_geometry": log["Sample Geometry"],
                "tilt_axis_turn_deg": round(turn, 2),
                "alignment_residual_px": round(result.alignment.residual_px, 2),
            },
            "files": {
                "HAADF.mrc": {"role": "tilt_series", "notes": "77 projections, tilt axis along the rows"},
                "needle_rec.mrc": {"role": "reconstruction", "software": _SOFTWARE},
            },
        },
    )


def _write_titan(folder: Path, material: Material) -> None:
    for name in ("test_000.mrc", "test_000.mrc.mdoc"):
        shutil.copyfile(material[name], folder / name)
    _write_toml(
        folder,
        {
            "title": "SerialEM test frames of a facetted surface, HAADF STEM at zero tilt",
            "description": (
                "Two successive frames of a surface of diamond-shaped facets with fine cracks, recorded with SerialEM "
                "at zero tilt. The specimen is not named by the source."
            ),
            "species": "none: materials specimen (facetted surface)",
            "microscope": "NIST Titan D3094",
            "institution": "National Institute of Standards and Technology (NIST)",
            "sid": LAB_DATASETS[1],
            "detector": "HAADF",
            "licence": "NIST-PD-fallback",
            "authors": ["NIST etspy developers"],
            "tags": ["electron tomography", "HAADF STEM", "SerialEM", "materials science"],
            "keywords": ["SerialEM", "multiple frames", "HAADF"],
            "extra": {**_SOURCE, "exposure_s": 0.524},
            "files": {
                "test_000.mrc": {"role": "tilt_series", "notes": "two frames at zero tilt"},
            },
        },
    )


def read_log(text: str) -> dict[str, str]:
    """The parameters of FEI's acquisition log: `date time  name: value` lines; the first of a name counts.

    Raises:
        FormatError: it is not such a log.
    """
    found: dict[str, str] = {}
    for line in text.splitlines():
        name, colon, value = line[17:].partition(":")
        if colon and value.strip():
            found.setdefault(name.strip(), value.strip())
    if "Image pixel size [nm]" not in found:
        raise FormatError("HAADF.txt is not the log of an acquisition: it has no pixel size")
    return found


def _write_toml(folder: Path, fields: dict[str, Any]) -> None:
    (folder / "dataset.toml").write_text(encode_toml(fields), encoding="utf-8")


def encode_toml(fields: dict[str, Any]) -> str:
    """Text, numbers, dates, lists and nested tables as TOML; tables come after the plain values."""
    return "\n".join(_toml_lines(fields, ())) + "\n"


def _toml_lines(table: dict[str, Any], where: tuple[str, ...]) -> list[str]:
    lines = [f"[{'.'.join(where)}]"] if where and any(not isinstance(v, dict) for v in table.values()) else []
    lines += [f"{_toml_key(key)} = {_toml_value(v)}" for key, v in table.items() if not isinstance(v, dict)]
    for key, value in table.items():
        if isinstance(value, dict):
            lines += ["", *_toml_lines(value, (*where, _toml_key(key)))]
    return lines


def _toml_key(key: str) -> str:
    return key if key.isidentifier() and key.isascii() else _toml_value(key)


def _toml_value(value: Any) -> str:
    # A JSON string, number or list of them is TOML too; only dates are written bare.
    return value.isoformat() if isinstance(value, dt.date) else msgspec.json.encode(value).decode()
