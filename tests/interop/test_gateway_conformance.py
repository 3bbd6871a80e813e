"""The gateway before the suite of those who write its specifications, held to results/gateway-conformance.md."""

from __future__ import annotations

import re
from collections.abc import Sequence

import conformance
import pytest
from fcoin_node import HERE

from etdb.blocks import CarStore
from etdb.blocks.port import not_in_store
from etdb.errors import FormatError
from etdb.ipfs import MAX_BLOCK_BYTES, Cid
from etdb.web.gateway import gateway_app
from etdb.web.serving import serving

pytestmark = pytest.mark.interop

TABLE = HERE / "results" / "gateway-conformance.md"


class Cars:
    """Several CARs as one store."""

    name = "CARs"

    def __init__(self, stores: Sequence[CarStore]) -> None:
        self._stores = stores

    def get(self, cid: Cid, *, max_bytes: int = MAX_BLOCK_BYTES) -> bytes:
        for store in self._stores:
            if store.has(cid):
                return store.get(cid, max_bytes=max_bytes)
        raise not_in_store(cid, self.name)

    def has(self, cid: Cid) -> bool:
        return any(store.has(cid) for store in self._stores)

    def close(self) -> None:
        for store in self._stores:
            store.close()


def readable_cars() -> Cars:
    """The fixtures, without those that hold other codecs or hashes than files and directories are made of."""
    stores = []
    for path in conformance.fixtures():
        try:
            stores.append(CarStore(path))
        except FormatError as error:
            if not re.search("raw and dag-pb are read|sha2-256 is read", str(error)):
                raise
    assert len(stores) == 18
    return Cars(stores)


def committed_counts() -> dict[str, tuple[int, int]]:
    rows = re.findall(r"^\| (Test\w+) \| (\d+) \| (\d+) \|$", TABLE.read_text(), re.MULTILINE)
    return {group: (int(passed), int(failed)) for group, passed, failed in rows}


def test_the_suite_says_what_the_table_says() -> None:
    if not conformance.suite_path().exists():
        pytest.skip(conformance.LEFT_OUT)
    cars = readable_cars()
    try:
        with serving(gateway_app(cars)) as url:
            checks = conformance.run_suite(url)
    finally:
        cars.close()
    failed = [name for name, passed in checks.items() if not passed]
    unexpected = [name for name in failed if "DAG-CBOR" not in name and "Kubo-specifics" not in name]
    assert unexpected == []
    assert conformance.group_counts(checks) == committed_counts()
