"""Each limit and each strict rule: what is just inside is read, what is just outside is refused."""

from __future__ import annotations

import pytest

from etdb import ipfs
from etdb.errors import FormatError, InputError
from etdb.ipfs.car import MAX_CAR_HEADER_BYTES, MAX_CAR_ROOTS, CarEnd, CarHeader, parse_car_header
from etdb.ipfs.closure import ClosureLimits
from etdb.ipfs.directory import build_directory, build_tree
from etdb.ipfs.fileparts import content_size
from etdb.ipfs.geometry import file_geometry
from etdb.ipfs.hamt import build_shards
from etdb.ipfs.names import MAX_PATH_DEPTH
from etdb.ipfs.unixfs import MAX_FILE_BYTES, MAX_FILE_LINKS, encode_file_data, encode_symlink_data
from etdb.ipfs.varint import encode_varint

LEAF = ipfs.cid_of(b"leaf")
LINK = b"\x0a" + encode_varint(len(bytes(LEAF))) + bytes(LEAF)


def framed(link: bytes) -> bytes:
    return b"\x12" + encode_varint(len(link)) + link


@pytest.mark.parametrize("data", [b"\x08\x02\x12\x03ab", b"\x08\x02\x12\x7f", b"\x08\x02\x12\x02ab\x42\x01"])
def test_unixfs_fields_end_within_the_data(data):
    with pytest.raises(FormatError, match="behind the end"):
        ipfs.parse_unixfs(data)


def test_unixfs_says_a_thing_once_and_nothing_unbelievable():
    assert ipfs.parse_unixfs(b"\x08\x02\x12\x02ab").data == b"ab"
    for twice in (b"\x08\x02\x08\x02", b"\x08\x02\x18\x01\x18\x01", b"\x08\x02\x12\x01a\x12\x01a"):
        with pytest.raises(FormatError, match="twice"):
            ipfs.parse_unixfs(twice)
    assert ipfs.parse_unixfs(encode_file_data(MAX_FILE_BYTES, [])).file_size == 1 << 50
    with pytest.raises(FormatError, match="not believed"):
        ipfs.parse_unixfs(encode_file_data(MAX_FILE_BYTES + 1, []))
    assert len(ipfs.parse_unixfs(encode_file_data(1, [1] * MAX_FILE_LINKS)).block_sizes) == 8192
    with pytest.raises(FormatError, match="8192"):
        ipfs.parse_unixfs(encode_file_data(1, [1] * (MAX_FILE_LINKS + 1)))


def test_a_file_within_its_node_need_not_say_its_size():
    node = ipfs.parse_node(ipfs.encode_node([], b"\x08\x02\x12\x02ab"))
    (part,) = ipfs.file_parts(LEAF, node, ipfs.parse_unixfs(node.data))
    assert (part.offset, part.length, part.data) == (0, 2, b"ab")


def test_links_with_and_without_name_and_size():
    for link, name, size in (
        (LINK, "", None),
        (LINK + b"\x12\x00", "", None),
        (LINK + b"\x12\x01a", "a", None),
        (LINK + b"\x18\x05", "", 5),
        (LINK + b"\x12\x01a\x18\x05", "a", 5),
    ):
        (found,) = ipfs.parse_node(framed(link)).links
        assert (found.cid, found.name, found.tree_size) == (LEAF, name, size)
    for link in (
        b"\x1a" + LINK[1:],
        LINK + b"\x12\x02\xff\xfe",
        LINK + b"\x18\x05\x12\x01a",
        LINK + b"\x20\x01",
        b"",
        LINK[:-1],
    ):
        with pytest.raises(FormatError):
            ipfs.parse_node(framed(link))


def test_nodes_at_their_limits():
    assert len(ipfs.parse_node(framed(LINK) * 7, max_links=7).links) == 7
    with pytest.raises(FormatError, match="more than 7"):
        ipfs.parse_node(framed(LINK) * 8, max_links=7)
    assert len(ipfs.parse_node(framed(LINK) + b"\x0a\x00").links) == 1
    assert len(ipfs.parse_node(b"\x0a\x00" + framed(LINK)).links) == 1
    with pytest.raises(FormatError, match="two places"):
        ipfs.parse_node(framed(LINK) + b"\x0a\x00" + framed(LINK))
    room = ipfs.MAX_BLOCK_BYTES - 4
    assert len(ipfs.parse_node(b"\x0a" + encode_varint(room) + bytes(room)).data or b"") == room
    with pytest.raises(FormatError, match="larger than"):
        ipfs.parse_node(b"\x0a" + encode_varint(room + 1) + bytes(room + 1))


def test_the_most_links_of_a_node():
    most = framed(b"\x0a\x04\x01\x55\x00\x00")
    assert len(ipfs.parse_node(most * (1 << 16)).links) == 65_536
    with pytest.raises(FormatError, match="more than 65536"):
        ipfs.parse_node(most * ((1 << 16) + 1))


def test_directories_at_their_limits():
    deep = "/".join(["d"] * MAX_PATH_DEPTH)
    build_tree({f"{deep}/a": (LEAF, 4)})
    for paths in ([f"{deep}/d/a"], ["a", "a/b"], ["a/b", "a"]):
        with pytest.raises(InputError):
            build_tree(dict.fromkeys(paths, (LEAF, 4)))
    with pytest.raises(InputError, match="deeper"):
        build_tree({}, folders=[deep + "/d"])
    twice = [ipfs.DirectoryEntry(name="a", cid=LEAF, tree_size=size) for size in (4, 5)]
    with pytest.raises(InputError, match="twice"):
        build_directory(twice)


def test_every_number_of_buckets_has_its_bits():
    """Whichever the highest bucket in use is, the bits have no zero byte in front, and it is read back."""
    for count in range(1, 300, 29):
        entries = [ipfs.DirectoryEntry(name=f"{n}" * 40, cid=LEAF, tree_size=4) for n in range(10_000, 10_000 + count)]
        profile = ipfs.UNIXFS_V1_2025
        links = [ipfs.PbLink(cid=one.cid, name=one.name, tree_size=4) for one in entries]
        for block in build_shards(links, profile):
            node = ipfs.parse_node(block.data)
            unixfs = ipfs.parse_unixfs(node.data)
            assert unixfs.data[0] != 0
            assert len(ipfs.parse_shard(block.cid, node, unixfs).links) == len(node.links)


def walk(blocks: dict[ipfs.Cid, bytes], root: ipfs.Cid, **limits: int) -> list[object]:
    walking = ipfs.DagWalk(root, ipfs.WalkLimits(**limits))
    events = list(walking.start())
    while (wanted := walking.next_wanted) is not None:
        events += walking.receive(wanted, blocks[wanted])
    return events


def made(*levels: str, leaves: int = 3) -> tuple[dict[ipfs.Cid, bytes], ipfs.Cid, int]:
    """A file of leaves below so many folders: blocks, root, and the size of the file's node."""
    blocks: dict[ipfs.Cid, bytes] = {}

    def put(links: list[ipfs.PbLink], data: bytes) -> ipfs.Cid:
        block = ipfs.encode_node(links, data)
        cid = ipfs.cid_of(block, codec=ipfs.DAG_PB)
        blocks[cid] = block
        return cid

    links = [ipfs.PbLink(cid=ipfs.cid_of(b"%04d" % n), name="", tree_size=4) for n in range(leaves)]
    cid = put(links, encode_file_data(4 * leaves, [4] * leaves))
    size = len(blocks[cid])
    for name in levels:
        cid = put([ipfs.PbLink(cid=cid, name=name, tree_size=4)], b"\x08\x01")
    return blocks, cid, size


@pytest.mark.parametrize("levels", [(), ("a",), ("a", "b", "c")])
def test_offsets_of_a_walk_begin_at_nought_in_every_place(levels):
    blocks, root, _ = made(*levels)
    leaves = [one for one in walk(blocks, root) if isinstance(one, ipfs.LeafFound)]
    assert [(one.offset, one.length) for one in leaves] == [(0, 4), (4, 4), (8, 4)]
    assert {one.path for one in leaves} == {"/".join(reversed(levels))}


def test_a_walk_at_its_limits():
    blocks, root, size = made("a", "b", "c")
    most = {
        "max_depth": 3,
        "max_links": 3,
        "max_nodes": 4,
        "max_node_bytes": size,
        "max_entries": 4,
        "max_leaves": 3,
        "max_size_bytes": 12,
    }
    assert _fits(blocks, root, most)
    for name, value in most.items():
        assert not _fits(blocks, root, {**most, name: value - 1}), name


def _fits(blocks, root, limits):
    try:
        walk(blocks, root, **limits)
    except FormatError:
        return False
    return True


def test_what_the_closure_misses_is_counted_whatever_came_first():
    missing = [ipfs.cid_of(b"m%d" % n, codec=ipfs.DAG_PB) for n in range(3)]
    there, data = ipfs.cid_of(b"\x0a\x02\x08\x01", codec=ipfs.DAG_PB), b"\x0a\x02\x08\x01"
    names = [*missing[:2], there, LEAF, missing[0], there, missing[2]]
    root = ipfs.encode_node(
        [ipfs.PbLink(cid=cid, name=f"{n}", tree_size=1) for n, cid in enumerate(names)], b"\x08\x01"
    )
    cid = ipfs.cid_of(root, codec=ipfs.DAG_PB)
    closure = ipfs.DagClosure([cid])
    for name, block in ((cid, root), (there, data), (LEAF, b"leaf")):
        closure.take(name, block)
    found = closure.result()
    assert (found.blocks, found.unrelated, found.missing_blocks) == (3, 0, 3)
    assert set(found.missing) == set(missing)


def body_of(car: bytes) -> bytes:
    return car[2:] if car[0] & 0x80 else car[1:]


def test_heads_of_cars_at_their_limits():
    for count in (0, 1, 23, 24, MAX_CAR_ROOTS):
        header = body_of(ipfs.encode_car_header([LEAF] * count))
        assert parse_car_header(header).roots == (LEAF,) * count
    with pytest.raises(FormatError, match="64 are the limit"):
        parse_car_header(body_of(ipfs.encode_car_header([LEAF] * (MAX_CAR_ROOTS + 1))))
    many = ipfs.encode_car_header([LEAF] * 300)
    assert b"\xa2\x65roots\x99\x01\x2c\xd8\x2a\x58\x25\x00" in many
    assert b"\xa2\x65roots\x98\xff" in ipfs.encode_car_header([LEAF] * 255)
    assert b"\xa2\x65roots\x99\x01\x00" in ipfs.encode_car_header([LEAF] * 256)


@pytest.mark.parametrize(
    ("roots", "why"),
    [
        (b"", "cut off"),
        (b"\x98", "cut off"),
        (b"\x99\x01", "cut off"),
        (b"\x9a\x00\x00\x00\x01", "cut off or too long"),
        (b"\x9f", "cut off or too long"),
        (b"\x98\x17", "not canonical"),
        (b"\x99\x00\xff", "not canonical"),
        (b"\x99\x01\x00", "256 roots"),
        (b"\x98\x40", "not a CID"),
        (b"\x60", "limit"),
        (b"\x81", "not a CID"),
        (b"\x81\xd8\x2a", "cut off"),
        (b"\x81\xd8\x2a\x40", "not a CID"),
        (b"\x81\xd8\x2a\x41\x01", "not a CID"),
        (b"\x81\xd8\x2a\x45\x00\x01", "not a CID"),
        (b"\x80\x00", "does not have"),
    ],
)
def test_heads_of_cars_that_are_none(roots, why):
    with pytest.raises(FormatError, match=why):
        parse_car_header(b"\xa2\x65roots" + roots + b"\x67version\x01")


def read(*pieces: bytes, max_block_bytes: int = 100) -> ipfs.CarReader:
    reader = ipfs.CarReader(max_block_bytes=max_block_bytes)
    for piece in pieces:
        reader.receive_data(piece)
    return reader


def test_sections_at_their_limits():
    head = ipfs.encode_car_header([LEAF])
    block = bytes(100)
    name = bytes(ipfs.cid_of(block))
    reader = read(head, encode_varint(len(name) + 100) + name + block, b"")
    assert isinstance(reader.next_event(), CarHeader)
    assert reader.next_event().data == block
    assert isinstance(reader.next_event(), CarEnd)
    assert isinstance(reader.next_event(), CarEnd), "the end stays the end"
    too_large = bytes(101)
    name = bytes(ipfs.cid_of(too_large))
    for tail in (
        encode_varint(len(name) + 101) + name + too_large,
        b"\x00",
        encode_varint(100 + 160 + 1),
        encode_varint(40) + name,
        b"\x80",
    ):
        reader = read(head, tail, b"")
        reader.next_event()
        with pytest.raises(FormatError) as first:
            reader.next_event()
        assert "before" not in first.value.message
        with pytest.raises(FormatError, match="refused before"):
            reader.next_event()
    half = read(head, b"\x80")
    half.next_event()
    assert isinstance(half.next_event(), ipfs.NeedData)
    waiting = read(head, b"\xff\x01")
    waiting.next_event()
    with pytest.raises(FormatError, match="cut off"):
        _ended(waiting)


def _ended(reader: ipfs.CarReader) -> None:
    assert isinstance(reader.next_event(), ipfs.NeedData)
    reader.receive_data(b"")
    reader.next_event()


@pytest.mark.parametrize("extra", [0, 1])
def test_the_longest_head_of_a_car(extra):
    reader = read(encode_varint(MAX_CAR_HEADER_BYTES + extra), b"\xa2")
    if extra:
        with pytest.raises(FormatError, match="16385 bytes is outside 1 to 16384"):
            reader.next_event()
    else:
        assert isinstance(reader.next_event(), ipfs.NeedData)


def test_geometry_knows_its_file():
    shape = file_geometry((1 << 20) * 2 + 1, ipfs.UNIXFS_V1_2025)
    assert [shape.leaf_index_at(offset) for offset in (0, (1 << 20) - 1, 1 << 20, 1 << 21)] == [0, 0, 1, 2]
    assert [shape.leaf(index).length for index in range(3)] == [1 << 20, 1 << 20, 1]
    for index in (-1, 3):
        with pytest.raises(IndexError):
            shape.leaf(index)
    for offset in (-1, (1 << 21) + 1):
        with pytest.raises(IndexError):
            shape.leaf_index_at(offset)
    assert file_geometry(MAX_FILE_BYTES, ipfs.UNIXFS_V1_2025).size_bytes == 1 << 50
    for size in (-1, MAX_FILE_BYTES + 1):
        with pytest.raises(FormatError):
            file_geometry(size, ipfs.UNIXFS_V1_2025)


@pytest.mark.parametrize(("codec", "name"), [(ipfs.RAW, "raw"), (ipfs.DAG_PB, "dag-pb")])
def test_a_codec_by_its_name(codec, name):
    assert ipfs.cid_of(b"leaf", codec=codec).codec_name == name


@pytest.mark.parametrize("version", [0, 2, 3])
def test_a_cid_of_a_version_that_is_none(version):
    with pytest.raises(FormatError, match=f"has version {version}; 0 and 1"):
        ipfs.parse_cid_bytes(bytes([version]) + bytes(LEAF)[1:])


def test_bytes_behind_a_cid_are_counted():
    with pytest.raises(FormatError, match=r"^3 bytes are left over"):
        ipfs.parse_cid_bytes(bytes(LEAF) + b"abc")


def test_a_walk_has_to_be_started():
    blocks, root, _ = made()
    with pytest.raises(RuntimeError, match="comes first"):
        ipfs.DagWalk(root).receive(root, blocks[root])


def test_a_car_of_version_two_is_named():
    with pytest.raises(FormatError, match="a CAR of version 2"):
        parse_car_header(b"\xa1\x67version\x02")


def test_a_directory_is_no_shard():
    node = ipfs.parse_node(ipfs.encode_node([], b"\x08\x01"))
    with pytest.raises(FormatError, match="is a UnixFS directory, not a shard"):
        ipfs.parse_shard(LEAF, node, ipfs.parse_unixfs(node.data))


def test_a_file_with_children_has_to_say_its_size():
    said, unsaid, whole = (
        ipfs.parse_unixfs(data) for data in (b"\x08\x02\x18\x04\x20\x04", b"\x08\x02\x20\x04", b"\x08\x02")
    )
    assert [content_size(LEAF, one) for one in (said, whole)] == [4, 0]
    with pytest.raises(FormatError, match="does not say the size"):
        content_size(LEAF, unsaid)


def test_a_walk_of_shards_begins_each_file_at_nought():
    shards = build_shards([ipfs.PbLink(cid=LEAF, name=f"{n}", tree_size=4) for n in range(40)], ipfs.UNIXFS_V1_2025)
    found = walk({one.cid: one.data for one in shards}, shards[-1].cid)
    leaves = [one for one in found if isinstance(one, ipfs.LeafFound)]
    assert {(one.path, one.offset, one.length) for one in leaves} == {(f"{n}", 0, 4) for n in range(40)}


def test_a_sharded_directory_is_one_entry():
    shards = build_shards([ipfs.PbLink(cid=LEAF, name=f"{n}", tree_size=4) for n in range(40)], ipfs.UNIXFS_V1_2025)
    blocks = {one.cid: one.data for one in shards}
    assert walk(blocks, shards[-1].cid, max_entries=41)
    with pytest.raises(FormatError, match="more than 40 files and directories"):
        walk(blocks, shards[-1].cid, max_entries=40)


@pytest.mark.parametrize("value", [-1, 1 << 63])
def test_numbers_that_no_varint_holds(value):
    assert encode_varint((1 << 63) - 1) == b"\xff" * 8 + b"\x7f"
    with pytest.raises(ValueError, match="varint"):
        encode_varint(value)


def test_links_are_counted_among_the_entries():
    block = ipfs.encode_node([], encode_symlink_data("a"))
    cid = ipfs.cid_of(block, codec=ipfs.DAG_PB)
    assert len(walk({cid: block}, cid, max_entries=1)) == 1
    with pytest.raises(FormatError, match="more than 0 files"):
        walk({cid: block}, cid, max_entries=0)


def test_groups_of_leaves_are_as_large_as_they_may():
    places = ((0, 4), (4, 2), (6, 6), (12, 4), (16, 4))
    leaves = [ipfs.LeafFound(path="f", offset=offset, length=length, cid=LEAF) for offset, length in places]
    for limit, sizes in ((5, [1] * 5), (6, [2, 1, 1, 1]), (8, [2, 1, 2]), (12, [3, 2]), (20, [5])):
        assert [len(group) for group in ipfs.group_leaves(leaves, limit)] == sizes


def test_files_below_a_shard_are_one_level_deeper():
    blocks, file, _ = made()
    shards = build_shards([ipfs.PbLink(cid=file, name="a", tree_size=4)], ipfs.UNIXFS_V1_2025)
    blocks.update((one.cid, one.data) for one in shards)
    (above,) = build_directory([ipfs.DirectoryEntry(name="folder", cid=shards[-1].cid, tree_size=4)])
    blocks[above.cid] = above.data
    for root, folder, depth in ((shards[-1].cid, "", 1), (above.cid, "folder/", 2)):
        leaves = [one for one in walk(blocks, root, max_depth=depth) if isinstance(one, ipfs.LeafFound)]
        assert [(one.path, one.offset) for one in leaves] == [(f"{folder}a", 4 * n) for n in range(3)]
        with pytest.raises(FormatError, match=f"deeper than {depth - 1}"):
            walk(blocks, root, max_depth=depth - 1)


def test_a_link_that_says_no_size_adds_none_to_its_shard():
    sizes = [
        build_shards([ipfs.PbLink(cid=LEAF, name="a", tree_size=size)], ipfs.UNIXFS_V1_2025)[-1] for size in (4, None)
    ]
    assert [one.tree_size - len(one.data) for one in sizes] == [4, 0]


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a\0", "x" * 300])
def test_names_that_no_directory_holds(name):
    with pytest.raises(InputError):
        build_directory([ipfs.DirectoryEntry(name=name, cid=LEAF, tree_size=4)])


def test_a_profile_that_there_is_not():
    assert ipfs.profile_by_name(ipfs.UNIXFS_V1_2025.name) is ipfs.UNIXFS_V1_2025
    with pytest.raises(InputError, match="no import profile 'x'"):
        ipfs.profile_by_name("x")


def test_a_closure_at_its_limits():
    """Leaves cost no memory, and a node that comes again none either; each link is a visit."""
    blocks, root, size = made(leaves=2)
    for visits, nodes in ((3, size), (2, size), (3, size - 1)):
        closure = ipfs.DagClosure([root], limits=ClosureLimits(max_visits=visits, max_node_bytes=nodes))

        def take(closure=closure):
            for cid, block in [(ipfs.cid_of(b"0000"), b"0000"), *blocks.items(), *blocks.items()]:
                closure.take(cid, block)
            return closure.result()

        if (visits, nodes) == (3, size):
            assert (take().blocks, take().missing_blocks) == (2, 1)
        else:
            with pytest.raises(FormatError, match="more than"):
                take()
