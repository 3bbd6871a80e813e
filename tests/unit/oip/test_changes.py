"""What differs between two states of a record, said once for each field."""

import msgspec
import pytest

from etdb.oip import FileEntry, Tomogram, compare_records

SERIES = FileEntry(path="series.mrc", size_bytes=70, role="tilt_series")
VOLUME = FileEntry(path="rec.mrc", size_bytes=9)
UNSIZED = FileEntry(path="notes.txt")
RECORD = Tomogram(
    title="A title",
    timestamp_s=1,
    tilt_min_deg=-60.0,
    files=(SERIES, VOLUME),
    extra={"grid": "R2/2", "kept": "k", "spot": 5},
    unknown={"/payment": {"a": 1}},
)
CHANGES = {
    "nothing": ({}, []),
    "its time": ({"timestamp_s": 2}, []),
    "a field": ({"title": "Another"}, [("title", "A title", "Another")]),
    "a field that comes, and one that goes": (
        {"strain": "NA1000", "tilt_min_deg": None},
        [("strain", "", "NA1000"), ("tilt_min_deg", -60.0, None)],
    ),
    "fields of its own": (
        {"extra": {"kept": "k", "grid": "R3/3", "new": 7}},
        [("extra.grid", "R2/2", "R3/3"), ("extra.spot", 5, None), ("extra.new", None, 7)],
    ),
    "fields that nobody knows": ({"unknown": {}}, [("unknown./payment", {"a": 1}, None)]),
    "a file that comes": ({"files": (SERIES, VOLUME, UNSIZED)}, [("files[notes.txt]", None, 0)]),
    "a file that goes": ({"files": (VOLUME,)}, [("files[series.mrc]", 70, None)]),
    "a file in the place of another": (
        {"files": (SERIES, UNSIZED)},
        [("files[rec.mrc]", 9, None), ("files[notes.txt]", None, 0)],
    ),
    "what is said of a file": (
        {"files": (SERIES, msgspec.structs.replace(VOLUME, size_bytes=10, role="reconstruction"))},
        [("files[rec.mrc].size_bytes", 9, 10), ("files[rec.mrc].role", "other", "reconstruction")],
    ),
    "the order of the files alone": ({"files": (VOLUME, SERIES)}, [("files", "in this order", "in another order")]),
    "a field and a file": (
        {"title": "Another", "files": (SERIES,)},
        [("title", "A title", "Another"), ("files[rec.mrc]", 9, None)],
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_differs(name):
    fields, expected = CHANGES[name]
    found = compare_records(RECORD, msgspec.structs.replace(RECORD, **fields))
    assert [(one.field, one.before, one.after) for one in found] == expected
