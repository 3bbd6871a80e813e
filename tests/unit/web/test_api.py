"""The API: what each operation answers, its errors, and how answers are kept."""

from __future__ import annotations

import base64
import importlib.util
import json
from pathlib import Path
from urllib.parse import quote

import pytest

from etdb.oip import parse_message
from etdb.testing.asking import asking, document
from etdb.testing.portal import HOSTILE_TEXTS
from etdb.web.api.openapi import EXAMPLES_NAME
from etdb.web.api.routes import BASE, OPERATIONS
from etdb.web.application import portal_app

ROOT = Path(__file__).resolve().parents[3]
FIRST, SECOND, THIRD, EDIT = ("01" * 32, "03" * 32, "04" * 32, "05" * 32)


def test_examples_are_what_the_sample_answers():
    maker = ROOT / "docs" / "reference" / "make_api_examples.py"
    spec = importlib.util.spec_from_file_location("make_api_examples", maker)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    kept = (ROOT / "src" / "etdb" / "web" / "api" / EXAMPLES_NAME).read_text(encoding="utf-8")
    assert module.examples() == kept, "write them again: python docs/reference/make_api_examples.py"
    assert set(json.loads(kept)) == {one.name for one in OPERATIONS}


def test_the_description_names_every_operation_with_an_example(asked):
    described = document(asked(f"{BASE}/openapi.json"))
    assert described["openapi"].startswith("3.1")
    assert set(described["paths"]) == {BASE + one.path for one in OPERATIONS}
    for path, methods in described["paths"].items():
        content = methods["get"]["responses"]["200"]["content"]
        media_type, answer = next(iter(content.items()))
        is_binary = media_type in {"image/jpeg", "application/vnd.apache.parquet", "application/vnd.sqlite3"}
        assert ("examples" in answer) != is_binary, path


def test_a_corrected_dataset_and_its_history(asked):
    newest = document(asked(f"{BASE}/datasets/0101"))
    assert newest["record"]["title"] == "Bdellovibrio, attack phase"
    assert (newest["revision"], newest["revisions"]) == (2, 2)
    assert EDIT in newest["provenance"]["transactions"]
    first = document(asked(f"{BASE}/datasets/{FIRST}?revision=1"))
    assert first["record"]["title"] == "Bdellovibrio attack phase cell"
    history = document(asked(f"{BASE}/datasets/{FIRST}/revisions"))
    assert [one["kind"] for one in history] == ["publish", "edit"]
    assert history[1]["changes"] == [
        {"field": "title", "before": "Bdellovibrio attack phase cell", "after": "Bdellovibrio, attack phase"}
    ]
    assert history[1]["reason"] == "the title was too long"
    assert asked(f"{BASE}/datasets/{FIRST}?revision=3").status == 404
    artifact = document(asked(f"{BASE}/datasets/{FIRST}/artifact"))
    assert artifact["info"]["title"] == "Bdellovibrio, attack phase"
    assert artifact["details"]["NCBItaxID"] == 959


def test_withdrawn_datasets_are_left_out_and_still_there(asked):
    assert [one["id"] for one in document(asked(f"{BASE}/datasets"))["results"]] == [SECOND, FIRST]
    assert [one["id"] for one in document(asked(f"{BASE}/datasets?withdrawn=true"))["results"]] == [THIRD]
    withdrawn = document(asked(f"{BASE}/datasets/{THIRD}"))["withdrawn"]
    assert withdrawn["reason"] == "the wrong specimen"


def test_messages_come_as_they_stand_on_the_ledger(asked, portal):
    messages = document(asked(f"{BASE}/datasets/{FIRST}/messages"))
    stored = portal.catalogue.messages(FIRST)
    assert [base64.b64decode(one["data_base64"]) for one in messages] == [one.data for one in stored]
    assert [one["text"].encode() for one in messages] == [one.data for one in stored]
    assert [parse_message(one["text"].encode()).number for one in messages] == [0, 1]


def test_the_ledger_and_its_lists(asked):
    ledger = asked(f"{BASE}/ledger")
    assert document(ledger)["counts"]["withdrawn"] == 1
    assert ledger.headers["cache-control"] == "no-store"  # whether it is followed changes without a block
    assert [one["reason"] for one in document(asked(f"{BASE}/ledger/aside"))["items"]] == ["damaged"]
    (orphan,) = document(asked(f"{BASE}/ledger/orphans"))["items"]
    assert orphan["present"] == [0]
    assert orphan["missing"] == list(range(1, orphan["count"]))
    page = document(asked(f"{BASE}/ledger/other?limit=1"))
    assert [one["kind"] for one in page["items"]] == ["publish/music"]
    assert page["after"] is None


def test_publishers_have_the_names_they_gave_themselves(asked):
    found = {one["name"]: one["datasets"] for one in document(asked(f"{BASE}/publishers"))}
    assert found == {"The sample lab": 1, "": 1}


def test_paging_by_link_visits_all(asked):
    first = asked(f"{BASE}/datasets?limit=1&sort=oldest")
    following = document(first)["next"]
    assert following in first.headers["link"]
    assert following.startswith("https://etdb.example.org/api/v1/datasets?")
    second = document(asked(following.removeprefix("https://etdb.example.org")))
    assert [document(first)["results"][0]["id"], second["results"][0]["id"]] == [FIRST, SECOND]
    assert second["next"] == ""


def test_conditions_as_json_filter_lists_and_exports(asked):
    asks = [
        {"type": "filter", "searchOn": "artifact.details.speciesName", "searchType": "contains", "searchFor": "Bdello"}
    ]
    given = quote(json.dumps(asks))
    assert [one["id"] for one in document(asked(f"{BASE}/datasets?filter={given}"))["results"]] == [FIRST]
    assert document(asked(f"{BASE}/datasets?filter={given}&lab=Another+lab"))["total"] == 0
    lines = asked(f"{BASE}/export/datasets.jsonl?filter={given}").body.splitlines()
    assert [json.loads(one)["id"] for one in lines] == [FIRST]
    assert asked(f"{BASE}/datasets?filter=[").status in {400, 422}
    assert asked(f"{BASE}/datasets?filter=[").headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("address", "method", "status"),
    [
        ("/datasets/ffff", "GET", 404),
        ("/datasets/nonsense!", "GET", 404),
        ("/datasets/0", "GET", 409),
        ("/datasets?limit=0", "GET", 400),
        ("/datasets?limit=1e3", "GET", 400),
        ("/datasets?nonsense=1", "GET", 400),
        ("/datasets?tilt_min_deg=low", "GET", 400),
        ("/datasets?cursor=%00", "GET", 400),
        ("/datasets?q=" + "a" * 7_000, "GET", 400),
        ("/datasets?q=" + "a" * 20_000, "GET", 414),
        ("/ledger/nonsense", "GET", 400),
        ("/ledger/aside?after=-1", "GET", 400),
        ("/nonsense", "GET", 404),
        ("/datasets", "POST", 405),
        ("/datasets", "DELETE", 405),
        ("/nonsense", "PUT", 405),
        ("/volumes/nonsense/slice", "GET", 404),
    ],
)
def test_errors_are_problems(asked, address, method, status):
    answer = asked(BASE + address, method=method)
    assert answer.status == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["access-control-allow-origin"] == "*"
    problem = document(answer)
    assert problem["status"] == status
    assert problem["detail"]


def test_the_kept_answer_is_the_answer(portal):
    ask = asking(portal_app(portal))
    address = f"{BASE}/datasets/{FIRST}"
    before, kept = ask(address), ask(address)
    assert kept == before
    etag = before.headers["etag"]
    again = ask(address, headers={"if-none-match": etag})
    assert (again.status, again.body, again.headers["etag"]) == (304, b"", etag)
    head = ask(address, method="HEAD")
    assert (head.status, head.body) == (200, b"")
    assert head.headers["content-length"] == before.headers["content-length"]
    packed = ask(address, headers={"accept-encoding": "gzip"})
    assert packed.headers["content-encoding"] == "gzip"
    assert ask(address).body == before.body


def test_links_follow_the_name_that_was_asked_unless_the_settings_say_it(tmp_path):
    from etdb.testing.portal import sample_portal
    from etdb.workspace import PortalSettings

    with sample_portal(tmp_path, settings=PortalSettings()) as portal:
        ask = asking(portal_app(portal))
        for host in ("one.test", "two.test", "one.test"):
            found = document(ask(f"{BASE}/datasets/{FIRST}", headers={"host": host}))
            assert found["urls"]["self"] == f"http://{host}/api/v1/datasets/{FIRST}"


def test_a_new_block_ends_what_was_kept(tmp_path):
    from etdb.testing.portal import sample_portal

    with sample_portal(tmp_path) as portal:
        ask = asking(portal_app(portal))
        address = f"{BASE}/datasets/{FIRST}"
        before = document(ask(address))["provenance"]["confirmations"]
        with portal.catalogue.batch() as batch:
            batch.add_block(3, "f" * 64, 1_700_100_000)
        portal._state = None  # a second later
        assert document(ask(address))["provenance"]["confirmations"] == before + 1


def test_slices_are_for_ever_and_pictures(asked, portal):
    volume = document(asked(f"{BASE}/datasets/{FIRST}/volumes"))[0]
    answer = asked(f"{volume['slice_url']}?index=2&format=png")
    assert answer.body.startswith(b"\x89PNG")
    assert "immutable" in answer.headers["cache-control"]


def test_a_portal_of_a_part_shows_that_part(tmp_path):
    from etdb.testing.portal import sample_portal
    from etdb.workspace import PortalSettings

    with sample_portal(tmp_path, settings=PortalSettings(labs=("Another lab",))) as portal:
        ask = asking(portal_app(portal))
        assert [one["id"] for one in document(ask(f"{BASE}/datasets"))["results"]] == [SECOND]
        for path in ("", "/files", "/revisions", "/messages", "/artifact", "/volumes"):
            assert ask(f"{BASE}/datasets/{FIRST}{path}").status == 404
        assert ask(f"{BASE}/datasets/{EDIT}").status == 404
        assert ask(f"{BASE}/export/catalogue.sqlite").status == 501
        lines = ask(f"{BASE}/export/datasets.jsonl").body.splitlines()
        assert [json.loads(one)["id"] for one in lines] == [SECOND]


def test_hostile_records_come_whole_and_as_data(hostile_portal):
    ask = asking(portal_app(hostile_portal))
    found = document(ask(f"{BASE}/datasets?limit=100&files=true"))
    titles = {one["record"]["title"] for one in found["results"]}
    assert set(HOSTILE_TEXTS) <= titles
    for one in found["results"]:
        for file in one["files"]:
            assert "/../" not in file["url"].replace("%2E", ".")


def test_the_page_to_try_it_works_without_javascript(asked):
    page = asked("/api")
    text = page.body.decode()
    assert page.status == 200
    assert "script-src 'self'" in page.headers["content-security-policy"]
    for one in OPERATIONS:
        assert f'action="/api/try/{one.name}"' in text
    sent = asked(f"/api/try/get_dataset?dataset_id={FIRST}&revision=")
    assert (sent.status, sent.headers["location"]) == (303, f"{BASE}/datasets/{FIRST}")
    sent = asked("/api/try/list_datasets?q=a+b&species=&nonsense=1")
    assert sent.headers["location"] == f"{BASE}/datasets?q=a+b"
    sent = asked("/api/try/get_dataset?dataset_id=//example.org/..")
    assert sent.headers["location"] == f"{BASE}/datasets/%2F%2Fexample.org%2F.."
    assert asked("/api/try/nonsense").status == 404
