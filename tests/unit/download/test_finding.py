"""More sources while a download runs: found for each dataset, in steps, the dear ones last."""

from collections import defaultdict

import pytest

from etdb.blocks import MemoryStore
from etdb.blocks.routing import Provider, RoutingAnswer
from etdb.download import download, plan_download
from etdb.download.finder import peer_addresses
from etdb.errors import ConfigurationError, NotFoundError

from .conftest import Counting, Failing, noise, put_dataset

PEER = "12D3KooWBPYKRYk6Vb2aZ1YxJYxA1y3xqXnSpMgKrSJvyGyNqKfW"


class Finder:
    """Gives stores by step; notes who was looked for."""

    def __init__(self, *steps):
        self.steps, self.asked = steps, defaultdict(list)

    def find(self, root, step):
        self.asked[str(root)].append(step)
        return self.steps[step] if step < len(self.steps) else None


def get(tomograms, stores, folder, finder, **options):
    plan = plan_download([(f"{n:02}" * 32, one) for n, one in enumerate(tomograms)])
    return download(plan, stores, folder, finder=finder, sleep=lambda _: None, **options)


@pytest.fixture
def dataset(memory):
    return put_dataset(memory, {"a.st": noise(50_000), "b.txt": b"b"})


@pytest.mark.parametrize("step", [0, 1, 2])
def test_a_store_of_any_step_is_enough(memory, dataset, tmp_path, step):
    steps = [[], [], []]
    steps[step] = [memory]
    finder = Finder(*steps)
    report = get([dataset], [], tmp_path, finder)
    assert report.is_complete
    assert finder.asked[dataset.location][: step + 1] == list(range(step + 1))


def test_nobody_is_asked_while_the_known_ones_have_it(memory, dataset, tmp_path):
    finder = Finder([], [Counting(memory)], [Counting(memory)])
    assert get([dataset], [memory], tmp_path, finder).is_complete
    assert finder.asked[dataset.location] == [0], "which costs nothing"


@pytest.mark.parametrize("known", [[], [Counting(MemoryStore())], [Failing(MemoryStore())]])
def test_nobody_at_all(dataset, tmp_path, known):
    finder = Finder([], [], [])
    report = get([dataset], known, tmp_path, finder)
    assert not report.is_complete
    assert set(finder.asked[dataset.location]) == {0, 1, 2, 3}


def test_a_last_resort_is_prepared_for_each_dataset_before_it_is_asked(tmp_path):
    prepared = set()
    dear = MemoryStore()

    class Prepared(Counting):
        def answer(self, cid):
            assert prepared, "it was not told of the dataset"
            return self.inner.get(cid)

    store = Prepared(dear, "dear")

    class Preparing(Finder):
        def find(self, root, step):
            if step == 2:
                prepared.add(str(root))
                return [store]
            return super().find(root, step)

    tomograms = [put_dataset(dear, {f"{n}.st": noise(9000, n)}, title=f"t{n}") for n in range(3)]
    report = get(tomograms, [], tmp_path, Preparing([], []), jobs=1)
    assert report.is_complete
    assert prepared == {one.location for one in tomograms}
    assert report.sources == ("dear",)


def test_what_hinders_the_last_resort_is_told(dataset, tmp_path):
    class Broken(Finder):
        def find(self, root, step):
            if step == 2:
                raise ConfigurationError("Kubo is not there", hint="install it")
            return []

    report = get([dataset], [], tmp_path, Broken())
    assert isinstance(report.datasets[0].failed[0].error, ConfigurationError)


def test_the_same_store_found_again_is_the_same_source(memory, dataset, tmp_path):
    finder = Finder([memory], [memory], [memory])
    report = get([dataset], [memory], tmp_path, finder)
    assert report.sources == ("memory",)


def test_a_location_that_is_none_needs_no_finder(memory, dataset, tmp_path):
    from msgspec.structs import replace

    finder = Finder([memory], [memory])
    report = get([replace(dataset, location="rubbish")], [], tmp_path, finder)
    assert not report.is_complete
    assert not isinstance(report.datasets[0].failed[0].error, NotFoundError)
    assert finder.asked == {}


def test_peers_that_may_be_called():
    def provider(*addresses, protocols=("transport-bitswap",), peer_id=PEER):
        return Provider(peer_id=peer_id, protocols=protocols, addresses=addresses, urls=(), refused=(), found_by="r")

    public, private = "/ip4/198.35.26.96/tcp/4001", "/ip4/10.0.0.7/tcp/4001"
    answer = RoutingAnswer(
        router="r",
        providers=(
            provider(public, private, "/dns4/example.org/tcp/4001", "/unix/x", "/ip4"),
            provider(public, f"{public}/p2p/{PEER}"),
            provider("/ip4/198.35.26.97/tcp/1", protocols=("transport-ipfs-gateway-http",)),
            provider("/ip4/198.35.26.98/tcp/1", peer_id=""),
        ),
    )
    safe = [f"{public}/p2p/{PEER}", f"/dns4/example.org/tcp/4001/p2p/{PEER}"]
    assert peer_addresses([answer], allow_private=False) == safe
    assert peer_addresses([answer], allow_private=True) == [safe[0], f"{private}/p2p/{PEER}", safe[1]]
