"""Every block store, by the same tests."""

from contextlib import closing, contextmanager

from etdb.blocks import CarStore, FilesInPlace, MemoryStore, write_car
from etdb.blocks.cache import BlockCache
from etdb.blocks.gateway import GatewayStore
from etdb.blocks.kubo import KuboNode
from etdb.ipfs import RAW, Cid, IpldBlock, cid_of
from etdb.testing.blocks import BlockStoreContract, hostile_gateway
from etdb.testing.fake_kubo import fake_kubo
from etdb.web.fetching import FetchingStore, Providers
from etdb.web.gateway import gateway_app
from etdb.web.serving import serving


class TestMemoryStore(BlockStoreContract):
    @contextmanager
    def store_of(self, blocks, tmp_path):
        store = MemoryStore()
        for cid, block in blocks:
            store._blocks[cid.digest] = block
        yield store
        store.close()


class TestBlockCache(BlockStoreContract):
    @contextmanager
    def store_of(self, blocks, tmp_path):
        store = BlockCache(tmp_path / "cache", 1 << 30)
        for cid, block in blocks:
            store.put(Cid(codec=cid.codec, digest=cid_of(block).digest), block)
            if cid_of(block).digest != cid.digest:
                store._path(cid).parent.mkdir(parents=True, exist_ok=True)
                store._path(cid).write_bytes(block)  # as a disk that rots would
        with closing(store):
            yield store


class TestFetchingStore(BlockStoreContract):
    """Half of the blocks in its own files, half kept of others; what it fetches is tried in tests/unit/web."""

    @contextmanager
    def store_of(self, blocks, tmp_path):
        own, cache = MemoryStore(), BlockCache(tmp_path / "cache", 1 << 30)
        for number, (cid, block) in enumerate(blocks):
            if number % 2:
                cache.put(cid, block)
            else:
                own._blocks[cid.digest] = block
        with closing(FetchingStore(own, cache, Providers([]), is_shown=lambda _cid: False)) as store:
            yield store


class TestCarStore(BlockStoreContract):
    @contextmanager
    def store_of(self, blocks, tmp_path):
        write_car(tmp_path / "blocks.car", [blocks[0][0]], blocks)
        with closing(CarStore(tmp_path / "blocks.car")) as store:
            yield store


class TestFilesInPlace(BlockStoreContract):
    @contextmanager
    def store_of(self, blocks, tmp_path):
        with closing(FilesInPlace(tmp_path / "digests.sqlite", content_folder=tmp_path / "content")) as store:
            for number, (cid, block) in enumerate(blocks):
                if cid.codec != RAW:
                    store._table.store_nodes([IpldBlock(cid=cid, data=block, tree_size=len(block))])
                    continue
                path = tmp_path / f"file-{number}"
                path.write_bytes(block)
                if store.add_file(path).cid != cid:
                    # The file held the right bytes when it was added; they rotted afterwards.
                    path.write_bytes(b"what the CID says!")
                    store.add_file(path)
                    path.write_bytes(block)
            yield store


class TestGatewayStore(BlockStoreContract):
    """Against our own server, over loopback."""

    @contextmanager
    def store_of(self, blocks, tmp_path):
        with TestMemoryStore().store_of(blocks, tmp_path) as behind:
            if len(blocks) == 1:
                with hostile_gateway(blocks) as gateway, closing(GatewayStore(gateway.url)) as store:
                    yield store
                return
            with serving(gateway_app(behind)) as url, closing(GatewayStore(url)) as store:
                yield store


class TestKuboNode(BlockStoreContract):
    """Against a double; tests/interop has the real one."""

    @contextmanager
    def store_of(self, blocks, tmp_path):
        with fake_kubo(blocks) as kubo, closing(KuboNode(kubo.url)) as store:
            yield store
