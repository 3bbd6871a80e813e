import bz2
import gzip
import io
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.em.real import real

from etdb.em import PackedFile, packing_of, read_mrc, unpacked_name
from etdb.errors import FormatError

PACK = {"gzip": gzip.compress, "bzip2": bz2.compress}


@given(
    st.sampled_from(["gzip", "bzip2"]),
    st.lists(st.binary(max_size=400), min_size=1, max_size=4),
    st.integers(1, 300),
    st.sampled_from([b"", bytes(9)]),
)
def test_members_in_a_row_in_any_pieces(packing, members, count, behind):
    packed = io.BytesIO(b"".join(map(PACK[packing], members)) + behind)
    file = PackedFile(packed, packing)
    found = b""
    while part := file.read(count):
        assert len(part) <= count
        found += part
    assert found == b"".join(members)


@pytest.mark.parametrize("name", ["maps/emd_3197.map.gz", "maps/EMD-3197.map.bz2", "maps/EMD-3001.map.bz2"])
def test_real_maps_packed_say_what_they_say_unpacked(name):
    with real(name).open("rb") as packed:
        look = read_mrc(PackedFile(packed, packing_of(name)))
    with real(f"maps/EMD-{'3001' if '3001' in name else '3197'}.map").open("rb") as plain:
        assert look == read_mrc(plain)


@pytest.mark.parametrize("packing", ["gzip", "bzip2"])
def test_a_bomb_costs_what_is_read_of_it(packing):
    bomb = io.BytesIO(PACK[packing](bytes(64 << 20)))
    tracemalloc.start()
    try:
        assert PackedFile(bomb, packing).read(1024) == bytes(1024)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 16 << 20
    bomb.seek(0)
    with pytest.raises(FormatError, match="believed"):
        PackedFile(bomb, packing, limit_bytes=1 << 20).read(2 << 20)


@pytest.mark.parametrize("packing", ["gzip", "bzip2"])
def test_damage_is_refused(packing):
    data = PACK[packing](bytes(range(256)) * 400)
    for damaged in (b"", b"no", data[:-9], data[: len(data) // 2], data[:40] + b"\xff" * 40 + data[80:]):
        with pytest.raises(FormatError):
            PackedFile(io.BytesIO(damaged), packing).read(1 << 20)


def test_names():
    assert [packing_of(n) for n in ("a.mrc", "a.MRC.GZ", "a.map.bz2")] == ["", "gzip", "bzip2"]
    assert [unpacked_name(n) for n in ("a.mrc", "b/a.MRC.GZ", "a.map.bz2")] == ["a.mrc", "b/a.MRC", "a.map"]
