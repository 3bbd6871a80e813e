"""Whatever lies in the files, validating ends with findings: it never fails, and never writes."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.validate.lab import Lab, images, model, mrc, ome_zarr

from etdb.cli.output import printable
from etdb.validate import CHECKS

DAMAGE = st.lists(
    st.tuples(st.floats(0, 1, exclude_max=True), st.one_of(st.binary(min_size=1, max_size=8), st.just(b""))),
    min_size=1,
    max_size=6,
)


@pytest.fixture(scope="module")
def pristine(tmp_path_factory) -> Path:
    lab = Lab(tmp_path_factory.mktemp("lab"))
    lab.write("TS_01.mod", model([(1, 1, 1)]))
    lab.write("TS_01.xf", "1 0 0 1 0 0\n" * 5)
    lab.write("TS_01_ali.mrc", mrc(images(seed=9)))
    for path, text in ome_zarr([(4, 6, 8), (2, 3, 4)], [10.8, 21.6]).items():
        lab.write(path, text)
    return lab.root


@settings(max_examples=60)
@given(st.data(), DAMAGE, st.booleans())
def test_damaged_anywhere(pristine, data, damage, full):
    with tempfile.TemporaryDirectory() as folder:
        lab = Lab(Path(folder), of=pristine)
        lab.full = full
        files = sorted(path for path in lab.root.rglob("*") if path.is_file())
        target = data.draw(st.sampled_from(files))
        content = bytearray(target.read_bytes())
        for at, piece in damage:
            place = int(at * len(content))
            content[place : place + len(piece)] = piece
            if not piece:
                del content[place:]
        target.write_bytes(content)
        before = {path: path.stat().st_mtime_ns for path in files}
        for finding in lab.find():
            assert finding.severity == CHECKS[finding.id].severity
            assert printable(finding.message)
        assert {path: path.stat().st_mtime_ns for path in files} == before
