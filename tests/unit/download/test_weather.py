"""Gateways over HTTP that are dead, slow, busy, wrong or endless: the bytes come, and the culprit is named."""

import socket
import threading
from contextlib import ExitStack, closing
from http.server import BaseHTTPRequestHandler

import pytest
from tests.hostile.gateway import HostileGateway, send

from etdb.blocks import MemoryStore
from etdb.blocks.gateway import GatewayStore
from etdb.download import download, plan_download
from etdb.errors import NotFoundError, SourceError, VerificationError
from etdb.ipfs import DAG_PB, PbLink, encode_car, encode_node, parse_cid
from etdb.ipfs.unixfs import encode_file_data
from etdb.testing.blocks import BEHAVIOURS, hostile_gateway

from .conftest import MIB, noise, put_dataset, put_file

FILES = {"raw/a.st": noise(3 * MIB + 17), "small.txt": b"hello"}


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """Silence is noticed sooner than for people; the deadlines of requests are far behind."""
    monkeypatch.setattr("etdb.download.sources.SILENCE_S", 0.5)
    monkeypatch.setattr("etdb.download.sources.PATIENCE_S", 0.3)


@pytest.fixture
def dataset(memory):
    """Its record, and all of its blocks as pairs."""
    tomogram = put_dataset(memory, FILES)
    return tomogram, [(parse_cid(str(cid)), memory.get(cid)) for cid in cids_of(memory)]


def cids_of(memory):
    from etdb.ipfs import RAW, Cid, parse_node

    found = []
    for digest, block in memory._blocks.items():
        cid = Cid(codec=RAW, digest=digest)
        try:
            parse_node(block)
        except VerificationError:
            found.append(cid)
        else:
            found += [Cid(codec=DAG_PB, digest=digest), cid]
    return found


def get(tomogram, stores, folder, **options):
    return download(plan_download([("ab" * 32, tomogram)]), stores, folder, **options)


def complete(report):
    assert report.is_complete, report
    folder = report.datasets[0].folder
    assert {name: (folder / name).read_bytes() for name in FILES} == FILES
    return report


@pytest.mark.parametrize("behaviour", sorted(set(BEHAVIOURS) - {"honest", "no-length", "too-long", "endless", "gzip"}))
def test_a_bad_first_gateway_takes_nothing_from_a_good_one(dataset, tmp_path, behaviour):
    tomogram, blocks = dataset
    with (
        hostile_gateway(blocks, behaviour) as bad,
        hostile_gateway(blocks) as good,
        closing(GatewayStore(bad.url, timeout_s=60)) as first,
        closing(GatewayStore(good.url)) as second,
    ):
        report = complete(get(tomogram, [first, second], tmp_path, jobs=2))
        if behaviour not in {"no-range", "wrong-range"}:  # they may bring all of it in single leaves
            assert good.url in report.sources
        if behaviour == "wrong-bytes":
            assert [one.name for one in report.banned] == [bad.url]


def test_a_first_gateway_that_does_not_even_connect(dataset, memory, tmp_path):
    """A listener whose queue is full: the system drops what comes, as a dead machine behind a router would."""
    with ExitStack() as stack:
        deaf = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(3):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(deaf.getsockname())
        good = stack.enter_context(HostileGateway(memory).listening())
        urls = (f"http://127.0.0.1:{deaf.getsockname()[1]}", good.url)
        stores = [stack.enter_context(closing(GatewayStore(url, timeout_s=600))) for url in urls]
        report = complete(get(dataset[0], stores, tmp_path, jobs=2))
    assert report.sources == (good.url,)


@pytest.mark.parametrize("behaviour", ["error", "redirect", "html", "not-http", "hang-up", "cut-off", "wrong-bytes"])
def test_a_bad_gateway_alone_is_named(dataset, tmp_path, behaviour):
    tomogram, blocks = dataset
    with hostile_gateway(blocks, behaviour) as bad, closing(GatewayStore(bad.url, timeout_s=2)) as only:
        report = get(tomogram, [only], tmp_path, sleep=lambda _: None)
    assert not report.is_complete
    for one in report.datasets[0].failed:
        assert isinstance(one.error, (SourceError, VerificationError))
        assert bad.url in one.error.message


def test_redirects_in_a_circle_are_not_followed(dataset, tmp_path):
    tomogram, blocks = dataset
    with hostile_gateway(blocks, "redirect") as bad, closing(GatewayStore(bad.url)) as only:
        report = get(tomogram, [only], tmp_path, sleep=lambda _: None)
        asked = {one.partition(" ")[2].partition("?")[0] for one in bad.requests}
    assert "redirects" in report.datasets[0].failed[0].error.message
    assert asked == {f"/ipfs/{tomogram.location}"}


class Busy(HostileGateway):
    """Says that it is busy for so many requests, with a time to wait."""

    def __init__(self, store, times, after="7"):
        super().__init__(store)
        self.times, self.after = times, after

    def reply(self, handler: BaseHTTPRequestHandler, name: str) -> None:
        if self.times:
            self.times -= 1
            send(handler, b"slow down", {"Retry-After": self.after}, status=429)
        else:
            super().reply(handler, name)


def test_who_asks_to_wait_is_waited_for(dataset, memory, tmp_path):
    waits = []
    with Busy(memory, 3).listening() as gateway, closing(GatewayStore(gateway.url)) as only:
        complete(get(dataset[0], [only], tmp_path, jobs=1, sleep=waits.append))
    assert len(waits) == 3
    assert all(6 < one <= 7 for one in waits)


def test_who_asks_for_too_long_is_named(dataset, memory, tmp_path):
    with Busy(memory, 1 << 30, after="86400").listening() as gateway, closing(GatewayStore(gateway.url)) as only:
        report = get(dataset[0], [only], tmp_path, jobs=1, sleep=lambda _: None)
        assert gateway.asked < 10
    error = report.datasets[0].failed[0].error
    assert isinstance(error, SourceError)
    assert gateway.url in error.message
    assert "429" in error.message


def test_while_one_waits_another_is_asked(dataset, memory, tmp_path):
    with ExitStack() as stack:
        busy = stack.enter_context(Busy(memory, 1 << 30).listening())
        good = stack.enter_context(HostileGateway(memory).listening())
        stores = [stack.enter_context(closing(GatewayStore(one.url))) for one in (busy, good)]
        waits = []
        complete(get(dataset[0], stores, tmp_path, jobs=1, sleep=waits.append))
        assert waits == []
        assert busy.asked == 1, "it is obeyed"


def test_a_slow_tail_is_asked_for_elsewhere(dataset, memory, tmp_path):
    """A gateway that stands still in the middle of leaves: the other brings what it owes, long before any deadline."""
    stopped = threading.Event()

    class Standing(HostileGateway):
        def reply(self, handler, name):
            block = self.store.get(parse_cid(name)) if "format=raw" in handler.path else b""
            if len(block) < MIB:
                super().reply(handler, name)
                return
            handler.send_response(200)
            handler.send_header("Content-Type", "application/vnd.ipld.raw")
            handler.send_header("Content-Length", str(len(block)))
            handler.end_headers()
            handler.wfile.write(block[: MIB // 2])
            handler.wfile.flush()
            stopped.wait(120)

    with ExitStack() as stack:
        standing = stack.enter_context(Standing(memory).listening())
        stack.callback(stopped.set)
        good = stack.enter_context(HostileGateway(memory).listening())
        stores = [stack.enter_context(closing(GatewayStore(one.url, timeout_s=600))) for one in (standing, good)]
        complete(get(dataset[0], stores, tmp_path, jobs=2))


def test_two_labs_each_with_half_of_the_datasets(tmp_path):
    labs = [MemoryStore(), MemoryStore()]
    records = [
        (f"{n:02}" * 32, put_dataset(labs[n % 2], {f"{n}.st": noise(20_000, n)}, title=f"t{n}")) for n in range(8)
    ]
    with ExitStack() as stack:
        gateways = [stack.enter_context(HostileGateway(lab).listening()) for lab in labs]
        stores = [stack.enter_context(closing(GatewayStore(one.url))) for one in gateways]
        report = download(plan_download(records), stores, tmp_path, jobs=4)
    assert report.is_complete, report
    assert len(list(tmp_path.glob("*/*.st"))) == 8
    assert set(report.sources) == {one.url for one in gateways}


def test_a_gateway_whose_own_network_has_nothing_does_not_have_it(dataset, memory, tmp_path):
    with HostileGateway(MemoryStore()).listening() as gateway, closing(GatewayStore(gateway.url)) as only:
        for cid in cids_of(memory):
            gateway.replies[str(cid)] = lambda handler: send(handler, b"no providers", status=504)
        waits = []
        report = get(dataset[0], [only], tmp_path, jobs=1, sleep=waits.append)
    assert isinstance(report.datasets[0].failed[0].error, NotFoundError)
    assert waits == [], "it would say the same again"


def test_a_car_that_never_ends_and_one_that_lacks_blocks(memory, tmp_path):
    """Many small files ask for one CAR first; what it does not bring comes singly."""
    files = {f"{n:03}.txt": b"file %d" % n for n in range(40)}
    tomogram = put_dataset(memory, files)
    sent = []

    def endless(handler):
        if "format=car" not in handler.path:
            gateway_reply(handler)
            return
        handler.send_response(200)
        handler.send_header("Content-Type", "application/vnd.ipld.car")
        handler.end_headers()
        handler.close_connection = True
        block = bytes(1 << 16)
        from etdb.ipfs import cid_of

        cid = cid_of(block)
        for piece in encode_car([cid], ((cid, block) for _ in range(100_000))):
            handler.wfile.write(piece)
            sent.append(len(piece))

    def lacking(handler):
        if "format=car" not in handler.path:
            gateway_reply(handler)
            return
        root = parse_cid(tomogram.location)
        send(
            handler,
            b"".join(encode_car([root], [(root, memory.get(root))])),
            {"Content-Type": "application/vnd.ipld.car"},
        )

    def gateway_reply(handler):
        send(handler, memory.get(parse_cid(tomogram.location)), {"Content-Type": "application/vnd.ipld.raw"})

    for number, reply in enumerate((endless, lacking)):
        with HostileGateway(memory).listening() as gateway, closing(GatewayStore(gateway.url)) as only:
            gateway.replies[tomogram.location] = reply
            report = get(tomogram, [only], tmp_path / str(number), jobs=2)
        assert report.is_complete, report
        folder = report.datasets[0].folder
        assert {name: (folder / name).read_bytes() for name in files} == files
    assert sum(sent) < 64 * MIB, "an endless one is not read to its end"


def test_a_bomb_of_links_is_refused_before_it_goes_off(memory, tmp_path):
    """A file of few blocks that says it is enormous: each node names the one below a thousand times."""
    child, size = put_file(memory, noise(1000))
    for _ in range(4):
        links = [PbLink(cid=child, name="", tree_size=size) for _ in range(1000)]
        size *= 1000
        child = memory.put(encode_node(links, encode_file_data(size, [size // 1000] * 1000)), codec=DAG_PB)
    tomogram = put_dataset(memory, {"bomb.st": b"x" * 1000}, manifest=False)
    from msgspec.structs import replace

    gateway = HostileGateway(memory)
    with gateway.listening(), closing(GatewayStore(gateway.url)) as only:
        report = get(replace(tomogram, location=str(child)), [only], tmp_path)
        assert gateway.asked < 10
    (failed,) = report.datasets[0].failed
    assert isinstance(failed.error, VerificationError)
    assert report.fetched_bytes == 0
