"""Files from elsewhere against a record: datasets of 2018 built again, by what Kubo made of the same files."""

import datetime as dt
import importlib.util
import json
import shutil
from pathlib import Path

import pytest

from etdb.errors import FormatError, InputError
from etdb.flo import MAIN, PrivateKey, sign_message
from etdb.ipfs import (
    ETDB_2018,
    UNIXFS_V0_2015,
    UNIXFS_V1_2025,
    DagBuilder,
    PbLink,
    build_tree,
    cid_of,
    encode_node,
    leaf_digest,
    parse_node,
)
from etdb.oip import FileEntry, PublishMessage, Tomogram, artifact_preimage, encode_publish
from etdb.trust import Claim, Outcome
from etdb.verify import parse_record_file, rebuilt, verify_rebuilt, verify_record_file

MAKE = Path(__file__).resolve().parents[2] / "vectors" / "make"

# A dataset of 2018 in small: the folder of a tilt series, with what was linked into it afterwards.
FOLDER = {
    "rawdata/series.mrc": b"tilt" * 200_000,
    "3dimage_37677/full.rec": b"rec" * 100_000,
    "file_12/notes.txt": b"n",
    "keyimg_rr2014-01-14-5.jpg": b"jpg",
}
LINKED = {
    "keymov_rr2014-01-14-5.mp4": b"mp4" * 120_000,
    "AutoCaps/rr2014-01-14-5_slicer3727.jpg": b"cap",
    "AutoCaps/rr2014-01-14-5_slicer10483.jpg": b"cap2" * 90_000,
}


def load_rules():
    spec = importlib.util.spec_from_file_location("ipfs_content", MAKE / "ipfs_content.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


rules = load_rules()


def leaf_of(content, profile):
    builder = DagBuilder(profile)
    for at in range(0, max(1, len(content)), profile.leaf_bytes):
        piece = content[at : at + profile.leaf_bytes]
        builder.add_leaf(leaf_digest(piece, profile), len(piece))
    return builder.finish()[:2]


def tree_of(files, profile):
    return build_tree({path: leaf_of(content, profile) for path, content in files.items()}, profile)


def write(folder, files):
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    return folder


def record(location, files, **fields):
    entries = tuple(FileEntry(path=path, size_bytes=len(content)) for path, content in files.items())
    return Tomogram(title="T", location=str(location), files=entries, **fields)


def bytes_claim(folder, tomogram, **options):
    return verify_rebuilt(folder, tomogram, **options)[Claim.FILE_BYTES]


def location_of_2018():
    """As the original publisher made it: the folder added, then the movie and the captures linked into its node."""
    added, nodes = tree_of(FOLDER, ETDB_2018)
    captures, _ = tree_of(
        {path.removeprefix("AutoCaps/"): data for path, data in LINKED.items() if "/" in path}, ETDB_2018
    )
    movie, movie_size = leaf_of(LINKED["keymov_rr2014-01-14-5.mp4"], ETDB_2018)
    node = parse_node(added.data)
    links = [
        *node.links,
        PbLink(cid=movie, name="keymov_rr2014-01-14-5.mp4", tree_size=movie_size),
        PbLink(cid=captures.cid, name="AutoCaps", tree_size=captures.tree_size),
    ]
    assert nodes[-1] == added
    return cid_of(encode_node(sorted(links, key=lambda one: one.name), node.data), codec=added.cid.codec, version=0)


def test_a_location_of_2018_is_built_again(tmp_path):
    files = FOLDER | LINKED
    location = location_of_2018()
    assert str(location).startswith("Qm")
    result = bytes_claim(write(tmp_path, files), record(location, files))
    assert result.outcome is Outcome.HELD
    assert "etdb-2018" in result.detail
    assert str(location) in result.detail


@pytest.mark.parametrize("path", [*FOLDER, *LINKED])
def test_one_byte_of_any_file_is_noticed(tmp_path, path):
    files = FOLDER | LINKED
    write(tmp_path, files)
    (tmp_path / path).write_bytes(files[path][:-1] + b"?")
    result = bytes_claim(tmp_path, record(location_of_2018(), files))
    assert result.outcome is Outcome.FAILED
    assert "the bytes differ" in result.detail
    assert "etdb-2018" in result.detail
    assert "unixfs-v0-2015" in result.detail


def test_what_names_and_sizes_say_is_told(tmp_path):
    files = FOLDER | LINKED
    write(tmp_path, files)
    (tmp_path / "file_12/notes.txt").unlink()
    (tmp_path / "file_12").rmdir()
    (tmp_path / "more.txt").write_bytes(b"more")
    (tmp_path / "keyimg_rr2014-01-14-5.jpg").write_bytes(b"longer")
    detail = bytes_claim(tmp_path, record(location_of_2018(), files)).detail
    assert "'file_12/notes.txt' is not here" in detail
    assert "'more.txt' is not in the record" in detail
    assert "has 6 bytes, the record says 3" in detail


def test_what_the_record_does_not_name_may_be_there_too(tmp_path):
    """Either in the location, as old folders had more files than their records; or put there since."""
    files = FOLDER | LINKED
    write(tmp_path, files)
    few = dict(list(files.items())[:2])
    assert bytes_claim(tmp_path, record(location_of_2018(), few)).outcome is Outcome.HELD
    (tmp_path / "put there since.txt").write_bytes(b"x")
    (tmp_path / ".hidden").write_bytes(b"x")
    result = bytes_claim(tmp_path, record(location_of_2018(), files))
    assert result.outcome is Outcome.HELD
    assert "the files of the record" in result.detail


@pytest.mark.parametrize("profile", [ETDB_2018, UNIXFS_V0_2015, UNIXFS_V1_2025], ids=lambda one: one.name)
def test_each_profile_is_found_and_empty_folders_count(tmp_path, profile):
    write(tmp_path, FOLDER)
    (tmp_path / "empty/inner").mkdir(parents=True)
    leaves = {path: leaf_of(content, profile) for path, content in FOLDER.items()}
    for folders in ((), ("empty/inner",)):
        root, _ = build_tree(leaves, profile, folders=folders)
        result = bytes_claim(tmp_path, record(root.cid, FOLDER))
        assert result.outcome is Outcome.HELD, result.detail
        assert profile.name in result.detail
        assert ("without its empty folders" in result.detail) == (not folders)


def test_a_location_that_is_one_file(tmp_path):
    content = FOLDER["rawdata/series.mrc"]
    cid, _ = leaf_of(content, ETDB_2018)
    write(tmp_path, {"series.mrc": content})
    result = bytes_claim(tmp_path, record(cid, {"series.mrc": content}))
    assert result.outcome is Outcome.HELD
    assert bytes_claim(tmp_path, Tomogram(title="", location=str(cid))).outcome is Outcome.HELD


def test_folders_that_kubo_added(own_vectors, tmp_path):
    """The same trees as in the vectors: their CIDs are Kubo's own."""
    rows = [
        row
        for row in own_vectors("ipfs_kubo.json")["rows"]
        if row["profile"] == ETDB_2018.name and "files" in row and "links" not in row
    ]
    tried = 0
    for number, row in enumerate(rows):
        content = rules.files_of(row)
        if sum(map(len, content.values())) > 4 << 20 or any(Path(path).name.startswith(".") for path in content):
            continue
        folder = tmp_path / str(number)
        rules.write_tree(row, folder)
        result = bytes_claim(folder, Tomogram(title="", location=row["cid"]))
        if not content:
            assert result.outcome is Outcome.FAILED
            continue
        assert result.outcome is Outcome.HELD, (row, result.detail)
        assert row["profile"] in result.detail
        tried += 1
        shutil.rmtree(folder)
    assert tried >= 3


def test_links_and_what_is_no_folder_are_refused(tmp_path):
    write(tmp_path / "files", FOLDER)
    tomogram = record(location_of_2018(), FOLDER)
    (tmp_path / "files/link").symlink_to("file_12/notes.txt")
    result = bytes_claim(tmp_path / "files", tomogram)
    assert result.outcome is Outcome.FAILED
    assert "'link' is a link" in result.detail
    (tmp_path / "none").mkdir()
    assert "no files" in bytes_claim(tmp_path / "none", tomogram).detail
    with pytest.raises(InputError, match="not a folder"):
        verify_rebuilt(tmp_path / "absent", tomogram)
    with pytest.raises(InputError, match="no CID"):
        verify_rebuilt(tmp_path / "files", Tomogram(title="", location="Qm"))


def test_folders_have_limits(tmp_path, monkeypatch):
    write(tmp_path, FOLDER)
    tomogram = record(location_of_2018(), FOLDER)
    monkeypatch.setattr(rebuilt, "MAX_FILES", 2)
    assert "more than 2 files" in bytes_claim(tmp_path, tomogram).detail
    monkeypatch.setattr(rebuilt, "MAX_DEPTH", 0)
    assert "deeper than 0" in bytes_claim(tmp_path, tomogram).detail


def test_files_are_read_once_when_the_first_way_fits(tmp_path):
    files = FOLDER | LINKED
    write(tmp_path, files)
    read = []
    assert bytes_claim(tmp_path, record(location_of_2018(), files), progress=read.append).outcome is Outcome.HELD
    assert sum(read) == sum(map(len, files.values()))


# -- the record as a file


def test_a_record_is_read_in_each_form_that_people_have(shared_vectors):
    case = shared_vectors("oip042_records.json")["records"][0]
    document = {"oip042": {"publish": {"artifact": case["artifact"]}}}
    text = "json:" + json.dumps(document)
    forms = [
        text,
        json.dumps(document, indent=2),
        json.dumps({"artifact": case["artifact"], "meta": case["meta"]}),
        json.dumps({"txid": "ab", "floData": text}),
    ]
    for form in forms:
        message = parse_record_file(form.encode())
        assert message.tomogram.sid == "rr2014-01-14-5"
        assert verify_record_file(message).outcome is Outcome.HELD
    changed = json.dumps(document).replace("Qmat8i2p", "Qmat8i2q")
    assert verify_record_file(parse_record_file(changed.encode())).outcome is Outcome.FAILED


@pytest.mark.parametrize(
    "wrong", [b"", b"{", b"{}", b"[]", b"text", b'{"artifact":{"info":"\\ud800"}}', b'{"floData":"x"}', b"\xff" * 9]
)
def test_what_is_no_record_is_refused(wrong):
    with pytest.raises(FormatError):
        parse_record_file(wrong)


def test_a_record_of_one_of_todays_publishers(tmp_path):
    key = PrivateKey(bytes(range(1, 33)))
    given = {
        "publisher": key.address(MAIN),
        "timestamp_s": 1_524_000_000,
        "description": "D",
        "species": "S",
        "acquired_on": dt.date(2014, 1, 14),
    }
    draft = record(location_of_2018(), FOLDER | LINKED, **given)
    signature = sign_message(key, artifact_preimage(draft.location, draft.publisher, draft.timestamp_s))
    message = parse_record_file(encode_publish(draft, signature))
    assert isinstance(message, PublishMessage)
    assert verify_record_file(message).outcome is Outcome.HELD
    assert bytes_claim(write(tmp_path, FOLDER | LINKED), message.tomogram).outcome is Outcome.HELD
