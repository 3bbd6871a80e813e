"""The demo's report says what happened, and says a failed claim too."""

from __future__ import annotations

import io

from rich.console import Console

from etdb.demo.report import claim_words, show_report
from etdb.trust import Claim, Outcome

VOLTAGE = {
    "label": "voltage",
    "unit": "kV",
    "value": 300.0,
    "chosen": {"source": "a[red].mrc", "where": "header"},
    "witnesses": [
        {"value": 300.0, "source": "a[red].mrc", "where": "header", "is_usable": True, "agrees": True},
        {"value": 200.0, "source": "b.mdoc", "where": "", "is_usable": True, "agrees": False},
        {"value": 0.0, "source": "c.mrc", "where": "", "is_usable": False, "agrees": False},
    ],
}


def facts_with(outcome):
    return {
        "folder": "demo-workspace",
        "ledger": "a ledger of its own",
        "query": "layered needle",
        "heights": {"ab" * 32: 7},
        "seconds": 30.0,
        "gateway": "http://127.0.0.1:1",
        "download_seconds": 2.0,
        "publish_seconds": 1.0,
        "reconstruction_seconds": 4.0,
        "compared": {"files": 7, "bytes": 40_000_000},
        "pictures": ["keymov_a.mp4"],
        "described": {"datasets": [{"evidence": {"voltage_kv": VOLTAGE}}]},
        "published": {
            "transactions_sent": 5,
            "datasets": [{"sid": "a[b]", "dataset_id": "ab" * 32, "transactions": 3, "root_cid": "bafy" + "x" * 55}],
        },
        "found": {"results": [{"dataset_id": "ab" * 32, "tomogram": {"title": "[red]not markup[/red]"}, "height": 7}]},
        "claims": [{"claim": str(claim), "outcome": outcome, "detail": "because"} for claim in Claim],
    }


def printed(facts):
    text = io.StringIO()
    show_report(Console(file=text, width=120, highlight=False), facts)
    return text.getvalue()


def test_every_claim_is_shown_with_its_outcome_and_what_speaks_against_it():
    for outcome in Outcome:
        text = printed(facts_with(str(outcome)))
        assert text.count(str(outcome)) >= len(Claim)
        assert all(claim.meaning in text for claim in Claim)
        assert ("because" in text) == (outcome != Outcome.HELD)


def test_it_has_the_figures_and_the_next_commands():
    text = printed(facts_with("held"))
    for expected in ("7 files, 40.0 MB", "20 MB/s", "5 transactions", " 7 ", "--workspace demo-workspace search"):
        assert expected in text


def test_foreign_text_is_not_markup():
    text = printed(facts_with("held"))
    assert "[red]not markup[/red]" in text
    assert "a[b]" in text


def test_a_claim_of_a_later_version_is_still_shown():
    assert claim_words({"claim": "some_new_claim"}) == "some new claim"


def test_what_files_tell_stands_beside_who_disagrees():
    text = printed(facts_with("held"))
    assert "300 kV" in text
    assert "a[red].mrc, header" in text
    assert "≠ 200 kV" in text
    assert "c.mrc" not in text
    assert "keymov_a.mp4" in text
