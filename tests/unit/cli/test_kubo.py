"""``etdb kubo`` with a double of Kubo: what is sent, pinned, mended, and said when it goes wrong."""

from __future__ import annotations

import pytest

from etdb.blocks.kubo_adding import ADDING_PIN
from etdb.testing.fake_kubo import fake_kubo
from etdb.testing.images import mrc_header


@pytest.fixture
def kubo():
    with fake_kubo() as kubo:
        yield kubo


@pytest.fixture
def shop(desk, kubo):
    """A desk with one published dataset of two files, and a Kubo in its settings."""
    (desk.short / "b.mrc").write_bytes(mrc_header(256 * 6000) + bytes(range(256)) * 6000)
    (desk.short / "sub").mkdir()
    (desk.short / "sub" / "c.txt").write_text("three")
    assert desk.publish().status == 0
    settings = desk.workspace.root / "etdb.toml"
    settings.write_text(settings.read_text().replace("[kubo]", f"[kubo]\napi = '{kubo.url}'"))
    return desk


def test_what_is_published_is_added_pinned_and_read_back(shop, kubo):
    said = shop.run("--json", "kubo", "add").document
    assert [(one["files"], one["sent_files"], one["was_there"]) for one in said] == [(3, 3, False)]
    root = said[0]["root_cid"]
    # The pins of single files have gone: the root holds all.
    assert list(kubo.pins) == [root]
    assert kubo.pins[root].startswith("etdb ")
    assert str(shop.short / "b.mrc") in kubo.places.values()
    assert not any("content" in place for place in kubo.places.values())
    listed = shop.run("--json", "kubo", "pins").document
    assert [one["root_cid"] for one in listed["datasets"]] == [root]
    checked = shop.run("--json", "kubo", "check", said[0]["sid"]).document
    assert checked["datasets"][0]["read_bytes"] > 1_536_000
    kubo.calls.clear()
    again = shop.run("--json", "kubo", "add").document
    assert again[0]["was_there"]
    assert "add" not in kubo.calls


def test_a_dataset_goes_by_each_of_its_names(shop, kubo):
    one = shop.run("--json", "kubo", "add", "--announce").document[0]
    assert "routing/provide" in kubo.calls
    for word in (one["sid"], one["dataset_id"], one["root_cid"], one["dataset_id"][:6]):
        assert "read back" in shop.run("kubo", "check", word).out
    assert "unpinned" in shop.run("kubo", "unpin", one["dataset_id"][:6]).out
    assert kubo.pins == {}
    assert "was not pinned" in shop.run("kubo", "unpin", "--all").out


def test_a_copy_is_sent_without_a_path(shop, kubo):
    assert shop.run("kubo", "add", "--copy").status == 0
    assert set(kubo.places.values()) == {""}


def test_a_run_that_was_cut_off_goes_on(shop, kubo):
    kubo.behaviour, kubo.only, kubo.words = "refuse", {"dag/import"}, "no space left on device"
    cut = shop.run("kubo", "add")
    assert cut.status == 7
    assert "the disk of the Kubo" in cut.err
    assert set(kubo.pins.values()) == {ADDING_PIN}
    assert "run that was cut off" in shop.run("kubo", "pins").out
    kubo.behaviour = "honest"
    kubo.calls.clear()
    assert shop.run("kubo", "add").status == 0
    assert "add" not in kubo.calls
    assert ADDING_PIN not in kubo.pins.values()


def test_an_unfinished_run_can_be_taken_back(shop, kubo):
    kubo.behaviour, kubo.only = "refuse", {"dag/import"}
    shop.run("kubo", "add")
    assert "unpinned" in shop.run("kubo", "unpin", "--all").out
    assert kubo.pins == {}


def test_pins_of_others_stay(shop, kubo):
    kubo.behaviour, kubo.only = "refuse", {"dag/import"}
    shop.run("kubo", "add")
    mine = next(iter(kubo.pins))
    kubo.pins[mine] = "the user's own"
    kubo.behaviour = "honest"
    assert shop.run("kubo", "add").status == 0
    assert kubo.pins[mine] == "the user's own"
    shop.run("kubo", "unpin", "--all")
    assert list(kubo.pins.values()) == ["the user's own"]


def test_a_file_that_changed_is_named_and_nothing_is_kept(shop, kubo):
    (shop.short / "b.mrc").write_bytes(bytes(255) * 6000)
    said = shop.run("kubo", "add")
    assert said.status == 4
    assert "b.mrc" in said.err
    assert set(kubo.pins.values()) <= {ADDING_PIN}
    # The datasets behind it are added all the same.
    assert shop.publish(shop.dataset("another")).status == 0
    said = shop.run("--json", "kubo", "add")
    assert said.status == 4
    assert [one.get("error") for one in said.document] == [None, "verification"]
    assert len([name for name in kubo.pins.values() if name.startswith("etdb ")]) == 1
    gone = shop.short / "b.mrc"
    gone.unlink()
    said = shop.run("kubo", "add")
    assert said.status == 3
    assert "b.mrc" in said.err


def test_bytes_that_kubo_gives_are_checked(shop, kubo):
    shop.run("kubo", "add")
    kubo.behaviour, kubo.only = "wrong-bytes", {"block/get"}
    said = shop.run("--json", "kubo", "check", *sids(shop))
    assert said.status == 4
    assert said.document["datasets"][0]["error"] == "verification"


def sids(shop):
    return [one["sid"] for one in shop.run("--json", "kubo", "pins").document["datasets"]]


def test_check_says_what_to_set(shop, kubo):
    kubo.takes_files_in_place = False
    said = shop.run("kubo", "check")
    assert said.status == 0
    assert "Experimental.FilestoreEnabled true" in said.out
    kubo.version = "0.22.0"
    assert "0.22.0" in shop.run("kubo", "check").err


def test_words_that_mean_nothing(shop, desk, kubo):
    assert "called 'nope'" in shop.run("kubo", "add", "nope").err
    assert "--all" in shop.run("kubo", "unpin").err
    assert shop.run("kubo", "add", "--api", "ftp://x").status == 3
    kubo.close()
    said = shop.run("kubo", "add")
    assert said.status == 5
    assert "ipfs daemon" in said.err


def test_nothing_is_published_yet(desk, kubo):
    assert "nothing is published" in desk.run("kubo", "add", "--api", kubo.url).err


def test_the_secret_comes_from_the_settings(shop, kubo):
    kubo.secret = "a-token"
    assert "wants a secret" in shop.run("kubo", "check").err
    secret = shop.workspace.root / "token"
    secret.touch(mode=0o600)
    secret.write_text("a-token\n")
    settings = shop.workspace.root / "etdb.toml"
    settings.write_text(settings.read_text().replace("[kubo]", "[kubo]\nsecret_file = 'token'"))
    assert shop.run("kubo", "check").status == 0
