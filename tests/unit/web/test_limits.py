"""How much one client may ask."""

from __future__ import annotations

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from etdb.testing.asking import asking, document
from etdb.testing.portal import sample_portal
from etdb.web import limits
from etdb.web.application import portal_app
from etdb.web.limits import Buckets
from etdb.workspace import PortalSettings


@given(st.lists(st.tuples(st.floats(0, 5), st.integers(1, 8)), max_size=60))
@settings(max_examples=60, deadline=None)
def test_nobody_gets_more_than_the_bucket_and_what_came_since(asks):
    buckets, now, taken = Buckets(2.0, 5.0), 100.0, 0.0
    for pause, cost in asks:
        now += pause
        wait = buckets.take("a", cost, now)
        if wait:
            assert buckets.take("a", cost, now + wait * 0.99 - 1e-6) > 0
            now += wait + 1e-6
            assert buckets.take("a", cost, now) == 0
        taken += min(cost, 5.0)
        assert taken <= 5.0 + (now - 100.0) * 2.0 + 1e-3


def test_memory_is_bounded_and_the_oldest_begins_anew(monkeypatch):
    monkeypatch.setattr(limits, "MAX_ADDRESSES", 3)
    buckets = Buckets(0.001, 1)
    for name in "abcd":
        assert buckets.take(name, 1, 0.0) == 0
    assert len(buckets) == 3
    assert buckets.take("d", 1, 0.0) > 0
    assert buckets.take("a", 1, 0.0) == 0


@pytest.fixture
def small(tmp_path):
    with sample_portal(tmp_path, settings=PortalSettings(requests_per_second=1, requests_at_once=3)) as portal:
        yield asking(portal_app(portal))


def test_who_asks_too_much_is_told_when_to_come_again(small):
    answers = [small("/api/v1/statistics") for _ in range(4)]
    assert [one.status for one in answers] == [200, 200, 200, 429]
    refused = answers[-1]
    assert refused.headers["content-type"] == "application/problem+json"
    assert int(refused.headers["retry-after"]) >= 1
    assert document(refused)["code"] == "too-many-requests"
    assert small("/oip/daemon/version").status == 429
    assert small("/api/v1/statistics", client="127.0.0.2").status == 200
    for path in ("/healthz", "/metrics", "/static/site.css"):
        assert small(path).status == 200


def test_a_network_of_ipv6_is_one_client(small):
    addresses = ("2001:db8::1", "2001:db8::2", "2001:db8:0:0:ffff::3%eth0", "2001:db8::4")
    assert [small("/api/v1/fields", client=one).status for one in addresses] == [200, 200, 200, 429]
    assert small("/api/v1/fields", client="2001:db8:0:1::1").status == 200
    assert small("/api/v1/fields", client="::ffff:10.0.0.1").status == 200


def test_an_export_costs_more(tmp_path):
    with sample_portal(tmp_path, settings=PortalSettings(requests_per_second=1, requests_at_once=30)) as portal:
        ask = asking(portal_app(portal))
        assert ask("/api/v1/export/datasets.csv").status == 200
        assert ask("/api/v1/export/datasets.csv").status == 429
        assert ask("/api/v1/statistics").status == 200
