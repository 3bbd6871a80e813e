import csv
import gzip
import tomllib
from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.conftest import ROOT

from etdb.vocabulary import find_microscope, unify
from etdb.vocabulary.instruments import _key

TABLE = tomllib.loads(files("etdb.vocabulary").joinpath("instruments.toml").read_text("utf-8"))
KINDS = ("microscope", "detector", "software")
SPELLINGS = [
    (kind, name, spelling) for kind in KINDS for name, others in TABLE[kind].items() for spelling in (name, *others)
]


@pytest.mark.parametrize(
    ("kind", "written", "usual"),
    [
        ("microscope", "FEI Polara", "Polara"),
        ("microscope", "TFS Krios", "Titan Krios"),
        ("microscope", "Thermo Fisher Scientific Titan Krios G3i", "Titan Krios G3i"),
        ("microscope", "Caltech Polara", "Polara"),
        ("microscope", "JEOL JEM-3200FSC", "JEM-3200FSC"),
        ("microscope", "TFS 0", "TFS 0"),
        ("microscope", "Krios-like prototype", "Krios-like prototype"),
        ("detector", "GATAN K2 SUMMIT (4k x 4k)", "Gatan K2"),
        ("detector", "GIF-K3", "Gatan K3"),
        ("detector", "FEI FALCON IV (4k x 4k)", "Falcon 4"),
        ("detector", "Falcon 5", "Falcon 5"),
        ("software", "Serial EM", "SerialEM"),
        ("software", "serialem 3.8.6", "SerialEM 3.8.6"),
        ("software", "UCSF tomo", "UCSFTomo"),
        ("software", "FEIbatchtomo", "FEI Batch Tomography"),
        ("software", "FEI Tomo", "TFS Tomography"),
        ("software", "raptor, imod version 4.9.2; tomo3d", "RAPTOR, IMOD version 4.9.2, TOMO3D"),
        ("software", "own script, 2 passes", "own script, 2 passes"),
        ("software", "Undefined", "Undefined"),
        ("software", "", ""),
    ],
)
def test_spellings(kind, written, usual):
    assert unify(kind, written) == usual


def test_no_spelling_means_two_things():
    for kind in KINDS:
        keys: dict[str, str] = {}
        for name, others in TABLE[kind].items():
            for spelling in (name, *others):
                assert keys.setdefault(_key(spelling), name) == name, spelling


@given(
    st.sampled_from(SPELLINGS),
    st.sampled_from(["", " 4.1", " v2", " version 5 beta"]),
    st.sampled_from(TABLE["makers"]),
)
def test_unifying_twice_is_unifying_once(spelling, version, maker):
    kind, name, written = spelling
    assert unify(kind, written) == name
    for text in (written + version, f"{maker} {written}", written.upper(), f" {written} "):
        once = unify(kind, text)
        assert unify(kind, once) == once


@given(st.sampled_from(KINDS), st.text(max_size=250))
def test_any_text_is_unified_once_and_what_is_unknown_stays(kind, text):
    once = unify(kind, text)
    assert unify(kind, once) == once
    names = set(TABLE[kind])
    assert once == text or any(part.split()[0] in {n.split()[0] for n in names} for part in once.split(", "))


def test_the_spellings_of_the_old_archive_become_few():
    path = ROOT.parent / "shared" / "data" / "etdb" / "etdb_tiltseries_flat_DERIVED.csv.gz"
    if not path.exists():
        pytest.skip("left out: the shared data are not beside this checkout")
    with gzip.open(path, "rt", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    after = {
        column: {unify(kind, row[column]) for row in rows if row[column]}
        for kind, column in (("microscope", "microscope"), ("detector", "camera"), ("software", "acq_software"))
    }
    assert after["microscope"] == {"Polara", "Titan Krios", "Tecnai F30", "TFS 0"}
    assert after["camera"] == {"Gatan K2", "Gatan K3", "Gatan UltraCam", "Gatan UltraScan"}
    assert after["acq_software"] == {
        "UCSFTomo", "SerialEM", "Leginon", "Undefined", "FEI Batch Tomography", "TFS Tomography"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("title", "model"),
    [("EMBL Krios", "Titan Krios"), ("UMass_Krios", "Titan Krios"), ("NIST Titan D3094", "Titan"), ("Our own", "")],
)
def test_a_model_in_a_title(title, model):
    assert find_microscope(title) == model
