"""A workspace that lives on a file: a ledger file that others wrote, or exported texts."""

from __future__ import annotations

import hashlib
import json
import shutil
from contextlib import closing

import pytest

from etdb.errors import InputError
from etdb.ledger import LocalChain, legacy
from etdb.testing.records import RecordSigner
from etdb.workspace import Workspace

LAB = RecordSigner("lab")


def mine(desk, title):
    """A block with a record, signed by its publisher and paid by the miner; the record's id."""
    with closing(LocalChain(desk.workspace.chain_folder, writable=True)) as chain:
        ref = chain.mine(1, flo_data=LAB.message(title=title))[0]
        (block,) = chain.blocks(ref.height)
        return block.messages[0].txid


@pytest.fixture
def lab(desk):
    """A lab with one record, and the file of its ledger."""
    desk.dataset_id = mine(desk, "First")
    desk.file = desk.root / "lab.etdb-ledger"
    desk.exported = desk.run("--json", "ledger", "export", desk.file).document
    return desk


class Reader:
    """Another workspace, that knows nothing of the lab's."""

    def __init__(self, desk, name="reader", **options):
        self.root = desk.root / name
        Workspace.init(self.root, **options)
        self._desk = desk

    def run(self, *words):
        return self._desk.run_bare("-w", self.root, *words)


# -- a ledger file


def test_an_imported_file_gives_the_same_catalogue_as_the_chain(lab):
    reader = Reader(lab)
    said = reader.run("--json", "ledger", "import", lab.file)
    assert said.status == 0
    assert said.document["tip_hash"] == lab.tip().block_hash
    assert said.document["messages"] == lab.exported["messages"] > 0
    assert any("left out" in line for line in said.document["not_checked"])
    assert reader.run("--json", "index").document["records_new"] == 1
    lab.run("index")
    theirs = lab.run("--json", "show", lab.dataset_id).document
    assert reader.run("--json", "show", lab.dataset_id).document == theirs


def test_what_the_ledger_proves_needs_no_source(lab):
    reader = Reader(lab)
    reader.run("ledger", "import", lab.file)
    reader.run("index")
    said = reader.run("--json", "verify", lab.dataset_id, "--no-content")
    found = {one["claim"]: one["outcome"] for one in said.document["results"]}
    assert (found["artifact_signature"], found["block_inclusion"]) == ("held", "held")
    # It came with the miner's own transaction, which nobody signs.
    assert (said.status, found["transaction_signature"]) == (0, "not possible")
    assert (found["manifest_agrees"], found["file_bytes"]) == ("not checked", "not checked")


def test_the_settings_may_name_the_file(lab):
    words = ("init", lab.root / "named", "--ledger", lab.file)
    assert lab.run_bare(*words).status == 0
    named = ("-w", lab.root / "named")
    assert lab.run_bare(*named, "--json", "index").document["records_new"] == 1
    ledger = lab.run_bare(*named, "--json", "status").document["ledger"]
    assert ledger == {"folder": str(lab.file), "tip": {"height": lab.tip().height} | tip_of(lab)}
    refused = lab.run_bare(*named, "ledger", "import", lab.file)
    assert refused.status == 3
    assert "reads the ledger" in refused.err


def tip_of(desk):
    return {"block_hash": desk.tip().block_hash}


def test_a_download_and_its_check_need_no_node(lab):
    assert lab.publish().status == 0
    lab.run("ledger", "export", lab.file)
    lab.run("index")
    lab.dataset_id = lab.run("--json", "search", "short").document["results"][0]["dataset_id"]
    reader = Reader(lab)
    reader.run("ledger", "import", lab.file)
    reader.run("index")
    shutil.copy(lab.workspace.digests_path, reader.root)
    shutil.copytree(lab.workspace.content_folder, reader.root / "content", dirs_exist_ok=True)
    said = reader.run("--json", "verify", lab.dataset_id)
    outcomes = {one["claim"]: one["outcome"] for one in said.document["results"]}
    assert {claim for claim, outcome in outcomes.items() if outcome == "held"} >= {
        *("artifact_signature", "transaction_signature", "manifest_agrees", "block_inclusion", "file_bytes")
    }
    assert reader.run("download", lab.dataset_id, "--output", lab.root / "got").status == 0
    (folder,) = (lab.root / "got").iterdir()
    again = reader.run("--json", "verify", folder)
    assert again.status == 0
    assert {one["claim"]: one["outcome"] for one in again.document["results"]} == outcomes


def test_the_file_is_the_same_whoever_writes_it(lab):
    assert lab.exported["sha256"] == hashlib.sha256(lab.file.read_bytes()).hexdigest()
    reader = Reader(lab)
    reader.run("ledger", "import", lab.file)
    copied = reader.run("--json", "ledger", "export", lab.root / "copied").document
    assert copied["sha256"] == lab.exported["sha256"]
    again = lab.run("--json", "ledger", "export", lab.file).document
    assert again == {**lab.exported, "new_blocks": 0}


def test_a_newer_file_takes_the_place_of_an_older_and_not_the_other_way(lab):
    reader = Reader(lab)
    old = lab.root / "old.etdb-ledger"
    old.write_bytes(lab.file.read_bytes())
    reader.run("ledger", "import", old)
    reader.run("index")
    mine(lab, "Second")
    assert lab.run("--json", "ledger", "export", lab.file).document["new_blocks"] > 0
    assert reader.run("ledger", "import", lab.file).status == 0
    assert reader.run("--json", "index").document["records_new"] == 1
    assert "already" in reader.run("ledger", "import", lab.file).err
    refused = reader.run("ledger", "import", old)
    assert (refused.status, "ends at block" in refused.err) == (3, True)
    assert reader.run("--json", "search").document["total"] == 2


def test_a_file_is_checked_without_a_workspace(lab, monkeypatch):
    said = lab.run_bare("ledger", "check", lab.file, "--work")
    assert said.status == 0
    assert "the proof of work of 1 header," in said.out
    right = lab.tip().block_hash
    assert lab.run_bare("ledger", "check", lab.file, "--tip", right.upper()).status == 0
    wrong = lab.run_bare("--json", "ledger", "check", lab.file, "--tip", "00" * 32)
    assert (wrong.status, wrong.document["error"]) == (4, "verification")


def test_a_damaged_file_changes_nothing(lab):
    reader = Reader(lab)
    reader.run("ledger", "import", lab.file)
    data = bytearray(lab.file.read_bytes())
    data[len(data) // 2] ^= 1
    lab.file.write_bytes(data)
    refused = reader.run("ledger", "import", lab.file)
    assert refused.status == 4
    assert "damaged" in refused.err
    assert reader.run("index").status == 0
    assert lab.run("ledger", "export", lab.file).status == 4
    assert lab.file.read_bytes() == data


def test_a_file_that_was_damaged_here_is_replaced_by_a_good_one(lab):
    reader = Reader(lab)
    assert reader.run("ledger", "import", lab.file).status == 0
    (here,) = reader.root.rglob("imported.etdb-ledger")
    good = here.read_bytes()
    here.write_bytes(good[:300] + bytes([good[300] ^ 1]) + good[301:])
    said = reader.run("ledger", "import", lab.file)
    assert said.status == 0
    assert "damaged" in said.err
    assert here.read_bytes() == good


def test_a_chain_of_ones_own_is_never_hidden(lab):
    refused = lab.run("ledger", "import", lab.file)
    assert (refused.status, "chain of its own" in refused.err) == (3, True)
    refused = lab.run("import-legacy", lab.file)
    assert (refused.status, "chain of its own" in refused.err) == (3, True)


def test_a_node_is_never_hidden(lab):
    words = ("init", lab.root / "node", "--network", "regtest", "--node", "http://127.0.0.1:9")
    assert lab.run_bare(*words).status == 0
    refused = lab.run_bare("-w", lab.root / "node", "ledger", "import", lab.file)
    assert (refused.status, "follows the node" in refused.err) == (3, True)


def test_a_file_of_another_network_is_refused(lab):
    reader = Reader(lab, network="main")
    refused = reader.run("ledger", "import", lab.file)
    assert (refused.status, "network regtest" in refused.err) == (3, True)
    refused = lab.run_bare("init", lab.root / "m", "--network", "main", "--ledger", lab.file)
    assert (refused.status, "of the local network, not of main" in refused.err) == (3, True)
    assert lab.run_bare("init", lab.root / "m", "--network", "main").status == 0
    settings = lab.root / "m" / "etdb.toml"
    settings.write_text(settings.read_text().replace('# ledger = "../other-workspace/chain"', f'ledger = "{lab.file}"'))
    assert str(lab.file) in settings.read_text()
    refused = lab.run_bare("-w", lab.root / "m", "index")
    assert (refused.status, "network regtest" in refused.err) == (3, True)


def test_a_workspace_takes_the_network_of_its_file(lab):
    assert lab.run_bare("--json", "init", lab.root / "n", "--ledger", lab.file).document["network"] == "local"
    words = ("--network", "regtest", "--ledger", lab.file)
    assert lab.run_bare("--json", "init", lab.root / "r", *words).document["network"] == "regtest"


def test_only_a_ledger_is_named_and_only_one(lab):
    other = lab.root / "notes.txt"
    other.write_text("no ledger")
    words = ("init", lab.root / "o", "--ledger")
    refused = lab.run_bare(*words, other)
    assert (refused.status, "not a ledger file" in refused.err) == (3, True)
    refused = lab.run_bare(*words, lab.file, "--node", "http://127.0.0.1:9")
    assert (refused.status, "one ledger" in refused.err) == (3, True)
    assert not (lab.root / "o").exists()


def test_nothing_is_published_to_a_file(lab):
    reader = Reader(lab)
    reader.run("ledger", "import", lab.file)
    secret = ("--passphrase-file", lab.secret)
    assert reader.run("key", "new", "me", *secret).status == 0
    refused = reader.run("publish", lab.data, "--yes", *secret)
    assert refused.status in (3, 6)
    assert "file" in refused.err


# -- exported texts


def line(txid, data, block=2_700_000, **more):
    text = data.decode() if isinstance(data, bytes) else data
    return json.dumps({"txid": txid, "block": block, "time": 1_528_156_646 + block, "floData": text, **more})


def write(desk, *lines):
    path = desk.root / "flodata.jsonl"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def record_lines(title="Exported", block=2_700_000):
    split = LAB.split(LAB.message(title=title, description="A long description. " * 90))
    first = split.first()
    txid = hashlib.sha256(first).hexdigest()
    rest = [(hashlib.sha256(text).hexdigest(), text) for text in split.rest(txid)]
    return [line(name, text, block + place) for place, (name, text) in enumerate([(txid, first), *rest])]


@pytest.fixture
def reader(desk):
    return Reader(desk)


def test_texts_become_records_that_say_what_was_not_proved(desk, reader):
    path = write(desk, line("ab" * 32, LAB.message(title="In one")), *record_lines("In parts"))
    said = reader.run("--json", "import-legacy", path)
    assert said.status == 0
    assert said.document["index"]["records_new"] == 2
    found = {}
    for one in reader.run("--json", "search").document["results"]:
        claims = reader.run("--json", "show", one["dataset_id"]).document["claims"]["results"]
        found[one["tomogram"]["title"]] = {each["claim"]: each for each in claims}
    for claims in found.values():
        assert claims["artifact_signature"]["outcome"] == "held"
        for name in ("transaction_signature", "block_inclusion", "header_chain_work"):
            assert claims[name]["outcome"] == "not possible"
    assert found["In parts"]["multipart_signatures"]["outcome"] == "held"
    assert found["In one"]["multipart_signatures"]["outcome"] == "not possible"
    assert "not title, species and files" in found["In one"]["transaction_signature"]["detail"]


def test_taking_the_same_lines_again_changes_nothing(desk, reader):
    lines = record_lines()
    path = write(desk, *lines)
    reader.run("import-legacy", path)
    before = reader.run("--json", "search").document
    again = reader.run("--json", "import-legacy", write(desk, *reversed(lines), "", lines[0])).document
    assert (again["import"]["new"], again["import"]["known"]) == (0, len(lines) + 1)
    assert again["index"]["blocks"] == again["index"]["records_new"] == 0
    assert reader.run("--json", "search").document == before
    assert reader.run("--json", "index").document["blocks"] == 0


def test_lines_may_come_in_any_order_and_in_several_files(desk):
    """The first part last, and each line by itself: the records are those of one file."""
    lines = [*record_lines("Low", 100), *record_lines("High", 5_000)]
    once = Reader(desk, "once")
    once.run("import-legacy", write(desk, *lines))
    expected = once.run("--json", "search", "--sort", "oldest").document
    assert expected["total"] == 2
    slow = Reader(desk, "slow")
    for one in reversed(lines):
        assert slow.run("import-legacy", write(desk, one)).status == 0
    assert slow.run("--json", "search", "--sort", "oldest").document == expected


def test_lines_that_cannot_be_taken_are_named_by_number(desk, reader, monkeypatch):
    monkeypatch.setattr(legacy, "MAX_LINE_BYTES", 4_000)
    good = line("cd" * 32, LAB.message())
    bad = [
        "{",
        "[1]",
        "",
        '{"txid": "ab"}',
        line("zz" * 32, "x"),
        line("ab" * 32, ""),
        line("ab" * 32, "x", block=-1),
        line("ab" * 32, "x", block=2**31),
        line("ab" * 32, "x").replace('"block": 2700000', '"block": true'),
        line("ab" * 32, "x").replace('"x"', '"\\ud800"'),
        line("ab" * 32, "x").replace('"x"', "5"),
        line("ab" * 32, "x", more="y" * 5_000),
        '{"a":' * 200,
        line("ab" * 32, "x")[:-1] + ', "txid": 1}',
        "\x00\x01",
    ]
    said = reader.run("--json", "import-legacy", write(desk, *bad, good))
    assert said.status == 4
    expected = [number for number, one in enumerate(bad, start=1) if one]
    assert [one["line"] for one in said.document["import"]["bad"]] == expected
    assert said.document["index"]["records_new"] == 1
    assert all(len(one["reason"]) < 300 for one in said.document["import"]["bad"])
    shown = reader.run("import-legacy", write(desk, *bad, good))
    assert "line 1:" in shown.out
    assert "the first is line 1" in shown.err


def test_a_file_of_something_else_is_given_up(desk, reader, monkeypatch):
    monkeypatch.setattr(legacy, "MAX_BAD_LINES", 10)
    said = reader.run("import-legacy", write(desk, line("ab" * 32, LAB.message()), *["nonsense"] * 50))
    assert said.status == 3
    assert "more than 10 lines" in said.err
    # Nothing of it is kept.
    assert reader.run("--json", "import-legacy", write(desk, line("cd" * 32, "text:x"))).document["import"]["new"] == 1


def test_a_text_that_contradicts_what_is_here_is_not_taken(desk, reader):
    reader.run("import-legacy", write(desk, line("ab" * 32, LAB.message(title="First"))))
    said = reader.run("--json", "import-legacy", write(desk, line("ab" * 32, LAB.message(title="Second"))))
    assert said.status == 4
    assert "another text" in said.document["import"]["bad"][0]["reason"]
    assert [one["tomogram"]["title"] for one in reader.run("--json", "search").document["results"]] == ["First"]


def test_texts_give_way_to_a_ledger_file(lab):
    """Which proves more; texts of the lab's own chain come first here."""
    reader = Reader(lab)
    reader.run("import-legacy", write(lab, line("ab" * 32, LAB.message(title="Said"))))
    assert reader.run("--json", "search").document["total"] == 1
    assert reader.run("ledger", "import", lab.file).status == 0
    assert reader.run("index").status == 0
    assert [one["dataset_id"] for one in reader.run("--json", "search").document["results"]] == [lab.dataset_id]
    refused = reader.run("import-legacy", write(lab, line("ab" * 32, "text:x")))
    assert (refused.status, "proves more" in refused.err) == (3, True)


def test_a_record_of_texts_is_verified_as_far_as_it_goes(desk, reader):
    reader.run("import-legacy", write(desk, line("ab" * 32, LAB.message())))
    said = reader.run("--json", "verify", "ab", "--no-content")
    assert said.status == 0
    outcomes = {one["claim"]: one["outcome"] for one in said.document["results"]}
    assert outcomes["artifact_signature"] == "held"
    assert outcomes["block_inclusion"] == "not possible"
    assert outcomes["file_bytes"] == "not checked"


def test_texts_cannot_be_exported_as_if_they_were_proved(desk, reader):
    reader.run("import-legacy", write(desk, line("ab" * 32, LAB.message())))
    refused = reader.run("ledger", "export", desk.root / "x")
    assert (refused.status, "no headers" in refused.err) == (3, True)


@pytest.mark.parametrize("wrong", [b"", b"{}", b'{"txid":1,"block":1,"time":1,"floData":"x"}', b"\xff", b'"x"'])
def test_what_is_no_line(wrong):
    with pytest.raises((legacy.FormatError, InputError)):
        legacy.parse_legacy_line(wrong)
