"""For which dataset a block is asked: nobody's record can put another's dataset below its own."""

from contextlib import closing

import pytest

from etdb.blocks import MemoryStore
from etdb.blocks.cache import BlockCache
from etdb.errors import NotFoundError
from etdb.ipfs import DAG_PB, Cid, PbLink, cid_of, encode_node
from etdb.web.fetching import FetchingStore, NotOfferedError

THEIRS = encode_node([PbLink(cid=cid_of(b"theirs"), name="a.mrc", tree_size=6)], b"\x08\x01")
ROOT = Cid(codec=DAG_PB, digest=cid_of(THEIRS).digest)
STRANGERS = encode_node([PbLink(cid=ROOT, name="b", tree_size=99)], b"\x08\x01")
STRANGER = Cid(codec=DAG_PB, digest=cid_of(STRANGERS).digest)


BLOCKS = {ROOT.digest: {ROOT.digest: THEIRS}, STRANGER.digest: {STRANGER.digest: STRANGERS}}


class _Providers:
    """Each dataset's own providers have its own blocks."""

    def get(self, root, cid):
        try:
            return BLOCKS[root.digest][cid.digest]
        except KeyError:
            raise NotFoundError("nobody has it") from None

    def close(self):
        pass


@pytest.mark.parametrize("is_withdrawn", [False, True])
def test_who_links_to_the_root_of_another_dataset_does_not_own_it(tmp_path, is_withdrawn):
    shown = {ROOT.digest, STRANGER.digest}
    cache = BlockCache(tmp_path / "cache", 1 << 30)
    store = FetchingStore(MemoryStore(), cache, _Providers(), is_shown=lambda cid: cid.digest in shown)
    with closing(store):
        with store.within(STRANGER):
            assert store.get(STRANGER) == STRANGERS
        if is_withdrawn:
            shown.remove(STRANGER.digest)
        with store.within(ROOT):
            assert store.get(ROOT) == THEIRS


def test_what_is_no_dataset_is_still_read_for_the_one_that_leads_to_it(tmp_path):
    cache = BlockCache(tmp_path / "cache", 1 << 30)
    store = FetchingStore(MemoryStore(), cache, _Providers(), is_shown=lambda cid: cid.digest == STRANGER.digest)
    with closing(store):
        with store.within(STRANGER):
            store.get(STRANGER)
        with store.within(ROOT) as asking, pytest.raises(NotOfferedError):
            store.get(ROOT)
        assert asking.root == STRANGER
