"""Datasets in memory, and sources that lie, stop or fail."""

from __future__ import annotations

import datetime as dt
import hashlib
import threading

import pytest
from msgspec.structs import replace

from etdb.blocks import MemoryStore
from etdb.errors import NotFoundError, SourceError, VerificationError
from etdb.ipfs import DAG_PB, UNIXFS_V1_2025, Cid, FileDag, build_tree, leaf_digest, verify_leaf
from etdb.manifest import MANIFEST_NAME, ManifestFile, encode_manifest
from etdb.oip.tomogram import FileEntry, Tomogram

MIB = 1 << 20


def put_file(store: MemoryStore, data: bytes) -> tuple[Cid, int]:
    step = UNIXFS_V1_2025.leaf_bytes
    leaves = [data[at : at + step] for at in range(0, len(data), step)] or [b""]
    for leaf in leaves:
        store.put(leaf)
    dag = FileDag(b"".join(leaf_digest(leaf, UNIXFS_V1_2025) for leaf in leaves), len(data), UNIXFS_V1_2025)
    for node in dag.nodes():
        store.put(node.data, codec=DAG_PB)
    return dag.root, dag.tree_size


def put_dataset(store: MemoryStore, files: dict[str, bytes], *, manifest=True, sha256=None, **fields) -> Tomogram:
    """Store the files with their manifest; gives the record."""
    placed = {path: put_file(store, data) for path, data in files.items()}
    roles = {".st": "tilt_series", ".rec": "reconstruction", ".png": "snapshot", ".mp4": "preview"}
    entries = tuple(
        FileEntry(path=path, size_bytes=len(data), role=roles.get(path[path.rfind(".") :], "other"))
        for path, data in files.items()
    )
    tomogram = Tomogram(title=fields.pop("title", "A title"), sid="rr1", files=entries, **fields)
    if manifest:
        described = [
            ManifestFile(
                path=entry.path,
                size_bytes=len(files[entry.path]),
                cid=str(placed[entry.path][0]),
                sha256=sha256 or hashlib.sha256(files[entry.path]).hexdigest(),
                role=entry.role,
            )
            for entry in entries
        ]
        placed[MANIFEST_NAME] = put_file(store, encode_manifest(tomogram, described, prepared_on=dt.date(2026, 1, 2)))
    root, nodes = build_tree(placed)
    for node in nodes:
        store.put(node.data, codec=DAG_PB)
    return replace(tomogram, location=str(root.cid))


def noise(size: int, seed: int = 1) -> bytes:
    return hashlib.shake_128(seed.to_bytes(8, "big")).digest(size)


class Counting:
    """A store that counts what it is asked for; children misbehave."""

    def __init__(self, inner, name="counting"):
        self.inner, self.name = inner, name
        self.asked: list[Cid] = []
        self.lock = threading.Lock()

    def get(self, cid, *, max_bytes=2 * MIB):
        with self.lock:
            self.asked.append(cid)
        return self.answer(cid)

    def answer(self, cid):
        return self.inner.get(cid)

    def has(self, cid):
        return self.inner.has(cid)

    def close(self):
        pass


class Lying(Counting):
    """Its raw leaves are wrong, as a checking store finds out."""

    def answer(self, cid):
        if cid.codec != DAG_PB:
            raise VerificationError(f"{cid} from {self.name} is not what it should be", cid=str(cid), source=self.name)
        return self.inner.get(cid)


class Failing(Counting):
    """Cannot be reached after `good` answers."""

    def __init__(self, inner, good=0, name="failing"):
        super().__init__(inner, name)
        self.good = good

    def answer(self, cid):
        if len(self.asked) > self.good:
            raise SourceError(f"{self.name} cannot be reached")
        return self.inner.get(cid)


class Empty(Counting):
    def answer(self, cid):
        raise NotFoundError("not here", cid=str(cid))


class Ranges(Counting):
    """Serves many leaves in one request; `wrong_at` and `stop_at` count the leaves that it gives."""

    def __init__(self, inner, name="ranges", wrong_at=None, stop_at=None, no_ranges=False):
        super().__init__(inner, name)
        self.wrong_at, self.stop_at, self.no_ranges = wrong_at, stop_at, no_ranges
        self.requests = self.given = 0

    def read_leaves(self, file_cid, leaves, buffer):
        self.requests += 1
        if self.no_ranges:
            raise SourceError("no ranges here")
        for leaf in leaves:
            if self.given == self.stop_at:
                self.stop_at = None
                raise SourceError("broke off")
            data = bytearray(self.inner.get(leaf.cid))
            if self.given == self.wrong_at:
                data[7] ^= 1
            self.given += 1
            buffer[: len(data)] = data
            verify_leaf(leaf, buffer[: len(data)], source=self.name)
            yield leaf, buffer[: len(data)]


@pytest.fixture
def memory():
    return MemoryStore()
