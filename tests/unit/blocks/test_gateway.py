"""The client against gateways that lie, stall, cut and redirect."""

import os
import threading
import time

import msgspec
import pytest

from etdb.blocks.gateway import GatewayStore
from etdb.blocks.http import Stop
from etdb.errors import FormatError, InputError, NotFoundError, SourceError, VerificationError
from etdb.ipfs import UNIXFS_V1_2025, FileDag, LeafFound, cid_of, leaf_digest
from etdb.testing.blocks import hostile_gateway

PROFILE = msgspec.structs.replace(UNIXFS_V1_2025, leaf_bytes=5000, width=8)
CONTENT = os.urandom(23_456)
BLOCK = os.urandom(5000)


@pytest.fixture(scope="module")
def gateway():
    with hostile_gateway([(cid_of(BLOCK), BLOCK)]) as gateway:
        gateway.files[str(dag().root)] = CONTENT
        yield gateway


@pytest.fixture
def store(gateway):
    store = GatewayStore(gateway.url, timeout_s=0.4, slowest_bytes_per_s=1_000_000)
    yield store
    store.close()
    gateway.behaviour = "honest"


def dag():
    pieces = [CONTENT[at : at + 5000] for at in range(0, len(CONTENT), 5000)]
    return FileDag(b"".join(leaf_digest(piece, PROFILE) for piece in pieces), len(CONTENT), PROFILE)


def leaves():
    shape = dag().geometry
    spans = [shape.leaf(index) for index in range(shape.leaf_count)]
    return [LeafFound(path="f", offset=s.offset, length=s.length, cid=dag().leaf_cid(s.index)) for s in spans]


BAD = [
    ("wrong-bytes", VerificationError),
    ("cut-off", SourceError),
    ("too-long", (FormatError, SourceError)),
    ("endless", (FormatError, SourceError)),
    ("drip", SourceError),
    ("silent", SourceError),
    ("redirect", SourceError),
    ("error", SourceError),
    ("gone", NotFoundError),
    ("not-http", SourceError),
    ("gzip", SourceError),
    ("hang-up", SourceError),
]


@pytest.mark.parametrize(("behaviour", "error"), [*BAD, ("html", SourceError)])
def test_a_block_from_a_bad_gateway(gateway, store, behaviour, error):
    gateway.behaviour = behaviour
    with pytest.raises(error) as caught:
        store.get(cid_of(BLOCK), max_bytes=6000)
    buffer = bytearray(6000)
    with pytest.raises(error):
        store.read_leaf_into(cid_of(BLOCK), buffer)
    assert gateway.url in caught.value.message
    gateway.behaviour = "honest"
    assert store.get(cid_of(BLOCK)) == BLOCK


def test_a_body_without_a_length_is_read_up_to_the_limit(gateway, store):
    gateway.behaviour = "no-length"
    assert store.get(cid_of(BLOCK), max_bytes=5000) == BLOCK
    with pytest.raises(FormatError):
        store.get(cid_of(BLOCK), max_bytes=4999)
    buffer = bytearray(5000)
    assert store.read_leaf_into(cid_of(BLOCK), buffer) == 5000
    assert buffer == BLOCK
    with pytest.raises(SourceError):
        store.read_leaf_into(cid_of(BLOCK), bytearray(4999))


def test_leaves_of_a_range(gateway, store):
    buffer = bytearray(5000)
    for part in (leaves(), leaves()[1:4], leaves()[4:]):
        got = [(leaf.offset, bytes(view)) for leaf, view in store.read_leaves(dag().root, part, buffer)]
        assert got == [(leaf.offset, CONTENT[leaf.offset : leaf.offset + leaf.length]) for leaf in part]


@pytest.mark.parametrize(
    ("behaviour", "error"), [*BAD, ("wrong-range", SourceError), ("no-range", SourceError), ("no-length", SourceError)]
)
def test_leaves_from_a_bad_gateway(gateway, store, behaviour, error):
    gateway.behaviour = behaviour
    part = leaves()[1:]
    got = []

    def read():
        for leaf, view in store.read_leaves(dag().root, part, bytearray(5000)):
            got.append((leaf, bytes(view)))

    with pytest.raises(error):
        read()
    for leaf, data in got:
        assert data == CONTENT[leaf.offset : leaf.offset + leaf.length]
    if behaviour in {"wrong-bytes", "cut-off"}:
        assert got, "what was right before the fault is given out"


def test_a_wrong_leaf_is_named_with_its_place(gateway, store):
    gateway.behaviour = "wrong-bytes"
    with pytest.raises(VerificationError) as caught:
        list(store.read_leaves(dag().root, leaves()[3:4], bytearray(5000)))
    assert caught.value.fields["offset"] == 15_000
    assert caught.value.fields["source"] == gateway.url
    assert caught.value.fields["cid"] == str(leaves()[3].cid)


def test_leaves_that_are_no_neighbours_are_a_mistake_of_the_caller(store):
    first, second, third, *_ = leaves()
    for part, size in [([first, third], 5000), ([second, first], 5000), ([first], 4999)]:
        with pytest.raises(InputError):
            list(store.read_leaves(dag().root, part, bytearray(size)))
    assert list(store.read_leaves(dag().root, [], bytearray(0))) == []


@pytest.mark.parametrize(("behaviour", "error"), BAD)
def test_a_car_from_a_bad_gateway(gateway, store, behaviour, error):
    gateway.behaviour = behaviour
    if behaviour == "cut-off":
        error = (FormatError, SourceError)
    if behaviour in {"too-long", "endless"}:
        error = FormatError
    with pytest.raises(error):
        list(store.fetch_car(cid_of(BLOCK), max_bytes=6000))


def test_an_abandoned_range_does_not_spoil_the_next_request(gateway, store):
    walk = store.read_leaves(dag().root, leaves(), bytearray(5000))
    next(walk)
    walk.close()
    assert store.get(cid_of(BLOCK)) == BLOCK


def test_connections_are_used_again_also_after_the_server_closed_them(gateway, store):
    for _ in range(3):
        assert store.get(cid_of(BLOCK)) == BLOCK
    assert len(store._http._idle) == 1
    store._http._idle[0].sock._plain.shutdown(2)
    assert store.get(cid_of(BLOCK)) == BLOCK


def test_nobody_listens():
    with pytest.raises(SourceError, match="cannot be reached"):
        GatewayStore("http://127.0.0.1:9").get(cid_of(BLOCK))


@pytest.mark.parametrize(
    "url", ["", "ftp://x", "http://", "file:///etc/passwd", "http://h:port", "http://u:p@h", "http://h?x=1"]
)
def test_addresses_that_are_none(url):
    with pytest.raises(InputError):
        GatewayStore(url)


def test_a_server_that_asks_to_wait_is_understood():
    from etdb.blocks.http import _retry_after_s

    assert _retry_after_s("120") == 120
    assert _retry_after_s("9" * 50) == 24 * 3600
    assert _retry_after_s("Wed, 21 Oct 2015 07:28:00 GMT") == 0
    for text in ("", "soon", "-1", "1.5", "\u0661", "Wed, 99 Oct 2015"):
        assert _retry_after_s(text) is None


@pytest.mark.parametrize("behaviour", ["silent", "drip"])
def test_a_request_can_be_stopped_from_another_thread(gateway, behaviour):
    gateway.behaviour = behaviour
    slow = GatewayStore(gateway.url, timeout_s=60)
    stop = Stop()
    asked = len(gateway.requests)

    def stop_when_asked():
        while len(gateway.requests) == asked:
            time.sleep(0.005)
        stop.set()

    thread = threading.Thread(target=stop_when_asked)
    thread.start()
    try:
        with stop:
            with pytest.raises(SourceError, match=gateway.url):
                list(slow.read_leaves(dag().root, leaves(), bytearray(5000)))
            with pytest.raises(SourceError):
                slow.get(cid_of(BLOCK))
    finally:
        thread.join()
        gateway.behaviour = "honest"
    assert slow.get(cid_of(BLOCK)) == BLOCK
    slow.close()


def test_a_gateway_that_a_stranger_named_is_not_called_on_this_machine(gateway):
    asked = len(gateway.requests)
    store = GatewayStore(gateway.url.replace("127.0.0.1", "localhost"), public_only=True)
    with pytest.raises(SourceError, match="not a public address"):
        store.get(cid_of(BLOCK))
    assert len(gateway.requests) == asked


def certificate(folder, name):
    """A key and a certificate that it signed for itself."""
    import datetime as dt

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    text = made.public_bytes(serialization.Encoding.PEM) + key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = folder / f"{name}.pem"
    path.write_bytes(text)
    return path


@pytest.mark.parametrize(("trusted", "name"), [(True, "localhost"), (False, "localhost"), (True, "other.example")])
def test_over_tls_only_from_the_one_who_is_named(tmp_path, monkeypatch, trusted, name):
    import ssl

    path = certificate(tmp_path, name)
    with hostile_gateway([(cid_of(BLOCK), BLOCK)]) as gateway:
        serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        serving.load_cert_chain(path)
        gateway._server.socket = serving.wrap_socket(gateway._server.socket, server_side=True)
        context = ssl.create_default_context(cafile=path if trusted else None)
        monkeypatch.setattr("etdb.blocks.http._tls_context", lambda: context)
        url = gateway.url.replace("http://127.0.0.1", "https://localhost")
        store = GatewayStore(url, timeout_s=5)
        try:
            if trusted and name == "localhost":
                assert store.get(cid_of(BLOCK)) == BLOCK
                assert store.get(cid_of(BLOCK)) == BLOCK
            else:
                with pytest.raises(SourceError, match="certificate verify failed"):
                    store.get(cid_of(BLOCK))
                assert gateway.requests == []
        finally:
            store.close()
