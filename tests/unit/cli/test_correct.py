"""Edit, deactivate, transfer, register, as people give them; and what readers see of it, also from a ledger file."""

from __future__ import annotations

import json
import shutil
from contextlib import closing

from etdb.publish import Journal
from etdb.workspace import Keyring, Workspace

PASSPHRASE = "correct horse"
TITLE = "A corrected title"


def secret(desk):
    return ("--yes", "--passphrase-file", desk.secret)


def published(desk):
    assert desk.publish().status == 0
    return desk.index()


def edit(desk, dataset, *words, reason="it was wrong"):
    return desk.run("--json", "edit", dataset, *words, "--reason", reason, *secret(desk))


def indexed(desk):
    return desk.run("--json", "index").document


def test_an_edit_is_published_indexed_verified_and_downloaded(desk, tmp_path):
    dataset_id = published(desk)
    first = desk.run("--json", "show", dataset_id[:12]).document
    said = edit(desk, dataset_id[:10], "--set", f"title={TITLE}", "--set", "tags=pili", "--set", "tags=flagella, two")
    assert said.status == 0, said.err
    (done,) = said.document["datasets"]
    assert (done["what"], done["fields"], done["state"]) == ("edited", ["title", "tags"], "final")
    assert (done["dataset_id"], done["revision"]) == (dataset_id, 2)
    assert indexed(desk)["revisions_new"] == 1
    view = desk.run("--json", "show", dataset_id[:12]).document
    assert (view["tomogram"]["title"], view["tomogram"]["tags"]) == (TITLE, ["pili", "flagella", "two"])
    assert view["tomogram"]["location"] != first["tomogram"]["location"]
    assert view["revision_id"] == done["revision_id"]
    for words in ((dataset_id,), (dataset_id, "--revision", "1"), (done["revision_id"][:16],)):
        said = desk.run("--json", "verify", *words)
        assert said.status == 0, said.out
        outcomes = {one["claim"]: one["outcome"] for one in said.document["results"]}
        assert outcomes["manifest_agrees"] == outcomes["file_bytes"] == outcomes["transaction_signature"] == "held"
        assert outcomes["artifact_signature"] == outcomes["block_inclusion"] == "held"
    assert desk.run("download", dataset_id, "-o", tmp_path / "new").status == 0
    assert desk.run("download", dataset_id, "--revision", "1", "-o", tmp_path / "old").status == 0
    manifests = [
        next((tmp_path / name).glob("*/ro-crate-metadata.json")).read_text(encoding="utf-8") for name in ("new", "old")
    ]
    assert [TITLE in one for one in manifests] == [True, False]
    for name in ("new", "old"):
        assert desk.run("verify", next((tmp_path / name).iterdir())).status == 0


def test_history_says_what_who_when_and_why(desk):
    dataset_id = published(desk)
    assert edit(desk, dataset_id, "--set", f"title={TITLE}", reason="[b]the strain[/b]").status == 0
    indexed(desk)
    first, second = desk.run("--json", "history", dataset_id[:8]).document
    assert (first["kind"], second["kind"], second["reason"]) == ("publish", "edit", "[b]the strain[/b]")
    assert [one["field"] for one in second["changes"]] == ["title", "location"]
    told = desk.run("history", dataset_id[:8])
    assert told.status == 0
    for word in ("revision 2 of 2", TITLE, "[b]the strain[/b]", "A short record"):
        assert word in told.out
    assert "revision 1 of 2; there is a newer one" in desk.run("show", dataset_id[:8], "--revision", "1").out


def test_dry_run_shows_difference_and_cost_and_does_nothing(desk):
    dataset_id = published(desk)
    before = desk.transactions()
    said = desk.run("edit", dataset_id, "--set", f"title={TITLE}", "--reason", "why", "--dry-run")
    assert said.status == 0, said.err
    assert TITLE in said.out
    assert "; 1 transaction on" in said.out
    plan = desk.run("--json", "edit", dataset_id, "--set", f"title={TITLE}", "--reason", "why", "--dry-run").document
    assert (plan["datasets"][0]["what"], plan["datasets"][0]["fields"]) == ("edited", ["title"])
    assert plan["fee_sat"] > 0
    assert desk.transactions() == before
    assert desk.states() == {"final": 1}


def test_without_a_terminal_it_asks_for_yes(desk):
    dataset_id = published(desk)
    said = desk.run("edit", dataset_id, "--set", f"title={TITLE}", "--reason", "why", "--passphrase-file", desk.secret)
    assert said.status == 3
    assert "--yes" in said.err
    assert desk.states() == {"final": 1}


MISTAKES = (
    (("--set", "titel=x"), "fields: title"),
    (("--set", "title"), "FIELD=VALUE"),
    (("--set", "sid=x"), "stays"),
    (("--set", "location=x"), "fields: title"),
    (("--set", "tilt_min_deg=steep"), "tilt_min_deg"),
    (("--set", "tilt_min_deg=-300"), "tilt_min_deg"),
    (("--set", "tilt_axes=3"), "tilt_axes"),
    (("--set", "acquired_on=yesterday"), "acquired_on"),
    (("--set", "title=a", "--set", "title=b"), "one value"),
    (("--set", "title=a", "--unset", "title"), "one of them"),
    (("--unset", "title"), "lacks title"),
    (("--set", "title=A short record"), "nothing differs"),
    ((), "--set FIELD=VALUE"),
    (("--from", "nowhere"), "nowhere"),
)


def test_what_cannot_be_is_said_with_what_to_do(desk):
    dataset_id = published(desk)
    for words, wanted in MISTAKES:
        said = edit(desk, dataset_id, *words)
        assert said.status in {3, 7}, words
        assert wanted in said.err, words
        assert desk.states() == {"final": 1}
        assert len(desk.transactions()) == 1


def test_fields_of_every_kind_are_set_and_emptied(desk):
    dataset_id = published(desk)
    toml = desk.root / "dataset.toml"
    toml.write_text('strain = "NA1000"\nsid = "ignored"\n[extra]\ngrid = "B-12"\n')
    words = [
        *("--set", "acquired_on=2014-01-14", "--set", "tilt_constant_increment=yes", "--set", "ncbi_taxon_id=190650"),
        *("--set", "voxel_spacing_angstrom=13.68", "--set", "authors=Doe, J.", "--set", "extra.box=7"),
        *("--unset", "description", "--set", "description=New", "--from", toml),
    ]
    assert edit(desk, dataset_id, *words).status == 3  # set and unset
    del words[words.index("--unset") : words.index("--unset") + 2]
    assert edit(desk, dataset_id, *words).status == 0
    indexed(desk)
    told = desk.run("--json", "show", dataset_id).document["tomogram"]
    assert (told["acquired_on"], told["tilt_constant_increment"], told["ncbi_taxon_id"]) == ("2014-01-14", True, 190650)
    assert (told["voxel_spacing_angstrom"], told["authors"], told["strain"]) == (13.68, ["Doe, J."], "NA1000")
    assert (told["extra"], told["sid"], told["description"]) == ({"grid": "B-12", "box": "7"}, "short", "New")
    assert edit(desk, dataset_id, "--unset", "strain", "--unset", "extra.box", "--unset", "authors").status == 0
    indexed(desk)
    told = desk.run("--json", "show", dataset_id).document["tomogram"]
    assert (told["strain"], told["extra"], told["authors"]) == ("", {"grid": "B-12"}, [])


def test_a_withdrawn_dataset_is_a_tombstone(desk, tmp_path):
    dataset_id = published(desk)
    said = desk.run("--json", "deactivate", "short", "--reason", "wrong specimen", *secret(desk))
    assert said.status == 0, said.err
    assert said.document["datasets"][0]["what"] == "deactivated"
    indexed(desk)
    assert desk.run("--json", "search").document["total"] == 0
    assert desk.run("--json", "search", "--withdrawn").document["results"][0]["dataset_id"] == dataset_id
    told = desk.run("show", dataset_id[:8])
    assert "WITHDRAWN" in told.out
    assert "wrong specimen" in told.out
    got = desk.run("download", dataset_id, "-o", tmp_path / "got")
    assert got.status == 0
    assert "wrong specimen" in got.err
    for words in (("edit", dataset_id, "--set", "title=x"), ("deactivate", dataset_id)):
        said = desk.run(*words, "--reason", "why", *secret(desk))
        assert said.status == 3
        assert "is withdrawn" in said.err
    assert desk.publish().status == 0  # it is left alone
    assert desk.states() == {"final": 2}


def test_a_transfer_is_for_the_new_owner(desk, tmp_path):
    dataset_id = published(desk)
    other = Workspace.init(tmp_path / "other")
    Keyring(other.keys_folder, other.flo_network_name, scrypt_n=2**14).new("me", PASSPHRASE)
    to = other.keyring.show("me").address
    for address in ("nobody", Workspace(desk.workspace.root).keyring.show("me").address):
        said = desk.run("transfer", dataset_id, "--to", address, "--reason", "x", *secret(desk))
        assert (said.status, "no address" in said.err) == (3, True)
    said = desk.run("--json", "transfer", dataset_id, "--to", to, "--reason", "moved", *secret(desk))
    assert said.status == 0, said.err
    again = ("transfer", dataset_id, "--to", to, "--reason", "moved", *secret(desk))
    for _ in range(2):  # by the journal alone, and by the index
        said = desk.run("--json", *again)
        assert (said.status, said.document["owner"], said.document["transactions_sent"]) == (0, to, 0), said.err
        assert "was transferred" in desk.run(*again).out
        indexed(desk)
    assert len(desk.transactions()) == 2
    assert desk.run("--json", "show", dataset_id).document["owner"] == to
    third = ("transfer", dataset_id, "--to", "oQTTkTeg7tRNdPx3JDXNaDU3w3SZJvKCCL", "--reason", "x", *secret(desk))
    assert desk.run(*third).status == 3  # another one is not done
    said = edit(desk, dataset_id, "--set", f"title={TITLE}")
    assert said.status == 3
    assert to in said.err


def test_the_publishers_name_is_shown(desk):
    dataset_id = published(desk)
    for _ in range(2):  # said once
        said = desk.run("--json", "register", "--name", "The Jensen Lab", *secret(desk))
        assert said.status == 0, said.err
    assert len(desk.transactions()) == 2
    indexed(desk)
    assert desk.run("--json", "show", dataset_id).document["publisher_name"] == "The Jensen Lab"
    assert desk.run("register", "--name", "two\nlines", *secret(desk)).status == 3


def test_what_is_not_known_or_not_ours(desk):
    for words in (("edit", "abc", "--set", "title=x"), ("deactivate", "abc")):
        said = desk.run(*words, "--reason", "why", *secret(desk))
        assert said.status == 3
        assert "etdb index" in said.err


def another_workspace(desk, tmp_path):
    """The same key and chain, and a journal that knows nothing."""
    other = tmp_path / "other"
    shutil.copytree(desk.workspace.root, other)
    for path in other.glob("journal.sqlite*"):
        path.unlink()
    return other


def test_a_dataset_of_another_workspace_is_edited_from_its_record(desk, tmp_path):
    dataset_id = published(desk)
    assert edit(desk, dataset_id, "--set", "strain=NA1000").status == 0
    indexed(desk)
    other = another_workspace(desk, tmp_path)
    said = desk.run_bare(
        "-w", other, "--json", "edit", dataset_id, "--set", f"title={TITLE}", "--reason", "why", *secret(desk)
    )
    assert said.status == 0, said.err
    assert said.document["datasets"][0]["revision"] == 3
    assert json.loads(desk.run_bare("-w", other, "--json", "index").out)["revisions_new"] == 1
    told = json.loads(desk.run_bare("-w", other, "--json", "show", dataset_id).out)
    assert (told["tomogram"]["title"], told["tomogram"]["strain"], told["revisions"]) == (TITLE, "NA1000", 3)
    with closing(Journal(other / "journal.sqlite")) as journal:
        (entry,) = journal.datasets()
    assert (entry.kind, entry.about, entry.revision) == ("edit", dataset_id, 3)


def test_a_ledger_file_carries_corrections(desk, tmp_path):
    dataset_id = published(desk)
    desk.dataset("gone")
    assert desk.publish().status == 0
    assert edit(desk, dataset_id, "--set", f"title={TITLE}", "--set", f"notes={'é' * 1500}").status == 0
    assert desk.run("deactivate", "gone", "--reason", "wrong", *secret(desk)).status == 0
    assert desk.run("register", "--name", "The Lab", *secret(desk)).status == 0
    indexed(desk)
    path = tmp_path / "lab.etdb-ledger"
    assert desk.run("ledger", "export", path).status == 0
    reader = tmp_path / "reader"
    assert desk.run_bare("init", reader, "--ledger", path).status == 0
    report = json.loads(desk.run_bare("-w", reader, "--json", "index").out)
    assert (report["records_new"], report["revisions_new"]) == (2, 2)
    for words in (("show", dataset_id), ("history", dataset_id), ("search",), ("search", "--withdrawn")):
        ours = desk.run("--json", *words).document
        theirs = json.loads(desk.run_bare("-w", reader, "--json", *words).out)
        assert without_claims(theirs) == without_claims(ours), words
    said = desk.run_bare("-w", reader, "--json", "verify", dataset_id, "--no-content")
    assert said.status == 0, said.out
    outcomes = {one["claim"]: one["outcome"] for one in json.loads(said.out)["results"]}
    assert outcomes["transaction_signature"] == outcomes["block_inclusion"] == "held"


def without_claims(told):
    if isinstance(told, dict):
        return {key: without_claims(value) for key, value in told.items() if key not in ("claims", "observed")}
    return [without_claims(one) for one in told] if isinstance(told, list) else told


def test_publish_still_refuses_what_has_changed_and_says_how_it_is_meant(desk):
    published(desk)
    toml = desk.short / "dataset.toml"
    toml.write_text(toml.read_text().replace("A short record", TITLE))
    said = desk.publish()
    assert said.status == 3
    assert "etdb edit" in said.err
    assert "title" in said.err
