"""Bad input at the real command line: a clear message, the documented status, nothing half-written."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from etdb.blocks import FilesInPlace
from etdb.cli.app import EXIT_STATUSES
from etdb.cli.opening import open_files
from etdb.ipfs import cid_of, parse_cid, parse_node
from etdb.manifest import MANIFEST_NAME
from etdb.testing.blocks import hostile_gateway
from etdb.testing.images import mrc_header

INPUT, UNTRUE, UNREACHABLE, STORE = 3, 4, 5, 7


def assert_refused(desk, said, status, *words):
    """The status is a documented one, the message has these words, and neither ledger nor journal has anything."""
    assert said.status == status, said.err
    assert status in EXIT_STATUSES
    assert "\netdb: " in "\n" + said.err
    for word in words:
        assert word in said.err
    assert desk.tip().height == 0
    assert not set(desk.states()) & {"sent", "confirmed", "final"}
    assert desk.transactions() == []


def assert_nothing_sent(desk):
    """No record has left: there is no transaction in the journal and none of ours on the chain."""
    assert not set(desk.states()) & {"sent", "confirmed", "final"}
    assert desk.transactions() == []
    assert desk.run("index").status == 0
    assert desk.run("--json", "search").document["results"] == []


class TestFiles:
    def test_missing_path(self, desk):
        said = desk.publish(desk.root / "nowhere")
        assert_refused(desk, said, INPUT, "nowhere", "does not exist", "check the path")

    def test_empty_folder(self, desk):
        (desk.root / "empty").mkdir()
        assert_refused(desk, desk.publish(desk.root / "empty"), INPUT, "no file to publish", "give a file")

    def test_empty_file(self, desk):
        (desk.short / "b.mrc").touch()
        assert_refused(desk, desk.publish(), INPUT, "b.mrc", "empty", "correct the files")

    def test_unreadable_file(self, desk, monkeypatch):
        # The superuser reads everything: the refusal comes from here.
        (desk.short / "b.mrc").write_bytes(mrc_header(2048) + bytes(range(256)) * 8)
        really_open = os.open

        def refuse(path, *rest, **named):
            if "b.mrc" in os.fsdecode(path):
                raise PermissionError(13, "Permission denied", path)
            return really_open(path, *rest, **named)

        monkeypatch.setattr("os.open", refuse)
        said = desk.publish()
        assert said.status == INPUT
        assert "b.mrc" in said.err
        assert "Permission denied" in said.err
        # Coins were mined by then, on a chain of one's own; no record has left.
        assert_nothing_sent(desk)

    def test_file_that_changes_while_it_is_read(self, desk, monkeypatch):
        path = desk.short / "b.tif"
        path.write_bytes(bytes(3 << 20))
        really_add = FilesInPlace.add_file

        def add(self, file, *rest, progress=None, **named):
            def grow(*counts):
                with path.open("ab") as more:
                    more.write(b"more")
                if progress is not None:
                    progress(*counts)

            return really_add(self, file, *rest, progress=grow, **named)

        monkeypatch.setattr(FilesInPlace, "add_file", add)
        said = desk.publish()
        assert said.status == INPUT
        assert "b.tif" in said.err
        assert "chang" in said.err
        assert_nothing_sent(desk)
        monkeypatch.setattr(FilesInPlace, "add_file", really_add)
        assert desk.publish().status == 0

    @pytest.mark.parametrize("name", ["new\nline.mrc", "b\x1b[31m.mrc", b"\xff\xfe.mrc"])
    def test_hostile_name(self, desk, name):
        target = os.fsencode(desk.short) + b"/" + os.fsencode(name)
        with Path(os.fsdecode(target)).open("wb") as file:
            file.write(bytes(100))
        said = desk.publish()
        assert_refused(desk, said, INPUT, "short", "correct the files")
        assert "\x1b" not in said.err

    def test_link_out_of_the_folder(self, desk):
        outside = desk.root / "outside.mrc"
        outside.write_bytes(bytes(100))
        (desk.short / "b.mrc").symlink_to(outside)
        assert_refused(desk, desk.publish(), INPUT, "b.mrc")

    def test_names_that_are_only_unusual(self, desk):
        for name in ("with spaces.txt", "-rf.txt", "x" * 251 + ".txt", "..a.txt"):
            (desk.short / name).write_text("well")
        said = desk.publish()
        assert said.status == 0, said.err
        assert desk.tip().height > 0

    def test_path_with_two_dots(self, desk):
        assert desk.publish(desk.data / ".." / "data").status == 0

    def test_path_that_begins_like_an_option(self, desk, monkeypatch):
        monkeypatch.chdir(desk.data)
        (desk.data / "short").rename(desk.data / "-short")
        said = desk.run("publish", "-short", "--yes")
        assert said.status == 2
        said = desk.run("publish", "--yes", "--passphrase-file", desk.secret, "--", "-short")
        assert said.status == 0, said.err


class TestDescriptions:
    def test_missing_title(self, desk):
        (desk.short / "dataset.toml").write_text("acquired_on = 2026-11-01\n")
        assert_refused(desk, desk.publish(), INPUT, "short has no title", "dataset.toml", "--title")

    def test_missing_day(self, desk):
        (desk.short / "dataset.toml").write_text('title = "A title"\n')
        assert_refused(desk, desk.publish(), INPUT, "short", "acquired_on", "dataset.toml")

    def test_two_datasets_of_one_sid(self, desk):
        for name in ("one", "two"):
            desk.dataset(name, 'title = "T"\nacquired_on = 2026-11-01\nsid = "same"\n')
        said = desk.publish()
        assert_refused(desk, said, INPUT, "the sid same", "one", "two", "another `sid`")

    def test_every_fault_is_told_at_once_and_the_others_can_be_published(self, desk):
        (desk.short / "dataset.toml").write_text("acquired_on = 2026-11-01\n")
        desk.dataset("undated", 'title = "A title"\n')
        desk.dataset("good", 'title = "Good"\nacquired_on = 2026-11-01\n')
        told = ("2 of 3 datasets not ready", "short has no title", "undated", "acquired_on")
        assert_refused(desk, desk.publish(desk.data), INPUT, *told, "--skip-bad")
        said = desk.run("--json", "publish", desk.data, "--yes", "--skip-bad", "--passphrase-file", desk.secret)
        assert said.status == INPUT
        assert sorted(said.document["left_out"]) == ["short", "undated"]
        assert [one["state"] for one in said.document["datasets"]] == ["final"]
        for word in told:
            assert word in said.err
        assert set(desk.states()) == {"final"}

    def test_nothing_is_ready(self, desk):
        (desk.short / "dataset.toml").write_text("acquired_on = 2026-11-01\n")
        desk.dataset("undated", 'title = "A title"\n')
        said = desk.run("publish", desk.data, "--yes", "--skip-bad", "--passphrase-file", desk.secret)
        assert_refused(desk, said, INPUT, "2 of 2 datasets not ready", "mend them")

    def test_title_for_several(self, desk):
        said = desk.publish(desk.short, desk.short, "--title", "T")
        assert_refused(desk, said, INPUT, "--title is for one path")


class TestKeys:
    def publish_with(self, desk, *words):
        return desk.run("publish", desk.data, "--yes", *words)

    def secret(self, desk, text, mode=0o600):
        path = desk.root / "other-pass"
        path.write_bytes(text)
        path.chmod(mode)
        return self.publish_with(desk, "--passphrase-file", path)

    def test_wrong_passphrase(self, desk):
        said = self.secret(desk, b"battery staple\n")
        assert_refused(desk, said, INPUT, "passphrase", "me")
        assert "battery" not in said.err

    def test_empty_passphrase(self, desk):
        assert_refused(desk, self.secret(desk, b"\n"), INPUT, "the passphrase is empty", "first line")

    def test_passphrase_that_is_no_text(self, desk):
        assert_refused(desk, self.secret(desk, b"\xff\xfe"), INPUT, "not UTF-8")

    def test_passphrase_that_others_can_read(self, desk):
        said = self.secret(desk, b"correct horse\n", mode=0o644)
        assert_refused(desk, said, INPUT, "others can read", "other-pass", "chmod 600")

    def test_an_exported_key_is_for_its_owner_alone(self, desk):
        target = desk.root / "me.wif"
        words = ("key", "export", "me", "--passphrase-file", desk.secret, "--output", target)
        said = desk.run(*words)
        assert said.status == 0, said.err
        assert target.stat().st_mode & 0o777 == 0o600
        wif = target.read_text().strip()
        assert wif
        assert wif not in said.out + said.err
        again = desk.run(*words)
        assert (again.status, target.read_text().strip()) == (INPUT, wif)
        assert "is there already" in again.err

    def test_missing_passphrase_file(self, desk):
        said = self.publish_with(desk, "--passphrase-file", desk.root / "nowhere")
        assert_refused(desk, said, INPUT, "nowhere", "cannot be read")

    @pytest.mark.parametrize("number", ["-1", "987", "99999999999999999999"])
    def test_passphrase_from_no_descriptor(self, desk, number):
        said = self.publish_with(desk, f"--passphrase-fd={number}")
        assert_refused(desk, said, INPUT, "descriptor", number)

    def test_no_terminal_for_the_passphrase(self, desk):
        assert_refused(desk, self.publish_with(desk), INPUT, "no terminal", "--passphrase-file")

    def test_no_terminal_for_consent(self, desk):
        said = desk.run("publish", desk.data, "--passphrase-file", desk.secret)
        assert_refused(desk, said, INPUT, "no terminal", "--yes")

    def test_no_key(self, desk):
        for path in desk.workspace.keys_folder.iterdir():
            path.unlink()
        assert_refused(desk, desk.publish(), INPUT, "no key", "etdb key new")

    def test_unknown_key(self, desk):
        assert_refused(desk, desk.publish(desk.data, "--key", "you"), INPUT, "you")

    def test_imported_key_that_is_no_text(self, desk):
        path = desk.root / "old.wif"
        path.write_bytes("clé".encode())
        path.chmod(0o600)
        said = desk.run("key", "import", "old", "--wif-file", path, "--passphrase-file", desk.secret)
        assert_refused(desk, said, INPUT, "old.wif")

    def test_imported_key_that_others_can_read(self, desk):
        path = desk.root / "old.wif"
        path.write_text("no key, but nobody looks at it before")
        path.chmod(0o640)
        said = desk.run("key", "import", "old", "--wif-file", path, "--passphrase-file", desk.secret)
        assert_refused(desk, said, INPUT, "others can read the key", "chmod 600")


class TestWorkspaces:
    def test_unknown_setting(self, desk):
        path = desk.workspace.config_path
        path.write_text("gatewayz = []\n" + path.read_text())
        assert_refused(desk, desk.publish(), INPUT, "etdb.toml", "gatewayz", "gateways")

    def test_no_workspace(self, desk):
        (desk.root / "bare").mkdir()
        for words in (("-w", desk.root / "bare", "status"), ("status",)):
            assert_refused(desk, desk.run_bare(*words), INPUT, "workspace", "etdb init")

    def test_locked(self, desk):
        with desk.workspace.lock("publish"):
            assert_refused(desk, desk.publish(), STORE, "publish is in use by process", "wait")
        assert desk.publish().status == 0

    @pytest.mark.parametrize("price", ["cheap", "nan", "-1"])
    def test_price_that_is_none(self, desk, price):
        said = desk.run("publish", desk.data, "--dry-run", f"--price={price}")
        assert said.status == 2
        assert "--price" in said.err


class TestQuestions:
    @pytest.fixture
    def published(self, desk):
        assert desk.publish().status == 0
        return desk.index()

    def test_nothing_indexed(self, desk):
        assert_refused(desk, desk.run("search"), INPUT, "nothing is indexed yet", "etdb index")

    @pytest.mark.parametrize("where", ["species", "colour=red", "tilt_max_deg=a..b", "="])
    def test_bad_filter(self, desk, published, where):
        for words in (("search",), ("download", "--dry-run")):
            said = desk.run(*words, "--where", where)
            assert said.status == INPUT, said.err
            assert said.err.startswith("etdb: ")

    @pytest.mark.parametrize("where", ["tilt_max_deg=..", "tilt_max_deg=", "species="])
    def test_download_by_a_filter_without_a_value(self, desk, published, where):
        said = desk.run("download", "--dry-run", "--where", where)
        assert said.status == INPUT, said.err
        assert "chooses nothing" in said.err

    def test_unknown_id(self, desk, published):
        unknown = "0" * 64 if published[0] != "0" else "f" * 64
        for command in ("show", "download", "verify"):
            said = desk.run(command, unknown)
            assert said.status == INPUT, said.err
            assert unknown[:12] in said.err

    def test_ambiguous_id(self, desk):
        for number in range(17):
            desk.dataset(f"d{number}")
        assert desk.publish().status == 0
        ids = [one["dataset_id"][0] for one in (desk.index(), desk.run("--json", "search").document)[1]["results"]]
        twice = next(one for one in ids if ids.count(one) > 1)
        said = desk.run("show", twice)
        assert said.status == INPUT
        assert said.err.startswith("etdb: ")

    def test_folder_that_is_no_dataset(self, desk):
        said = desk.run("verify", desk.short)
        assert_refused(desk, said, INPUT, "not a dataset folder", "etdb download")


class TestWords:
    def test_a_cid_that_is_none_is_a_wrong_word(self, desk):
        for verb in ("fetch", "providers"):
            said = desk.run(verb, "notacid")
            assert said.status == INPUT, said.err

    def test_a_chain_folder_is_of_the_local_network(self, desk):
        chain = desk.workspace.root / "chain"
        said = desk.run_bare("init", desk.root / "other", "--network", "main", "--ledger", chain)
        assert said.status == INPUT
        assert "local network" in said.err
        assert not (desk.root / "other").exists()


class TestDownloads:
    @pytest.fixture
    def published(self, desk):
        assert desk.publish().status == 0
        return desk.index()

    @pytest.fixture
    def folder(self, desk, published) -> Path:
        assert desk.run("download", published, "-o", desk.root / "got").status == 0
        (folder,) = (desk.root / "got").iterdir()
        assert desk.run("verify", folder).status == 0
        return folder

    def test_flipped_byte(self, desk, folder):
        path = next(folder.rglob("a.rawtlt"))
        path.chmod(0o600)
        path.write_bytes(b"1" + path.read_bytes()[1:])
        said = desk.run("verify", folder)
        assert said.status == UNTRUE, said.err
        assert "failed" in said.out.lower()
        assert "do not rely" in said.err

    def test_flipped_byte_in_json(self, desk, folder):
        path = next(folder.rglob("a.rawtlt"))
        path.chmod(0o600)
        path.write_bytes(b"1" + path.read_bytes()[1:])
        said = desk.run("--json", "verify", folder)
        assert said.status == UNTRUE
        assert said.document["error"] == "verification"
        assert "failed" in [one["outcome"] for one in said.document["results"]]

    def test_nothing_to_download(self, desk):
        desk.run("index")
        assert desk.run("download").status == INPUT

    def test_gateway_that_is_not_there(self, desk, published, monkeypatch):
        monkeypatch.setattr("etdb.download.pool.RETRY_DELAYS_S", (0.01, 0.01))
        desk.workspace.digests_path.unlink()
        said = desk.run("--json", "download", published, "-o", desk.root / "got", "--gateway", "http://127.0.0.1:9")
        assert said.status == UNREACHABLE, said.err
        assert said.document["error"] == "source"
        assert "another --gateway" in said.err
        assert not list((desk.root / "got").rglob("a.rawtlt"))

    @pytest.mark.parametrize("bent", ["root", "file"])
    def test_gateway_of_wrong_bytes(self, desk, published, bent):
        data = (desk.short / "a.rawtlt").read_bytes()
        root = parse_cid(desk.run("--json", "show", published).document["tomogram"]["location"])
        with open_files(desk.workspace) as files:
            cids = [root, *(link.cid for link in parse_node(files.get(root)).links)]
            blocks = [(cid, files.get(cid)) for cid in cids]
        assert data in [block for _, block in blocks]
        desk.workspace.digests_path.unlink()
        with hostile_gateway(blocks) as gateway:
            gateway.blocks[str(root if bent == "root" else cid_of(data))] = b"0.0\n9.0\n"
            said = desk.run("--json", "download", published, "-o", desk.root / "got", "--gateway", gateway.url)
            assert said.document["banned"][0]["source"] == gateway.url
        assert said.status in {UNTRUE, UNREACHABLE}
        assert said.document["error"] in {"verification", "source"}
        assert not list((desk.root / "got").rglob("a.rawtlt"))

    def test_manifest_that_disagrees(self, desk, folder):
        path = next(folder.rglob(MANIFEST_NAME))
        path.chmod(0o600)
        text = path.read_text()
        assert "A short record" in text
        path.write_text(text.replace("A short record", "A shirt record"))
        said = desk.run("verify", folder)
        assert said.status == UNTRUE, said.out
        assert MANIFEST_NAME in said.out

    def test_no_gateway(self, desk, published):
        desk.workspace.digests_path.unlink()
        said = desk.run("download", published, "-o", desk.root / "got")
        assert said.status == INPUT
        assert "--gateway" in said.err


class TestJson:
    @pytest.mark.parametrize("last", [False, True])
    def test_errors_are_one_document(self, desk, last):
        words = ["publish", desk.root / "nowhere"]
        said = desk.run(*words, "--json") if last else desk.run("--json", *words)
        assert said.status == INPUT
        assert said.document["error"] == "source-file"
        assert "nowhere" in said.document["message"]
        assert said.document["hint"]

    @pytest.mark.parametrize("last", [False, True])
    def test_wrong_words(self, desk, last):
        words = ["search", "--colour"]
        said = desk.run(*words, "--json") if last else desk.run("--json", *words)
        assert said.status == 2
        assert said.document["error"] == "usage"
        assert "--colour" in said.document["message"]


class TestPublishedAlready:
    def test_again(self, desk):
        assert desk.publish().status == 0
        tip, states = desk.tip(), desk.states()
        said = desk.publish()
        assert said.status == 0
        assert "published" in said.out
        assert "0 to publish" in said.out
        assert "0 transactions sent" in said.out
        assert desk.tip() == tip
        assert desk.states() == states

    @pytest.mark.parametrize("part", ["title", "a.rawtlt"])
    def test_changed_since(self, desk, part):
        assert desk.publish().status == 0
        tip, states = desk.tip(), desk.states()
        path = desk.short / ("dataset.toml" if part == "title" else part)
        path.write_text(path.read_text().replace("short", "long").replace("3.0", "3.00"))
        said = desk.publish()
        assert said.status == INPUT, said.out
        assert "short" in said.err
        assert part in said.err
        assert desk.tip() == tip
        assert desk.states() == states
