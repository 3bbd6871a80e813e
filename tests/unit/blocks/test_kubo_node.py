"""A Kubo as we use it: what it makes is compared, what it gives is checked, what it holds is pinned."""

from __future__ import annotations

from contextlib import closing

import pytest

from etdb.blocks import DagReader, FilesInPlace
from etdb.blocks.kubo import KuboNode
from etdb.blocks.kubo_errors import KuboSetupError, NotKuboError
from etdb.errors import EtdbError, FormatError, NotFoundError, SourceError, SourceFileError, VerificationError
from etdb.ipfs import DAG_PB, RAW, cid_of, encode_node
from etdb.ipfs.unixfs import DIRECTORY_DATA
from etdb.testing.fake_kubo import fake_kubo


@pytest.fixture
def kubo():
    with fake_kubo() as kubo:
        yield kubo


@pytest.fixture
def node(kubo):
    with closing(KuboNode(kubo.url, timeout_s=5, long_s=5)) as node:
        yield node


def test_who_it_is(kubo, node):
    info = node.info()
    assert (info.version, info.peer_id, info.peers) == ("0.42.0", "12D3KooWFake", 1)
    assert info.takes_files_in_place
    assert info.api == kubo.url
    assert node.verify_version() == "0.42.0"


@pytest.mark.parametrize("version", ["0.22.0", "0.36.9", "0.4.23-rc1"])
def test_a_kubo_that_cannot_make_our_cids_is_told_to_be_old(kubo, node, version):
    kubo.version = version
    with pytest.raises(KuboSetupError, match=version):
        node.verify_version()


@pytest.mark.parametrize("version", ["go", "v1", "²"])
def test_a_version_that_no_kubo_has(kubo, node, version):
    kubo.version = version
    with pytest.raises(NotKuboError, match="not a Kubo"):
        node.verify_version()


def test_a_file_goes_there_with_its_path_and_is_pinned(kubo, node, tmp_path):
    path = tmp_path / "ä b\n+%.mrc"
    path.write_bytes(bytes(range(256)) * 10_000)
    told = []
    cid = node.add_file(path, name="mine", progress=told.append)
    with closing(FilesInPlace(tmp_path / "d.sqlite", content_folder=tmp_path / "c")) as files:
        assert cid == files.add_file(path).cid
    assert kubo.places[str(cid)] == str(path)
    assert kubo.pins == {str(cid): "mine"}
    assert sum(told) == 2_560_000
    assert b"".join(DagReader(node).content(cid)) == path.read_bytes()
    assert node.add_file(path, name="mine", in_place=False) == cid
    assert kubo.places[str(cid)] == ""


def test_a_file_that_is_not_there(node, tmp_path):
    with pytest.raises(SourceFileError):
        node.add_file(tmp_path / "none", name="x")


def test_blocks_are_put_and_come_back(kubo, node):
    directory = encode_node([], DIRECTORY_DATA)
    assert node.get(node.put(b"leaf")) == b"leaf"
    assert node.get(node.put(directory, codec=DAG_PB)) == directory
    kubo.makes = cid_of(b"other")
    with pytest.raises(VerificationError, match="makes"):
        node.put(b"leaf")


def test_wrong_bytes_are_not_given_out(kubo, node):
    cid = node.put(b"leaf")
    kubo.behaviour, kubo.only = "wrong-bytes", {"block/get"}
    with pytest.raises(VerificationError, match=kubo.url):
        node.get(cid)


def test_pins(kubo, node):
    cid = node.put(b"leaf")
    assert node.pin_name(cid) is None
    told = []
    node.pin(cid, name="etdb x", progress=told.append)
    assert told == [1]
    assert node.pin_name(cid) == "etdb x"
    assert [(pin.cid, pin.name) for pin in node.pins()] == [(str(cid), "etdb x")]
    node.provide(cid)
    node.unpin([cid])
    assert node.pin_name(cid) is None
    with pytest.raises(NotFoundError):
        node.unpin([cid])
    with pytest.raises(NotFoundError):
        node.pin(cid_of(b"never there"), name="x")


def test_a_pin_that_ends_without_its_last_word_is_no_pin(kubo, node):
    cid = node.put(b"leaf")
    kubo.behaviour, kubo.only = "cut-off", {"pin/add"}
    with pytest.raises(SourceError):
        node.pin(cid, name="x")


def test_cars_both_ways(kubo, node, tmp_path):
    (tmp_path / "a").write_bytes(bytes(3 << 20))
    with closing(FilesInPlace(tmp_path / "d.sqlite", content_folder=tmp_path / "c")) as files:
        root = files.add_directory({"x/a": files.add_file(tmp_path / "a")})
        blocks = dict(DagReader(files).blocks(root))
        node.import_blocks([root], blocks.items())
        assert {block.cid: block.data for block in node.export_blocks(root)} == blocks
        with pytest.raises(FormatError, match="more than"):
            list(node.export_blocks(root, max_bytes=1 << 20))
        kubo.behaviour, kubo.only = "broken-stream", {"dag/export"}
        with pytest.raises((SourceError, VerificationError, OSError)):
            list(node.export_blocks(root))
        kubo.behaviour = "honest"
        del kubo.blocks[next(cid for cid in blocks if cid.codec == RAW).digest]
        with pytest.raises(SourceError, match="left out 1 block"):
            list(node.export_blocks(root))


ODD = [
    b"",
    b"null",
    b"7",
    b'"text"',
    b"[]",
    b"[[[]]]",
    b"{}",
    b"[" * 30_000,
    b'{"Version": 3, "ID": [], "Peers": 5, "Addresses": 5, "Value": {}, "Key": 0, "Hash": 0, "Keys": 3}',
    b'{"Version": "0.42.0", "ID": "x", "Peers": 5, "Addresses": 5, "Keys": {"a": 3}, "Pins": 0, "Bytes": "many"}',
    b'{"Keys": {}, "Cid": {}, "Status": "0", "Hash": "not-a-cid", "Key": "not-a-cid", "RepoPath": 3}',
    b'{"Keys": {"a": {}, "b": {}}, "Status": 11, "Key": "no-link", "Offset": "x", "Stats": 0}',
    b'{"Message": 5, "Code": "x"}',
    b"\xff\xfe",
]


@pytest.mark.parametrize("says", ODD, ids=range(len(ODD)))
@pytest.mark.parametrize("status", [200, 500])
def test_whatever_it_answers_only_our_errors_come_of_it(kubo, node, says, status, tmp_path):
    kubo.says, kubo.status = says, status
    path = tmp_path / "file"
    path.write_bytes(b"content")
    cid = cid_of(b"content")
    raised = 0
    for call in (
        node.info,
        node.verify_version,
        node.reach,
        lambda: node.get(cid),
        lambda: node.has(cid),
        lambda: node.put(b"content"),
        lambda: node.add_file(path, name="x"),
        lambda: list(node.bad_references([cid])),
        lambda: node.pin(cid, name="x"),
        lambda: node.pin_name(cid),
        lambda: list(node.pins()),
        lambda: node.unpin([cid]),
        lambda: node.provide(cid),
        lambda: node.import_blocks([cid], [(cid, b"content")]),
        lambda: list(node.export_blocks(cid)),
    ):
        try:
            call()
        except EtdbError as error:
            assert len(error.message) < 1000  # noqa: PT017 - most must raise, not all
            raised += 1
    assert raised >= (8 if status == 200 else 15)
