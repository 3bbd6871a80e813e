"""A line for each request, and counts."""

from __future__ import annotations

import http.client
import json
import re
import socket
from urllib.parse import urlsplit

from etdb.testing.asking import asking
from etdb.testing.portal import sample_portal, sample_volume
from etdb.web.application import portal_app
from etdb.web.serving import _listening, serving
from etdb.web.watching import RequestWatch, route_class

FIRST = "01" * 32


def test_each_request_is_one_line_without_who_asked(portal):
    lines: list[bytes] = []
    ask = asking(portal_app(portal, watch=RequestWatch(lines.append)))
    for path in ("/api/v1/statistics", "/api/v1/statistics", "/datasets/ffff", "/\x1b[31m\n\u202e"):
        ask(
            path.encode("utf-8").decode("latin-1") if path.isascii() else "/%1b%5b31m%0a%e2%80%ae",
            client="198.51.100.7",
        )
    found = [json.loads(line) for line in lines]
    assert all(line.endswith(b"\n") and line.count(b"\n") == 1 for line in lines)
    assert [(one["method"], one["status"]) for one in found] == [("GET", 200), ("GET", 200), ("GET", 404), ("GET", 404)]
    assert found[0]["path"] == "/api/v1/statistics"
    assert found[0]["bytes"] == found[1]["bytes"] > 0
    assert all(one["ms"] >= 0 and one["time"].endswith("+00:00") for one in found)
    assert not any(b"198.51.100.7" in line for line in lines)


def test_addresses_only_when_asked_for(portal):
    lines: list[bytes] = []
    ask = asking(portal_app(portal, watch=RequestWatch(lines.append, with_addresses=True)))
    ask("/healthz", client="198.51.100.7")
    assert json.loads(lines[0])["client"] == "198.51.100.7"


def test_content_sent_the_fast_way_is_noted_too(tmp_path):
    lines: list[bytes] = []
    with sample_portal(tmp_path) as portal, serving(portal_app(portal, watch=RequestWatch(lines.append))) as url:
        location = portal.get(FIRST).tomogram.location
        connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=20)
        for method, address in (
            ("GET", f"/ipfs/{location}/rec.mrc"),
            ("HEAD", f"/ipfs/{location}/rec.mrc"),
            ("GET", "/"),
        ):
            connection.request(method, address)
            connection.getresponse().read()
        connection.close()
    found = {(one["method"], one["path"]): one for one in map(json.loads, lines)}
    assert found["GET", f"/ipfs/{location}/rec.mrc"]["bytes"] == len(sample_volume())
    assert found["HEAD", f"/ipfs/{location}/rec.mrc"]["bytes"] == 0
    assert found["GET", "/"]["status"] == 200


def test_metrics_count_by_class_and_add_up(portal):
    ask = asking(portal_app(portal))
    for path in ("/api/v1/fields", "/api/v1/fields", "/api/v1/nonsense", "/oip/daemon/version", "/about"):
        ask(path)
    ask("/api/v1/fields", method="BREW")
    text = ask("/metrics").body.decode()
    assert 'etdb_http_requests_total{route="api",method="GET",status="2xx"} 2' in text
    assert 'etdb_http_requests_total{route="api",method="GET",status="4xx"} 1' in text
    assert 'etdb_http_requests_total{route="api",method="other",status="4xx"} 1' in text
    assert 'etdb_http_requests_total{route="oip",method="GET",status="2xx"} 1' in text
    buckets = [int(n) for n in re.findall(r'etdb_http_request_seconds_bucket\{route="api",le="[^"]+"\} (\d+)', text)]
    assert buckets == sorted(buckets)
    assert buckets[-1] == 4
    assert 'etdb_http_request_seconds_count{route="api"} 4' in text


def test_any_path_is_of_one_of_few_classes():
    classes = {
        route_class(path) for path in ("/", "/api", "/api/x", "/oip/x", "/ipfs/x", "/x" * 500, "/static/x", "/metrics")
    }
    assert classes == {"page", "api", "oip", "gateway", "static", "machine"}


def test_no_answer_waits_for_a_word_on_its_head():
    with _listening("127.0.0.1", 0) as listener, socket.create_connection(listener.getsockname()):
        accepted, _ = listener.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
