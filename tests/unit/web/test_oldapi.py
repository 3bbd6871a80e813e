"""What clients of OIP's first servers are answered."""

from __future__ import annotations

import json
from urllib.parse import quote

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from etdb.catalogue import All, AnyOf, Not, expression
from etdb.errors import InputError
from etdb.oip import load_json
from etdb.testing.asking import asking, document
from etdb.testing.portal import HOSTILE_TEXTS
from etdb.web.application import portal_app
from etdb.web.oldapi.question import parse_question

FIRST, SECOND, THIRD, EDIT = ("01" * 32, "03" * 32, "04" * 32, "05" * 32)


def ids(answer):
    assert answer.status == 200, answer.body
    found = document(answer)
    assert found["count"] == len(found["results"])
    return [one["meta"]["originalTxid"] for one in found["results"]]


def search(asked, q, more=""):
    return ids(asked(f"/oip/artifact/search?q={quote(q)}{more}"))


def test_the_latest_are_what_stands_on_the_ledger(asked, portal):
    found = document(asked("/oip/artifact/get/latest"))
    assert [one["meta"]["originalTxid"] for one in found["results"]] == [SECOND, FIRST]
    second = found["results"][0]
    (message,) = portal.catalogue.messages(SECOND)
    published = load_json(message.data.removeprefix(b"json:"))["oip042"]["publish"]["artifact"]
    assert second["artifact"] == published
    assert second["meta"] == {
        "block_hash": f"{0:064x}",
        "txid": SECOND,
        "originalTxid": SECOND,
        "block": 0,
        "time": 1_700_000_000,
        "type": "oip042",
    }
    assert found["results"][1]["meta"]["txid"] == EDIT


def test_paging_by_after_visits_all_and_ends(asked):
    seen, after = [], ""
    for _ in range(5):
        page = document(asked(f"/oip/artifact/get/latest?limit=1&after={after}"))
        if not page["count"]:
            break
        seen += [one["meta"]["originalTxid"] for one in page["results"]]
        after = page["next"]
    assert seen == [SECOND, FIRST]
    assert ids(asked(f"/oip/artifact/get/latest?limit=1&after={quote(after)}")) == []  # escaped once more, as by axios
    assert [ids(asked(f"/oip/artifact/get/latest?limit=1&page={n}")) for n in (0, 1, 2, 3)] == [
        [SECOND],
        [SECOND],
        [FIRST],
        [],
    ]


def test_the_daemons_errors(asked):
    deep = asked("/oip/artifact/get/latest?limit=1000&page=11")
    assert (deep.status, document(deep)["error"]) == (
        400,
        "page limit exceeded, use 'after' instead of 'page' for deep queries",
    )
    for address in (
        "/oip/artifact/search?q=(",
        "/oip/artifact/search",
        "/oip/artifact/get/latest?limit=2000",
        "/oip/artifact/get/latest?sort=nonsense:a",
        "/oip/artifact/get/latest?after=nonsense",
        "/oip/artifact/cardinality?f=nonsense",
    ):
        answer = asked(address)
        assert answer.status == 400, address
        assert "error" in document(answer)
    assert asked("/oip/nonsense").status == 404
    assert ids(asked("/oip/artifact/get/ffff")) == []
    assert asked("/oip/artifact/get/latest", method="POST").status == 405


def test_pretty_and_sort(asked):
    text = asked("/oip/artifact/get/latest?pretty=true").body.decode()
    assert "\n  " in text
    assert ids(asked("/oip/artifact/get/latest?sort=meta.time:a$meta.txid:a")) == [FIRST, SECOND]
    assert ids(asked("/oip/artifact/get/latest?sort=artifact.info.title:a")) == [FIRST, SECOND]


def test_one_artifact_by_its_beginning_and_by_revision(asked):
    assert ids(asked("/oip/artifact/get/0101")) == [FIRST]
    assert ids(asked(f"/oip/oip042/record/get/{FIRST}")) == [FIRST]
    assert ids(asked("/oip/oip042/record/get/0101")) == []
    assert ids(asked(f"/oip/artifact/get/{THIRD}")) == []  # withdrawn
    version = document(asked(f"/oip/oip042/record/get/{FIRST}/version/{EDIT}"))["results"][0]
    assert version["artifact"]["info"]["title"] == "Bdellovibrio, attack phase"
    edit = document(asked(f"/oip/oip042/edit/get/{EDIT}"))["results"][0]
    assert edit["edit"]["artifact"]["txid"] == FIRST
    assert {"op": "replace", "path": "/info/title", "value": "Bdellovibrio, attack phase"} in edit["edit"]["artifact"][
        "patch"
    ]


def test_parts_and_transactions(asked, portal):
    parts = document(asked("/oip/multipart/get/ref/0101010101"))["results"]
    assert [(one["part"], one["max"], one["reference"], one["meta"]["complete"]) for one in parts] == [
        (0, 1, "01" * 5, True),
        (1, 1, "01" * 5, True),
    ]
    assert "".join(one["data"] for one in parts) == parts[0]["meta"]["assembled"]
    (waiting,) = document(asked(f"/oip/multipart/get/id/{'08' * 32}"))["results"]
    assert (waiting["meta"]["complete"], waiting["meta"]["assembled"]) == (False, "")
    (transaction,) = document(asked(f"/oip/floData/get/{SECOND}"))["results"]
    assert transaction["tx"]["floData"].encode() == portal.catalogue.messages(SECOND)[0].data
    assert document(asked("/oip/floData/search?q=caulobacter"))["results"][0]["tx"]["txid"] == SECOND


def test_the_rest_of_the_daemon(asked):
    assert document(asked("/oip/daemon/version"))["BuiltBy"] == "etdb"
    status = document(asked("/oip/sync/status"))
    assert (status["Height"], status["LatestHeight"], status["IsInitialSync"]) == (2, 2, False)
    assert document(asked("/oip/artifact/cardinality?f=artifact.details.speciesName")) == {
        "c": 2,
        "f": "artifact.details.speciesName",
    }
    for path in ("o5/record/get/latest", "oip041/artifact/get/latest", "alexandria/artifact/get/latest"):
        assert document(asked(f"/oip/{path}")) == {"count": 0, "total": 0, "results": [], "next": ""}


QUESTIONS = {
    "bdellovibrio": [FIRST],
    "bdellovibrio stalk": [SECOND, FIRST],
    "bdellovibrio OR stalk": [SECOND, FIRST],
    "bdellovibrio AND stalk": [],
    "bdellovibrio && NOT stalk": [FIRST],
    "NOT bdellovibrio": [SECOND],
    "-bdellovibrio": [SECOND],
    "* -bdellovibrio": [SECOND],
    "+stalk bdellovibrio": [SECOND],
    '"attack phase"': [FIRST],
    '"phase attack"': [],
    "*": [SECOND, FIRST],
    "(artifact.type:research) AND artifact.subtype:tomogram": [SECOND, FIRST],
    "artifact.type:music": [],
    'artifact.details.speciesName:"Bdellovibrio bacteriovorus"': [FIRST],
    "artifact.details.speciesName:(bdellovibrio OR caulobacter)": [SECOND, FIRST],
    'artifact.details.defocus:"-8"': [FIRST],
    'artifact.details.defocus:"-10"': [],
    "artifact.details.defocus:-8": [FIRST],
    "artifact.details.defocus:[-10 TO -5]": [FIRST],
    "artifact.details.defocus:{-8 TO -5}": [],
    "artifact.details.defocus:[* TO 0]": [FIRST],
    "artifact.details.tiltMax:>=60": [FIRST],
    "artifact.details.tiltMax:>60": [],
    "artifact.details.date:>1400000000": [SECOND],
    "artifact.details.date:[1389657600 TO 1389657600]": [FIRST],
    'artifact.details.microscopist:"Yi-Wei Chang"': [FIRST],
    "artifact.details.microscopist:Chang*": [FIRST],
    "artifact.info.tags:flagella": [FIRST],
    "artifact.details.microscopist:*": [FIRST],
    "_exists_:artifact.details.microscopist": [FIRST],
    "artifact.details.defocus:*": [FIRST],
    "artifact.details.artNotes:*": [SECOND],
    "artifact.info.nsfw:*": [],
    "artifact.info.year:*": [],
    "artifact.nonsense:x": [],
    f"meta.txid:{SECOND}": [SECOND],
    "meta.deactivated:false": [SECOND, FIRST],
    "meta.deactivated:true": [],
    "artifact.storage.files.subtype:reconstruction": [FIRST],
    "bdellovibrio^4": [FIRST],
    "artifact.info.title:Bdellovibrio\\,": [FIRST],
    "": [SECOND, FIRST],
}


@pytest.mark.parametrize("question", QUESTIONS)
def test_questions_find_what_they_say(asked, question):
    assert search(asked, question) == QUESTIONS[question]


@pytest.mark.parametrize(
    "question",
    [
        *("(", ")", "a AND", "AND a", "field:", '"open', "a:[1 TO", "/regex/", "wo?d", "w*d", "a~2", "[1 TO 2]"),
        *("((((((((((((((a", "a" * 2_001, "artifact.details.defocus:low", "artifact.info.title:[a TO b]"),
        "a:" * 900 + "b",
    ],
)
def test_what_is_not_of_the_language_is_refused(asked, question):
    assert asked(f"/oip/artifact/search?q={quote(question)}").status == 400


@given(st.text(st.sampled_from('ab :"()[]{}*?+-!&|\\<>=^~TOANDORNT.\u202e\x00'), max_size=60) | st.text(max_size=40))
@settings(max_examples=400, deadline=None)
def test_any_question_is_a_condition_or_refused(question):
    try:
        found = parse_question(question)
    except InputError:
        return
    assert isinstance(found, (All, AnyOf, Not, expression.Test))
    try:
        expression.check_expression(found)
    except InputError:
        return


def test_alexandria_lists_one_by_one_and_all_at_once(asked):
    page = document(asked("/alexandria/v2/artifact/get/type?t=Research&st=Tomogram&results=1&page=2"))
    assert (page["total"], page["count"], page["pages"]) == (2, 1, 2)
    assert page["results"][0]["txid"] == FIRST
    every = document(asked("/alexandria/v2/artifact/get/type?t=Research&st=Tomogram&results=*"))
    assert [one["txid"] for one in every["results"]] == [FIRST, SECOND]
    first = every["results"][0]
    assert first["oip042"]["artifact"]["info"]["title"] == "Bdellovibrio, attack phase"
    assert first["publisherName"] == "The sample lab"
    mine = asked(f"/alexandria/v2/artifact/get/type?t=*&st=*&results=*&pub={first['publisher']}")
    assert [one["txid"] for one in document(mine)["results"]] == [FIRST]
    assert document(asked("/alexandria/v2/artifact/get/type?t=Music&st=*&results=*"))["results"] == []
    assert document(asked("/alexandria/v2/artifact/get?id=0101"))["txid"] == FIRST
    assert asked("/alexandria/v2/artifact/get?id=ffff").status == 404


def test_alexandrias_summary_and_searches(asked):
    summary = document(asked("/alexandria/v2/research/tomogram/summary"))
    assert (summary["total"], summary["species"], sum(summary["publishers"].values())) == (2, 2, 2)

    def post(path, body):
        return asked(f"/alexandria/v2/{path}", method="POST", body=json.dumps(body).encode())

    found = document(
        post("search", {"protocol": "media", "search-on": "*", "search-for": "stalk", "search-like": True})
    )
    assert [one["txid"] for one in found["response"]] == [SECOND]
    address = document(asked("/alexandria/v2/artifact/get?id=0101"))["publisher"]
    found = document(post("search", {"protocol": "publisher", "search-on": "address", "search-for": address}))
    assert found["response"][0]["publisher-data"]["alexandria-publisher"]["name"] == "The sample lab"
    texts = document(post("searchTxComment", {"search": "0101010101", "page": 0, "results-per-page": 10}))
    assert [one["Hash"] for one in texts] == [FIRST, "02" * 32]
    for body in (b"", b"[]", b"{" * 10_000, b'{"search-for": 1}', b"{" + b" " * 20_000 + b"}", b"\xff"):
        assert asked("/alexandria/v2/search", method="POST", body=body).status == 400


def test_hostile_records_are_json_without_markup(hostile_portal):
    ask = asking(portal_app(hostile_portal))
    for address in ("/oip/artifact/get/latest?limit=1000", "/alexandria/v2/artifact/get/type?t=*&st=*&results=*"):
        answer = ask(address)
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert b"<script" not in answer.body  # written as Go wrote it: \u003c
        titles = {
            (one.get("artifact") or one["oip042"]["artifact"])["info"]["title"] for one in document(answer)["results"]
        }
        assert set(HOSTILE_TEXTS) <= titles
