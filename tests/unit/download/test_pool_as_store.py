"""A pool of sources is a block store: each block comes from whoever has it, right."""

import pytest

from etdb.blocks import BlockStore, MemoryStore
from etdb.download import SourcePool
from etdb.errors import FormatError, NotFoundError
from etdb.ipfs import RAW, cid_of


class Wrong(MemoryStore):
    """Says that it has everything."""

    name = "wrong"

    def get(self, cid, **options):
        raise NotFoundError(f"{cid} is not here after all")


def test_blocks_come_from_any_source():
    first, second = MemoryStore(), MemoryStore()
    here, there = first.put(b"here"), second.put(b"there")
    pool = SourcePool([Wrong(), first, second])
    assert isinstance(pool, BlockStore)
    assert (pool.get(here), pool.get(there)) == (b"here", b"there")
    assert pool.has(there)
    assert not pool.has(cid_of(b"nowhere", codec=RAW))
    assert "memory" in pool.name
    with pytest.raises(FormatError, match="limit"):
        pool.get(here, max_bytes=3)
    pool.close()
    assert pool.get(here) == b"here"
