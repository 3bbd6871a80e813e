"""What has been found out is carried by the record and the manifest both ways, and is found in the catalogue."""

import datetime as dt
import json

import pytest

from etdb.catalogue import Catalogue, Query, Range
from etdb.manifest import compare, encode_manifest, parse_manifest
from etdb.oip import artifact, encode_publish, parse_tomogram
from etdb.testing.catalogue import fill_catalogue
from etdb.testing.records import RecordSigner

NEW = {"tilt_scheme": "dose-symmetric", "tilt_count": 41, "dose_per_tilt_e_per_a2": 2.5}
EXTRA = {"exposure_s": 0.8, "energy_filter_slit_ev": 20.0, "microscope_as_written": "Caltech Polara"}


@pytest.fixture
def tomogram():
    return RecordSigner().tomogram(**NEW, extra=EXTRA, microscope="Polara")


def test_the_record_carries_it_under_names_of_our_own(tomogram):
    document = json.loads(encode_publish(tomogram, "sig").decode().partition("json:")[2])
    details = document["oip042"]["publish"]["artifact"]["details"]
    assert {k: details[k] for k in ("tiltScheme", "tiltCount", "dosagePerTilt")} == dict(
        zip(("tiltScheme", "tiltCount", "dosagePerTilt"), NEW.values(), strict=True)
    )
    again = parse_tomogram(document["oip042"]["publish"]["artifact"])
    assert {name: getattr(again, name) for name in NEW} == NEW
    assert again.extra == EXTRA
    assert again.unknown == {}


def test_a_reader_of_before_passes_over_it(tomogram, monkeypatch):
    text = encode_publish(tomogram, "sig").decode().partition("json:")[2]
    before = tuple(field for field in artifact.FIELDS if field.name not in NEW)
    assert len(before) == len(artifact.FIELDS) - 3
    monkeypatch.setattr(artifact, "FIELDS", before)
    again = parse_tomogram(json.loads(text)["oip042"]["publish"]["artifact"])
    assert (again.title, again.microscope, again.tilt_count) == (tomogram.title, "Polara", None)
    assert again.unknown == {
        "/details/tiltScheme": "dose-symmetric",
        "/details/tiltCount": 41,
        "/details/dosagePerTilt": 2.5,
    }


def test_the_manifest_carries_it_with_its_unit(tomogram):
    text = encode_manifest(tomogram, [], prepared_on=dt.date(2026, 1, 1))
    assert compare(parse_manifest(text), tomogram) == ()
    units = {one.get("propertyID"): one.get("unitText") for one in json.loads(text)["@graph"]}
    assert units["dose_per_tilt_e_per_a2"] == "electron per square angstrom"
    assert units["tilt_scheme"] is None


def test_the_catalogue_finds_it(tmp_path):
    author = RecordSigner()
    records = [
        author.tomogram(title="one", **NEW, extra=EXTRA, microscope="Polara"),
        author.tomogram(title="two", tilt_scheme="bidirectional", tilt_count=61),
    ]
    with Catalogue(tmp_path / "c.sqlite", writable=True) as catalogue:
        fill_catalogue(catalogue, records)

        def found(**words):
            return [one.tomogram.title for one in catalogue.search(Query(sort="title", **words)).results]

        assert found(terms={"tilt_scheme": ("Dose-Symmetric",)}) == ["one"]
        assert found(ranges={"tilt_count": Range(50, None)}) == ["two"]
        assert found(ranges={"dose_per_tilt_e_per_a2": Range(2, 3)}) == ["one"]
        assert found(text="dose-symmetric") == ["one"]
        assert found(text="Caltech Polara") == ["one"]  # the original spelling, where the record says Polara
        facets = catalogue.search(Query(facets=("tilt_scheme",))).facets["tilt_scheme"]
        assert {one.value: one.count for one in facets} == {"dose-symmetric": 1, "bidirectional": 1}
