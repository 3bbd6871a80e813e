"""Whatever files and people say, it is described: numbers are finite, JSON and dataset.toml are valid."""

from __future__ import annotations

import math
import re
import tomllib
from pathlib import Path

import msgspec

from etdb.describe import describe, encode_draft
from etdb.em import Look, parse_acquisition_log, parse_mdoc, parse_mrc_header, parse_tilt_angles
from etdb.errors import FormatError
from etdb.sources import DatasetMetadata, SourceDataset, SourceFile, parse_dataset_toml
from etdb.workspace import Settings

_BETWEEN = b"\n--8<--\n"
_UNMARKED = re.compile(r"^# ([a-z_0-9]+ = )", re.MULTILINE)


def seeds() -> list[bytes]:
    mdoc = (
        b"mPixelSpacing = 5.4\nVoltage = 300\n[T = SerialEM: EMBL Krios Camera -> 1:GIF-K3 30-Nov-15 15:14:20 ]\n"
        b"[ZValue = 0]\nTiltAngle = 0\nExposureDose = 2\nCameraIndex = 1\nFilterSlitAndLoss = 20 0\n"
        b"DateTime = 30-Nov-15  15:21:38\n[ZValue = 1]\nTiltAngle = 3\nExposureDose = 2\nMagnification = 1e9\n"
        b"DateTime = 30-Nov-15  15:22:38\n[ZValue = 2]\nTiltAngle = -3\nPixelSpacing = 0\n"
    )
    log = b"l11/18/11 10:36:43  Used parameters\n11/18/11 10:36:43   Image pixel size [nm]: 3.36\n"
    header = b"h" + bytes.fromhex("08000000 08000000 29000000 01000000").ljust(1024, b"\0")
    people = (
        b'dtitle = "T"\nspecies = "E. coli"\nncbi_taxon_id = 9606\nmicroscope = "Polara"\n[extra]\nexposure_s = 3\n'
    )
    return [
        _BETWEEN.join([mdoc, b"t-3\n0\n3\n", log, header, people]),
        _BETWEEN.join([mdoc, mdoc.replace(b"5.4", b"7.7"), header, header]),
        b"t-60\n-57\n-54\n" + _BETWEEN + b"r-61\n-57\n-55.5",
        b'dtitle = \'\x7f\'\nnotes = "\\u0000\\u202e"\n[extra]\n"a b" = {c = [1, 2.5]}\n',
    ]


def check(data: bytes) -> None:
    files: list[SourceFile] = []
    metadata = DatasetMetadata()
    for number, part in enumerate(data.split(_BETWEEN)[:12]):
        kind, text = part[:1], part[1:]
        if kind == b"d":
            metadata, _problems = parse_dataset_toml(text)
            continue
        try:
            look = _look(kind, text)
        except FormatError:
            continue
        role = {b"h": "reconstruction" if number % 2 else "tilt_series"}.get(kind, "metadata")
        suffix = {b"m": "mdoc", b"t": "rawtlt", b"r": "tlt", b"l": "txt"}.get(kind, "mrc")
        path = f"s{number // 2}{'ab'[number % 2]}.{suffix}"
        files.append(SourceFile(path=path, absolute=Path("/"), size_bytes=1, media_type="", role=role, look=look))
    dataset = SourceDataset(name="d", root=Path("/"), files=tuple(files), metadata=metadata.given())
    draft = describe(dataset, Settings(), needs_title=False)
    for name, value in msgspec.to_builtins(draft.tomogram).items():
        assert not isinstance(value, float) or math.isfinite(value), name
    msgspec.json.decode(msgspec.json.encode(draft))
    text = encode_draft(dataset, draft)
    assert text.isprintable() or set(text) - {"\n"} == {c for c in text if c.isprintable()}
    assert parse_dataset_toml(text.encode())[1] == []
    told = text.partition("# What the files and settings tell:")[2].partition("\n[extra]")[0]
    for line in told.splitlines():  # one by one: of what is in dispute there are several
        tomllib.loads(_UNMARKED.sub(r"\1", line))


def _look(kind: bytes, text: bytes) -> Look:
    if kind == b"m":
        return parse_mdoc(text)
    if kind == b"l":
        return parse_acquisition_log(text)
    if kind == b"h":
        return parse_mrc_header(text)
    if kind in (b"t", b"r"):
        return parse_tilt_angles(text, ".rawtlt" if kind == b"t" else ".tlt")
    raise FormatError("no kind of file")
