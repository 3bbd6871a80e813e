"""What is kept of answers, and for how long."""

from __future__ import annotations

import asyncio

import pytest
from starlette.responses import Response

from etdb.testing.asking import ask
from etdb.web import kept
from etdb.web.kept import KeptAnswers


class Counting:
    """An application that counts how often it is asked."""

    def __init__(self, **headers: str) -> None:
        self.asked, self.headers, self.status, self.body = 0, headers, 200, b"x" * 100

    async def __call__(self, scope, receive, send):
        self.asked += 1
        await Response(self.body, status_code=self.status, headers=self.headers)(scope, receive, send)


@pytest.fixture
def state():
    return ["a1"]


def keeping(app, state):
    return KeptAnswers(app, state=lambda: state[0])


def times(app, kept_app, *asks):
    async def run():
        for address, given in asks:
            await ask(kept_app, address, **given)
        return app.asked

    return asyncio.run(run())


def test_the_same_question_is_answered_once_for_each_state(state):
    app = Counting(etag='"a1"')
    kept_app = keeping(app, state)
    assert times(app, kept_app, ("/x", {}), ("/x", {}), ("/x", {"method": "HEAD"})) == 1
    assert times(app, kept_app, ("/x?y", {}), ("/x", {"headers": {"host": "other"}})) == 3
    assert times(app, kept_app, ("/x", {"headers": {"accept-encoding": "gzip"}})) == 4
    state[0] = "b2"
    assert times(app, kept_app, ("/x", {})) == 5


def test_a_state_that_must_be_looked_up_keeps_and_gives_nothing(state):
    app = Counting(etag='"a1"')
    state[0] = None
    assert times(app, keeping(app, state), ("/x", {}), ("/x", {})) == 2


@pytest.mark.parametrize("etag", ["", '"other"', '"z-a1"'])
def test_what_does_not_say_that_it_may_be_is_not_kept(state, etag):
    app = Counting(**({"etag": etag} if etag else {}))
    assert times(app, keeping(app, state), ("/x", {}), ("/x", {})) == 2


def test_a_version_behind_the_state_is_part_of_it(state):
    app = Counting(etag='"a1-site3"')
    assert times(app, keeping(app, state), ("/x", {}), ("/x", {})) == 1


def test_errors_content_and_other_methods_pass(state):
    app = Counting(etag='"a1"')
    kept_app = keeping(app, state)
    assert times(app, kept_app, ("/ipfs/x", {}), ("/ipfs/x", {})) == 2
    assert times(app, kept_app, ("/x", {"method": "POST"}), ("/x", {"method": "POST"})) == 4
    app.status = 404
    assert times(app, kept_app, ("/y", {}), ("/y", {})) == 6


def test_memory_is_bounded(state, monkeypatch):
    monkeypatch.setattr(kept, "MAX_KEPT_BYTES", 10_000)
    app = Counting(etag='"a1"')
    kept_app = keeping(app, state)
    times(app, kept_app, *[(f"/{number}?{'q' * 3000}", {}) for number in range(20)])
    assert kept_app._bytes <= 10_000
    assert kept_app._bytes == sum(kept._size(key, answer) for key, answer in kept_app._kept.items())
    monkeypatch.setattr(kept, "MAX_ANSWER_BYTES", 10)
    before = app.asked
    assert times(app, kept_app, ("/large", {}), ("/large", {})) == before + 2
