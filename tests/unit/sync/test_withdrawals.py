"""What vanished from a source: what is believed, and what is asked first."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etdb.sources import Listing
from etdb.sync.withdrawals import plan_withdrawals

SIDS = st.sets(st.text(string.ascii_lowercase, min_size=1, max_size=3), max_size=30)


def plan(released, published, *, withheld=(), refused=(), limit=10, allowed=False):
    listing = Listing(released=tuple(released), withheld=dict.fromkeys(withheld, "not public"), refused=tuple(refused))
    return plan_withdrawals(listing, published, max_withdrawals=limit, allowed=allowed)


MANY = [f"s-{n}" for n in range(200)]


@pytest.mark.parametrize(
    ("gone", "limit", "doubt"),
    [(0, 10, ""), (1, 10, ""), (10, 10, ""), (11, 10, "max_withdrawals = 10"), (20, 50, ""), (21, 50, "a tenth"),
     (1, 0, "max_withdrawals = 0"), (200, 500, "nothing at all")],
)  # fmt: skip
def test_how_many_may_go(gone, limit, doubt):
    found = plan(MANY[gone:], MANY, limit=limit)
    assert set(found.reasons) == set(MANY[:gone])
    assert (doubt in found.doubt) if doubt else not found.doubt


def test_one_of_a_small_lab_may_go_and_the_last_one_when_the_lab_says_so():
    assert not plan(["a"], ["a", "b"]).doubt
    assert plan([], ["a"]).doubt
    assert plan([], ["a"], withheld=["a"]).reasons == {"a": "not public"}
    assert not plan([], ["a"], withheld=["a"]).doubt


def test_what_cannot_be_listed_rightly_is_not_gone():
    assert plan(["a"], ["a", "b"], refused=["b: more than one row has this sid"]).reasons == {}


def test_what_moved_to_another_source_is_not_gone():
    listing = Listing(released=("a",))
    assert plan_withdrawals(listing, ["a", "b"], max_withdrawals=10, elsewhere=["b"]).reasons == {}
    doubted = plan_withdrawals(listing, ["a", "b"], max_withdrawals=10, unseen=["other"])
    assert "other" in doubted.doubt
    # What the source itself keeps back is no question of where it may be.
    withheld = Listing(released=("a",), withheld={"b": "not public"})
    assert not plan_withdrawals(withheld, ["a", "b"], max_withdrawals=10, unseen=["other"]).doubt


def test_who_was_asked_may_withdraw_all():
    assert plan([], MANY, allowed=True).reasons == dict.fromkeys(MANY, "no longer in the lab's list")


@given(SIDS, SIDS, st.integers(0, 20))
def test_never_more_than_may_and_never_what_is_released(released, published, limit):
    found = plan(sorted(released), published, limit=limit)
    assert set(found.reasons) == published - released
    if not found.doubt:
        assert len(found.reasons) <= max(limit, 0) or not found.reasons
        assert len(found.reasons) <= max(1, 0.1 * len(published))
