"""A lab and a reader whose way to a real node is bad: strange, cut, slow and lost answers lose and double nothing."""

from __future__ import annotations

from contextlib import closing

import pytest
from bad_road import WEATHER, BadRoad
from test_fcoin_ledger import open_node
from test_fcoin_publish import LAB, Press

from etdb.ledger.node_errors import NodeError

pytestmark = pytest.mark.node

MANY = 80
"""Runs of a command that are far more than it should need."""


def run_until_done(run, road):
    """Run it again, as its message says, until it says that it has come to its end."""
    errors = []
    for _ in range(MANY):
        try:
            if run():
                break
        except NodeError as error:
            errors.append(error)
    else:
        raise AssertionError(errors[-3:])
    assert all(road.url in error.message and error.hint for error in errors)


@pytest.mark.parametrize("weather", WEATHER)
def test_publishing(fcoin_node, tmp_path, weather):
    fcoin_node.mine(2, LAB.address)
    fcoin_node.mine(100)
    press = Press(tmp_path, fcoin_node, 5)
    with BadRoad(fcoin_node, weather, share=0.08) as road:
        press.node, press.rpc_options = road, {"deadline_s": 0.6}

        def run() -> bool:
            fcoin_node.mine(1)
            return press.run(wait=False).unfinished == 0

        run_until_done(run, road)
        assert road.struck, road.asked
    press.node, press.rpc_options = fcoin_node, {}
    press.verify_each_is_there_once()


@pytest.mark.parametrize("weather", WEATHER)
def test_reading(fcoin_node, tmp_path, monkeypatch, weather):
    monkeypatch.setattr("etdb.ledger.node_following.BATCH_BLOCKS", 10)
    fcoin_node.mine(105, LAB.address)
    found = []
    with BadRoad(fcoin_node, weather, share=0.08) as road:

        def run() -> bool:
            with closing(open_node(road, tmp_path / "node.sqlite", {"deadline_s": 0.6}, watch=[LAB.address])) as ledger:
                found[:] = [list(ledger.blocks(0)), ledger.coins(LAB.address)]
            return True

        run_until_done(run, road)
        assert road.struck, road.asked
    with closing(open_node(fcoin_node, tmp_path / "anew.sqlite", watch=[LAB.address])) as anew:
        assert found == [list(anew.blocks(0)), anew.coins(LAB.address)]
