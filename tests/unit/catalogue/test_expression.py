"""Conditions joined by AND, OR and NOT, against plain Python."""

import datetime as dt

import pytest

from etdb.catalogue import All, AnyOf, Catalogue, Not, Query, operators_of
from etdb.catalogue import Test as Condition
from etdb.errors import InputError
from etdb.oip import FileEntry, Tomogram
from etdb.testing.catalogue import dataset_id_of, fill_catalogue

RECORDS = (
    Tomogram(
        publisher="FAce",
        title="A multifacetted Caulobacter",
        species="Caulobacter crescentus",
        tilt_min_deg=-60.0,
        dose_e_per_a2=9.0,
        tilt_axes=1,
        acquired_on=dt.date(2014, 1, 14),
        tilt_constant_increment=True,
        notes="Gas vesicles, 50 % of them\nin K-12",
        location="bafybeiface",
        files=(FileEntry(path="rec/faceted.mrc", role="reconstruction", size_bytes=5),),
    ),
    Tomogram(publisher="FAce", title="Flagella", species="Müller's bug", tilt_min_deg=-65.0, dose_e_per_a2=100.0),
    Tomogram(publisher="FAce", title="Nothing known", tilt_constant_increment=False, tilt_axes=12),
)


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory):
    with Catalogue(tmp_path_factory.mktemp("expression") / "catalogue.sqlite", writable=True) as one:
        fill_catalogue(one, RECORDS)
        yield one


def found(catalogue, expression):
    ids = {one.dataset_id for one in catalogue.search(Query(condition=expression)).results}
    return [number for number in range(len(RECORDS)) if dataset_id_of(number) in ids]


def holds(field, operator, value, high=""):
    return Condition(field=field, operator=operator, value=value, high=high)


@pytest.mark.parametrize(
    ("field", "operator", "values", "numbers"),
    [
        ("any", "contains", ("facet", ""), [0]),
        ("any", "contains", ("FACETTED caulo", ""), [0]),
        ("any", "contains", ("facetted multi", ""), []),
        ("any", "contains", ("muller", ""), [1]),
        ("any", "contains", ("k12", ""), [0]),
        ("any", "contains", ("ybeifac", ""), []),
        ("any", "contains", ("bafybeiface", ""), [0]),
        ("title", "contains", ("facetted", ""), [0]),
        ("species", "contains", ("", ""), [0, 1]),
        ("title", "starts", ("fla", ""), [1]),
        ("title", "ends", ("KNOWN", ""), [2]),
        ("notes", "contains", ("them in k-12", ""), [0]),
        ("species", "is", ("muller's bug", ""), [1]),
        ("dose_e_per_a2", "above", ("9", ""), [1]),
        ("dose_e_per_a2", "below", ("50", ""), [0]),
        ("dose_e_per_a2", "between", ("100", "9"), [0, 1]),
        ("tilt_min_deg", "below", ("-60", ""), [1]),
        ("tilt_axes", "is", ("1", ""), [0]),
        ("tilt_axes", "is", ("01.0", ""), [0]),
        ("acquired_on", "is", ("2014-01-14", ""), [0]),
        ("acquired_on", "above", ("2014-01-14", ""), []),
        ("tilt_constant_increment", "is", ("No", ""), [2]),
        ("size_bytes", "is", ("5", ""), [0]),
    ],
)
def test_each_operator_means_what_it_says_and_not_is_its_contrary(catalogue, field, operator, values, numbers):
    one = holds(field, operator, *values)
    assert found(catalogue, one) == numbers
    assert found(catalogue, Not(one)) == [number for number in range(3) if number not in numbers]


def test_joined(catalogue):
    coli, flagella = holds("any", "contains", "caulo"), holds("any", "contains", "flagel")
    assert found(catalogue, AnyOf((coli, flagella))) == [0, 1]
    assert found(catalogue, All((coli, flagella))) == []
    assert found(catalogue, All((holds("publisher", "is", "FAce"), Not(coli)))) == [1, 2]
    assert found(catalogue, All(())) == [0, 1, 2]


@pytest.mark.parametrize(
    ("field", "operator", "value"),
    [
        ("nothing", "is", "x"),
        ("any", "is", "x"),
        ("any", "contains", "  -- "),
        ("species", "above", "x"),
        ("species", "is", " "),
        ("tilt_min_deg", "contains", "6"),
        ("tilt_min_deg", "is", "nan"),
        ("acquired_on", "is", "14.1.2014"),
        ("nsfw", "is", "perhaps"),
        ("species", "is", "x" * 1_001),
    ],
)
def test_what_has_no_meaning_is_refused(catalogue, field, operator, value):
    with pytest.raises(InputError):
        found(catalogue, holds(field, operator, value))


def test_too_many_conditions_and_too_deep_ones_are_refused(catalogue):
    deep = one = holds("species", "is", "x")
    for _ in range(13):
        deep = Not(deep)
    for expression in (All((one,) * 100), deep):
        with pytest.raises(InputError, match="within each other"):
            found(catalogue, expression)


def test_every_field_says_its_operators():
    assert operators_of("any") == ("contains",)
    assert operators_of("notes") == ("contains", "is", "starts", "ends")
    assert operators_of("year") == ("is", "above", "below", "between")
    assert operators_of("nsfw") == ("is",)
