"""Files of one leaf take a road of their own; what comes of it is what comes of the general one."""

import os
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from etdb.blocks import MemoryStore
from etdb.blocks.gateway import GatewayStore
from etdb.download import download, plan_download
from etdb.download.filejob import FileJob
from etdb.errors import StorageError
from etdb.web.gateway import gateway_app
from etdb.web.serving import serving

from .conftest import noise, put_dataset

ID = "ab" * 32
FILES = {f"many/{n:03d}.txt": noise(n * 37, n) for n in range(1, 40)}


def contents(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith("etdb-")
    }


@settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    sizes=st.lists(st.integers(0, 3000), min_size=1, max_size=30),
    left=st.sets(st.integers(0, 29)),
    wrong=st.sets(st.integers(0, 29)),
)
def test_equals_the_general_road(tmp_path_factory, sizes, left, wrong):
    store = MemoryStore()
    files = {f"d{n % 3}/f{n}": noise(size, n) for n, size in enumerate(sizes)}
    plan = plan_download([(ID, put_dataset(store, files))])
    folders = [tmp_path_factory.mktemp("road") for _ in range(2)]
    reports = []
    for folder in folders:
        root = folder / plan.datasets[0].folder
        for n, (path, data) in enumerate(files.items()):
            if n in left or n in wrong:
                (root / path).parent.mkdir(parents=True, exist_ok=True)
                (root / path).write_bytes(data if n in left else b"wrong" + data)
    with patch.object(FileJob, "is_single_leaf", False):
        reports.append(download(plan, [store], folders[0]))
    reports.append(download(plan, [store], folders[1]))
    assert contents(folders[0]) == contents(folders[1])
    assert all(report.is_complete for report in reports)
    general, small = ((one.fetched_bytes, one.kept_bytes) for one in reports)
    assert general == small


def test_a_small_dataset_comes_in_one_request(tmp_path):
    store = MemoryStore()
    tomogram = put_dataset(store, FILES)
    asked = []

    class Watched(GatewayStore):
        def get(self, cid, **options):
            asked.append(cid)
            return super().get(cid, **options)

    with serving(gateway_app(store)) as url:
        gateway = Watched(url)
        report = download(plan_download([(ID, tomogram)]), [gateway], tmp_path)
        again = download(plan_download([(ID, tomogram)]), [gateway], tmp_path)
        gateway.close()
    assert report.is_complete
    assert again.fetched_bytes == 0
    assert len(asked) < 5


def test_the_rest_of_a_stream_that_breaks_off_comes_singly(tmp_path):
    store = MemoryStore()
    tomogram = put_dataset(store, FILES)

    class Breaking(GatewayStore):
        def fetch_car(self, cid, **options):
            for number, block in enumerate(super().fetch_car(cid, **options)):
                if number == 20:
                    from etdb.errors import SourceError

                    raise SourceError("it broke off")
                yield block

    with serving(gateway_app(store)) as url:
        gateway = Breaking(url)
        assert download(plan_download([(ID, tomogram)]), [gateway], tmp_path).is_complete
        gateway.close()


def test_a_batch_is_flushed_before_any_of_it_gets_its_name(tmp_path, monkeypatch):
    store = MemoryStore()
    calls = []
    for name in ("fsync", "replace"):
        true = getattr(os, name)
        monkeypatch.setattr(os, name, lambda *a, n=name, t=true: (calls.append((n, a)), t(*a))[1])
    assert download(plan_download([(ID, put_dataset(store, FILES))]), [store], tmp_path).is_complete
    renamed = [at for at, (name, a) in enumerate(calls) if name == "replace" and "many/" in str(a[1])]
    assert len(renamed) == len(FILES)
    flushed = [at for at, (name, _) in enumerate(calls[: renamed[0]]) if name == "fsync"]
    assert len(flushed) >= len(FILES)
    assert any(name == "fsync" for name, _ in calls[renamed[-1] :])


def test_a_full_disk_stops_with_nothing_half(tmp_path, monkeypatch):
    store = MemoryStore()
    true, count = os.write, 0

    def full(descriptor, data):
        nonlocal count
        count += 1
        if count == 10:
            raise OSError(28, "No space left on device")
        return true(descriptor, data)

    plan = plan_download([(ID, put_dataset(store, FILES))])
    monkeypatch.setattr(os, "write", full)
    with pytest.raises(StorageError, match="room"):
        download(plan, [store], tmp_path)
    monkeypatch.setattr(os, "write", true)
    for path, data in FILES.items():
        for found in tmp_path.glob(f"*/{path}"):
            assert found.read_bytes() == data
    assert download(plan, [store], tmp_path).is_complete
