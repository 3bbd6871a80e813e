"""A portal that holds nothing: what it shows comes from two laboratories, is checked, kept, and missed when they go."""

import http.client
import shutil
import threading
from contextlib import ExitStack
from urllib.parse import urlsplit

import pytest
from tests.unit.web.labs import MOVIE, VOLUME, World, two_labs

from etdb.ipfs import cid_of
from etdb.web.fetching import asking, providers
from etdb.web.volumes.fetched import FetchedVolume


@pytest.fixture(scope="module")
def labs(tmp_path_factory):
    with ExitStack() as stack:
        yield two_labs(tmp_path_factory.mktemp("labs"), stack)


@pytest.fixture
def world(labs, tmp_path, monkeypatch):
    monkeypatch.setattr(providers, "PATIENCE_S", 0.3)
    with ExitStack() as stack:
        yield World(labs, tmp_path, stack)


def get(url, method="GET", **headers):
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=60)
    try:
        connection.request(method, f"{parts.path}{'?' if parts.query else ''}{parts.query}", headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


def test_pictures_movies_and_pages_of_both_labs_come_through_it(world):
    for lab in (world.a, world.b):
        status, _, body = get(f"{world.url}/ipfs/{lab.root}/key.jpg")
        assert (status, body[:2]) == (200, b"\xff\xd8")
        assert get(world.page_of(lab))[0] == 200
    status, headers, body = get(f"{world.url}/ipfs/{world.a.root}/key.mp4", Range="bytes=1500000-2400000")
    assert (status, body) == (206, MOVIE[1_500_000:2_400_001])
    assert headers["content-type"] == "video/mp4"
    assert get(f"{world.url}/ipfs/{world.a.root}/key.mp4")[2] == MOVIE


def test_only_the_leaves_that_a_range_needs_are_fetched(world):
    get(f"{world.url}/ipfs/{world.a.root}/key.mp4", Range="bytes=0-10")
    assert world.store.numbers.blocks == 3  # the folder, the file's node, one leaf
    get(f"{world.url}/ipfs/{world.a.root}/key.mp4", Range="bytes=20-30")
    assert world.store.numbers.blocks == 3


def test_a_dataset_can_be_downloaded_leaf_by_leaf_through_it(world, tmp_path):
    from etdb.blocks.gateway import GatewayStore
    from etdb.download import SourcePool, download, plan_content

    gateway = GatewayStore(world.url)
    plan = plan_content(world.b.root, SourcePool([gateway]).for_dataset(world.b.root))
    report = download(plan, [gateway], tmp_path / "got")
    assert not report.datasets[0].failed
    assert len((tmp_path / "got" / str(world.b.root) / "raw/vol.mrc").read_bytes()) == VOLUME.nbytes + 1024
    gateway.close()


def test_slices_of_a_volume_elsewhere(world):
    volumes = get(f"{world.url}/api/v1/datasets/{world.page_of(world.b).rsplit('/', 1)[1]}/volumes")
    assert volumes[0] == 200
    assert b'"zarr_url":""' in volumes[2]  # a virtual Zarr is cut from files that are here
    assert b'"shape":[6,700,500]' in volumes[2]
    cid = world.b.cids["raw/vol.mrc"]
    assert get(f"{world.url}/api/v1/volumes/{cid}/slice?index=3")[1]["content-type"] == "image/jpeg"
    volume = world.portal.volumes.volume(cid)
    assert isinstance(volume, FetchedVolume)
    assert (volume.plane(5) == VOLUME[5]).all()
    assert get(f"{world.url}/api/v1/volumes/{cid}/slice?axis=x&index=3")[0] == 200  # small enough to be read whole


def test_a_large_volume_elsewhere_is_cut_along_z_alone(world, monkeypatch):
    monkeypatch.setattr("etdb.web.volumes.fetched.MAX_READ_ACROSS_BYTES", 1 << 20)
    cid = world.b.cids["raw/vol.mrc"]
    get(f"{world.url}/ipfs/{world.b.root}/raw/vol.mrc", Range="bytes=0-0")
    status, _, body = get(f"{world.url}/api/v1/volumes/{cid}/slice?axis=y&index=3")
    assert status == 400
    assert b"does not hold the file" in body
    assert get(f"{world.url}/api/v1/volumes/{cid}/slice?axis=z&index=3")[0] == 200


def test_when_a_lab_goes_what_was_kept_comes_and_the_rest_is_said_to_be_nobodys(world):
    get(f"{world.url}/ipfs/{world.a.root}/key.jpg")
    world.a.is_away = world.b.is_away = True
    assert get(f"{world.url}/ipfs/{world.a.root}/key.jpg")[0] == 200
    status, _, body = get(f"{world.url}/ipfs/{world.b.root}/key.jpg")
    assert (status, b"nobody offers it at the moment" in body) == (504, True)
    page = get(world.page_of(world.b))
    assert b"Nobody offers these files at the moment" in page[2]
    assert b"Nobody offers" not in get(world.page_of(world.a))[2]
    assert b"No picture of it is here now" in page[2]
    assert b"/key.jpg" in get(world.page_of(world.a))[2]
    world.a.is_away = world.b.is_away = False
    world.forgets()
    assert get(f"{world.url}/ipfs/{world.b.root}/key.jpg")[0] == 200
    after = get(world.page_of(world.b), **{"If-None-Match": page[1]["etag"]})
    assert (after[0], b"Nobody offers" in after[2]) == (200, False)


def test_what_nobody_has_is_asked_for_once_in_a_while(world):
    world.a.is_away = world.b.is_away = True
    get(f"{world.url}/ipfs/{world.b.root}/key.jpg")
    asked = len(world.a.asked)
    for _ in range(20):
        assert get(f"{world.url}/ipfs/{world.b.root}/key.jpg")[0] == 504
    assert len(world.a.asked) == asked


def test_a_lab_that_lies_is_named_and_nothing_wrong_is_served_or_kept(world):
    world.a.lies = True
    status, _, body = get(f"{world.url}/ipfs/{world.b.root}/key.jpg")
    assert (status, body) == (200, b"\xff\xd8picture of b")
    assert [note for note in world.notes if world.a.url in note and "wrong bytes" in note]
    assert world.providers.banned == (world.a.url,)
    assert get(f"{world.url}/ipfs/{world.a.root}/key.jpg")[0] == 504  # only the liar has it
    for path in world.cache_folder.rglob("*"):
        if path.is_file():
            assert cid_of(path.read_bytes()).digest.hex() == path.name


def test_a_liar_is_asked_again_after_an_hour(world):
    now = [0.0]
    world.providers._clock = lambda: now[0]
    world.providers._begin()
    world.a.lies = True
    get(f"{world.url}/ipfs/{world.a.root}/key.jpg")
    assert world.providers.banned
    world.a.lies = False
    now[0] += providers.ANEW_S + 1
    world.forgets()
    assert get(f"{world.url}/ipfs/{world.a.root}/key.jpg")[0] == 200
    assert world.providers.banned == ()


def test_it_is_nobodys_proxy(world, tmp_path):
    (tmp_path / "secret.dat").write_bytes(b"not published")
    other = world.a.files.add_file(tmp_path / "secret.dat").cid
    for path in (f"/ipfs/{other}", f"/ipfs/{other}?format=raw", f"/ipfs/{other}?format=car", f"/ipfs/{other}/a/b"):
        assert get(world.url + path)[0] == 404, path
    # A leaf that nobody came to through its dataset is not known; after somebody did, it is.
    assert get(f"{world.url}/ipfs/{world.a.cids['key.jpg']}?format=raw")[0] == 404
    assert world.a.asked == world.b.asked == []
    get(f"{world.url}/ipfs/{world.a.root}?format=raw")
    assert get(f"{world.url}/ipfs/{world.a.cids['key.jpg']}?format=raw")[0] == 200


def test_only_if_cached_asks_nobody(world):
    status, _, _ = get(f"{world.url}/ipfs/{world.a.root}/key.jpg", **{"Cache-Control": "only-if-cached"})
    assert status == 412
    assert world.a.asked == []


def test_portals_that_name_each_other_do_not_ask_in_circles(labs, tmp_path):
    with ExitStack() as stack:
        one, other = World(labs, tmp_path / "1", stack), World(labs, tmp_path / "2", stack)
        for lab in labs:
            lab.is_away = True
        for world, peer in ((one, other), (other, one)):
            world.providers._gateways[:] = [providers._gateway(peer.url, public_only=False)]
            world.providers._begin()
        path = f"/ipfs/{labs[0].root}/key.jpg"
        assert get(one.url + path)[0] == 504
        assert (one.store.numbers.failures, other.store.numbers.failures) == (1, 0)
        for lab in labs:
            lab.is_away = False
        other.providers._gateways[:] = [providers._gateway(labs[0].url, public_only=False)]
        other.providers._begin()
        assert get(other.url + path)[0] == 200
        one.forgets()
        assert get(one.url + path)[0] == 200  # what the other kept


def test_many_who_want_one_leaf_make_one_fetch(world):
    answers = []
    threads = [
        threading.Thread(target=lambda: answers.append(get(f"{world.url}/ipfs/{world.a.root}/key.jpg")[0]))
        for _ in range(60)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [200] * 60
    assert len(world.a.asked) + len(world.b.asked) <= 4  # two blocks, perhaps asked of both labs
    assert world.store.numbers.blocks == 2


def test_a_request_has_an_end(world, monkeypatch):
    monkeypatch.setattr(asking, "MAX_REQUEST_BYTES", 1_200_000)
    connection = http.client.HTTPConnection(urlsplit(world.url).netloc, timeout=30)
    connection.request("GET", f"/ipfs/{world.a.root}/key.mp4")
    answer = connection.getresponse()
    with pytest.raises((http.client.IncompleteRead, ConnectionError)):
        answer.read()
    connection.close()


def test_the_cache_can_be_deleted_while_it_serves(world):
    for _ in range(3):
        assert get(f"{world.url}/ipfs/{world.a.root}/key.mp4")[2] == MOVIE
        shutil.rmtree(world.cache_folder)
    assert get(f"{world.url}/ipfs/{world.a.root}/key.jpg")[0] == 200
    assert world.cache_folder.is_dir()


def test_a_block_that_rots_in_the_cache_is_fetched_again(world):
    assert get(f"{world.url}/ipfs/{world.a.root}/key.mp4")[2] == MOVIE
    for path in world.cache_folder.rglob("*"):
        if path.is_file():
            path.write_bytes(b"rot" + path.read_bytes()[3:])
    assert get(f"{world.url}/ipfs/{world.a.root}/key.mp4")[2] == MOVIE


def test_a_disk_that_cannot_be_written_still_serves(world):
    world.cache_folder.write_bytes(b"a file where the folder would be")
    assert get(f"{world.url}/ipfs/{world.a.root}/key.mp4")[2] == MOVIE


def test_changed_files_of_its_own_are_brought_from_others(world, tmp_path):
    place = tmp_path / "mine.jpg"
    place.write_bytes(b"\xff\xd8picture of a")
    assert world.own.add_file(place).cid == world.a.cids["key.jpg"]
    place.write_bytes(b"\xff\xd8another one.")
    status, _, body = get(f"{world.url}/ipfs/{world.a.root}/key.jpg")
    assert (status, body) == (200, b"\xff\xd8picture of a")
    world.a.is_away = world.b.is_away = True
    shutil.rmtree(world.cache_folder)
    world.forgets()
    assert get(f"{world.url}/ipfs/{world.a.root}/key.jpg")[0] == 502
