import datetime as dt
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etdb.describe import Witness
from etdb.describe.evidence import UNDECIDED, agree, weigh
from etdb.describe.rules import AUTHORITIES, RULES, rule_of

PIXEL = RULES["pixel_spacing_angstrom"]


def said(value, authority="mdoc", source=None, **more):
    return Witness(value=value, authority=authority, source=source or f"{authority} of {value}", **more)


@pytest.mark.parametrize(
    ("field", "near", "far"),
    [
        ("pixel_spacing_angstrom", (3.36, 3.3637), (3.36, 3.40)),
        ("tilt_min_deg", (-60.0, -60.2), (-60.0, -60.5)),
        ("tilt_step_deg", (2.0, 2.04), (2.0, 4.0)),
        ("tilt_count", (41, 41), (41, 40)),
        ("magnification", (22500.0, 22620.0), (22500.0, 26000.0)),
        ("voltage_kv", (300.0, 299.6), (300.0, 200.0)),
        ("defocus_um", (-4.0, -4.2), (-4.0, -6.0)),
        ("dose_e_per_a2", (100.0, 104.0), (100.0, 120.0)),
        ("acquired_on", (dt.date(2026, 1, 31), dt.date(2026, 2, 1)), (dt.date(2026, 1, 1), dt.date(2026, 1, 3))),
        ("acquisition_software", ("SerialEM", "SerialEM 4.0.20"), ("SerialEM 3.8", "SerialEM 4.0.20")),
        ("species", ("Vibrio cholerae", "vibrio  cholerae"), ("Vibrio cholerae", "Vibrio harveyi")),
        ("tilt_constant_increment", (True, True), (True, False)),
    ],
)
def test_each_field_has_a_tolerance_of_its_own(field, near, far):
    assert agree(rule_of(field), *near)
    assert not agree(rule_of(field), *far)


def test_people_come_before_files_and_the_others_stand_beside():
    told = weigh(PIXEL, [said(3.36), said(5.4, "stated", "dataset.toml"), said(5.41, "header"), said(9.9, "command")])
    assert (told.value, told.chosen.source, told.rule) == (9.9, "command of 9.9", AUTHORITIES["command"])
    assert [one.value for one in told.disagreeing] == [5.4, 3.36, 5.41]


def test_of_equal_witnesses_that_disagree_a_lower_one_decides():
    told = weigh(PIXEL, [said(3.36, source="a"), said(6.72, source="b"), said(6.72, "header", "c")])
    assert (told.value, told.chosen.source) == (6.72, "b")
    assert "c" in told.rule
    assert [one.source for one in told.disagreeing] == ["a"]


@pytest.mark.parametrize("third", [None, 1.0])
def test_nothing_decides_without_or_with_a_third_opinion(third):
    witnesses = [said(3.36), said(6.72)] + ([said(third, "header")] if third else [])
    told = weigh(PIXEL, witnesses)
    assert (told.value, told.chosen, told.rule) == (None, None, UNDECIDED)
    assert len(told.disagreeing) == len(witnesses)


def test_settings_do_not_settle_a_dispute_but_fill_a_gap():
    software = RULES["acquisition_software"]
    assert weigh(software, [said("A"), said("B"), said("A", "settings")]).value is None
    assert weigh(software, [said("A", "settings")]).value == "A"


def test_what_makes_no_sense_is_shown_and_not_weighed():
    told = weigh(PIXEL, [said("0 x 0", "mdoc", remark="makes no sense", is_usable=False), said(5.4, "header")])
    assert (told.value, told.rule) == (5.4, "the only statement")
    assert [one.remark for one in told.unusable] == ["makes no sense"]
    assert told.disagreeing == ()


values = st.sampled_from([1.0, 1.001, 2.0, 3.0])
witnesses = st.lists(st.tuples(values, st.sampled_from(list(AUTHORITIES)), st.booleans()), max_size=7)


@given(witnesses)
def test_whatever_is_said_no_statement_is_lost_and_only_a_statement_is_taken(said_):
    heard = [
        Witness(value=value, authority=authority, source=str(number), is_usable=usable)
        for number, (value, authority, usable) in enumerate(said_)
    ]
    told = weigh(PIXEL, heard)
    assert sorted(one.source for one in told.witnesses) == sorted(one.source for one in heard)
    usable = [one for one in heard if one.is_usable]
    if told.chosen is not None:
        assert told.chosen.source in {one.source for one in usable}
        assert told.value == told.chosen.value
    for one in told.witnesses:
        assert one.agrees is None if not one.is_usable else one.agrees is not None
    for authority in ("command", "stated"):
        ours = [one for one in usable if one.authority == authority]
        if len(ours) == 1 and not (authority == "stated" and any(one.authority == "command" for one in usable)):
            assert told.value == ours[0].value
            break
    if usable and all(agree(PIXEL, a.value, b.value) for a, b in itertools.combinations(usable, 2)):
        assert told.chosen is not None
        assert told.disagreeing == ()
