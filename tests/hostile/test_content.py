"""DAGs and CARs made to be deep, wide, endless or wrong about their sizes."""

from __future__ import annotations

import pytest

from etdb import ipfs
from etdb.blocks import DagReader, MemoryStore
from etdb.download import safe_paths
from etdb.errors import EtdbError, FormatError, VerificationError
from etdb.ipfs.car import encode_car_header
from etdb.ipfs.varint import encode_varint

LEVELS = 100_000
LEAF = b"x" * 64


class Strange:
    """A store of nodes that no importer makes; it counts what it is asked for."""

    def __init__(self):
        self.store = MemoryStore()
        self.asked = 0

    def get(self, cid, *, max_bytes=ipfs.MAX_BLOCK_BYTES):
        self.asked += 1
        return self.store.get(cid, max_bytes=max_bytes)

    def has(self, cid):
        return self.store.has(cid)

    def close(self):
        pass

    def folder(self, *links: tuple[str, ipfs.Cid], tree_size: int = 1) -> ipfs.Cid:
        made = [ipfs.PbLink(cid=cid, name=name, tree_size=tree_size) for name, cid in links]
        return self.node(made, b"\x08\x01")

    def file(self, *parts: tuple[ipfs.Cid, int], says: int | None = None) -> ipfs.Cid:
        sizes = [size for _, size in parts]
        links = [ipfs.PbLink(cid=cid, name="", tree_size=1) for cid, _ in parts]
        return self.node(links, ipfs.encode_file_data(sum(sizes) if says is None else says, sizes))

    def node(self, links: list[ipfs.PbLink], data: bytes) -> ipfs.Cid:
        return self.store.put(ipfs.encode_node(links, data), codec=ipfs.DAG_PB)

    def leaf(self, data: bytes = LEAF) -> ipfs.Cid:
        return self.store.put(data)


def walked(strange: Strange, root: ipfs.Cid, limits: ipfs.WalkLimits | None = None) -> tuple[str, int, int]:
    """What a walk ended with, how many nodes it asked for, and how many events it gave."""
    walk, events, asked = ipfs.DagWalk(root, limits), 0, 0
    try:
        events += len(walk.start())
        while (wanted := walk.next_wanted) is not None:
            asked += 1
            events += len(walk.receive(wanted, strange.store.get(wanted)))
    except EtdbError as error:
        return type(error).__name__, asked, events
    return "whole", asked, events


def everything(strange: Strange, root: ipfs.Cid) -> list[str]:
    """All that can be asked of a root; each ends by itself, or after the first 1,000 pieces."""
    reader = DagReader(strange)
    ends = []
    for ask in (
        lambda: reader.file_size(root),
        lambda: reader.entries(root),
        lambda: _some(reader.content(root)),
        lambda: _some(reader.blocks(root)),
        lambda: reader.resolve(root, "a/" * 200),
    ):
        try:
            ask()
        except EtdbError as error:
            ends.append(type(error).__name__)
        else:
            ends.append("result")
    return ends


def _some(pieces):
    for number, _ in enumerate(pieces):
        if number == 1_000:
            return


@pytest.mark.parametrize("kind", ["folders", "files"])
def test_a_hundred_thousand_levels(spends, kind):
    strange = Strange()
    cid = strange.leaf()
    for _ in range(LEVELS):
        cid = strange.folder(("a", cid)) if kind == "folders" else strange.file((cid, len(LEAF)))
    cost = spends(lambda: (*walked(strange, cid), everything(strange, cid), strange.asked), at_most_mib=8)
    end, nodes, _, _, asked = cost.result
    assert end == "FormatError"
    assert nodes <= 50
    assert asked <= 400


@pytest.mark.parametrize("kind", ["folders", "files"])
def test_a_small_dag_that_names_itself_for_ever(spends, kind):
    """Forty nodes, each of which names the next one several times: 2**40 folders, 8**16 leaves."""
    strange = Strange()
    cid, size = strange.leaf(), len(LEAF)
    for _ in range(40 if kind == "folders" else 14):
        if kind == "folders":
            cid = strange.folder(("a", cid), ("b", cid))
        else:
            cid, size = strange.file(*[(cid, size)] * 8), size * 8
    limits = ipfs.WalkLimits(max_nodes=20_000, max_leaves=20_000, max_entries=20_000)
    cost = spends(lambda: (walked(strange, cid, limits), everything(strange, cid), strange.asked), at_most_mib=40)
    (end, nodes, events), _, asked = cost.result
    assert end == "FormatError"
    assert nodes <= 40
    assert events <= 40_000
    assert asked <= 4_000


def test_what_a_walk_may_cost(spends):
    """A fifth of the limits as they are: 200,000 places in two nodes, told of at once."""
    strange = Strange()
    wide = strange.folder(*((f"{number}", strange.leaf()) for number in range(1_000)))
    root = strange.folder(*((f"{number}", wide) for number in range(1_100)))
    limits = ipfs.WalkLimits(max_entries=ipfs.WalkLimits().max_entries // 5)
    cost = spends(lambda: walked(strange, root, limits), at_most_mib=90)
    assert cost.result == ("FormatError", 2, 1)


def test_a_node_of_more_links_than_are_read(spends):
    strange = Strange()
    link = ipfs.PbLink(cid=strange.leaf(), name="", tree_size=0)
    block = ipfs.encode_node([link] * ((1 << 16) + 1), b"\x08\x01")
    cost = spends(lambda: ipfs.parse_node(block), at_most_mib=40)
    assert isinstance(cost.error, FormatError)
    empty = b"\x12\x00" * (1 << 20)
    assert isinstance(spends(lambda: ipfs.parse_node(empty), at_most_mib=40).error, FormatError)


def test_millions_of_links(spends):
    """Thirty nodes of 40,000 links, each to the next: the reader looks at those on its way only."""
    strange = Strange()
    cid, size = strange.leaf(), len(LEAF)
    for _ in range(30):
        cid, size = strange.file(*[(cid, size)] * 8_000), size * 8_000
        if size > 1 << 50:
            break
    cost = spends(lambda: (everything(strange, cid), strange.asked), at_most_mib=120)
    assert cost.result[1] <= 4_000


@pytest.mark.parametrize(
    ("says", "sizes"),
    [
        (1 << 49, (1 << 49,)),
        (64, (63,)),
        (64, (65,)),
        (0, (64,)),
        (64, (64, 0)),
        (1 << 62, (1 << 62,)),
        (64, ()),
    ],
)
def test_sizes_that_lie(spends, says, sizes):
    """No byte of content comes out, and nothing is allocated for the claim."""
    strange = Strange()
    root = strange.file(*[(strange.leaf(), size) for size in sizes], says=says)

    def read() -> int:
        return sum(len(piece) for piece in DagReader(strange).content(root))

    cost = spends(read, at_most_mib=2)
    assert isinstance(cost.error, (FormatError, VerificationError))


def test_a_tree_size_is_advice():
    """It stands in the link, nobody can check it before all is there: content and verdict are the same with any."""
    for tree_size in (0, 1, 1 << 62):
        strange = Strange()
        inner = strange.file((strange.leaf(), len(LEAF)))
        root = strange.folder(("a", inner), tree_size=tree_size)
        assert walked(strange, root) == ("whole", 2, 3)
        assert b"".join(DagReader(strange).content(inner)) == LEAF


def test_identity_cids_that_hold_each_other(spends):
    """Each level carries the next one in its own name; the length of a CID ends it."""
    inner = ipfs.parse_cid_bytes(b"\x01\x70\x00\x02\x0a\x00")
    deepest, levels = inner, 0
    while True:
        node = ipfs.encode_node([ipfs.PbLink(cid=inner, name="", tree_size=0)], b"\x08\x01")
        try:
            inner = ipfs.parse_cid_bytes(b"\x01\x70\x00" + encode_varint(len(node)) + node)
        except FormatError:
            break
        deepest, levels = inner, levels + 1
    assert 2 < levels < 20
    strange = Strange()
    wide = strange.folder(*((f"{number}", deepest) for number in range(10_000)))
    cost = spends(lambda: (walked(strange, wide), everything(strange, wide)), at_most_mib=60)
    assert cost.result[0][0] == "FormatError"


NAMES = [
    "..", ".", "", "a/b", "../x", "a\\b", "a\0b", "\x1b[2J", "a\nb", "con", "COM1.txt", "a.", "a ", "-rf", ".ssh",
    "a\u202eb", "x" * 300, "\u2028", "C:", "e\u0301", "\u00e9", "A", "a",
]  # fmt: skip


def test_names_of_folders_never_leave_the_folder():
    """A name is refused by the walk, or has a place of its own below the folder on every system."""
    allowed = []
    for name in NAMES:
        strange = Strange()
        end, _, events = walked(strange, strange.folder((name, strange.leaf())))
        if end == "whole":
            allowed.append(name)
        else:
            assert (end, events) == ("FormatError", 0)
    assert not {"..", ".", "", "a/b", "../x", "a\\b", "a\0b", "\x1b[2J", "a\nb", "x" * 300} & set(allowed)
    placed = safe_paths(NAMES)
    assert len({path.casefold() for path in placed.values()}) == len(placed)
    for path in placed.values():
        assert ".." not in path.split("/")
        assert not path.startswith(("/", "-", "."))
        assert path.split(".")[0].lower() not in {"con", "com1"}
    assert walked(twice := Strange(), twice.folder(("a", twice.leaf()), ("a", twice.leaf())))[0] == "FormatError"


def car(pieces, *, source="test") -> tuple[int, str]:
    """How many blocks come out of a CAR, and how it ends."""
    reader, blocks = ipfs.CarReader(source=source), 0
    try:
        for piece in [*pieces, b""]:
            reader.receive_data(piece)
            while not isinstance(event := reader.next_event(), ipfs.NeedData):
                if isinstance(event, ipfs.CarEnd):
                    return blocks, "end"
                blocks += isinstance(event, ipfs.CarBlock)
    except EtdbError as error:
        return blocks, type(error).__name__
    return blocks, "waits"


HEADER = encode_car_header([ipfs.cid_of(LEAF)])


@pytest.mark.parametrize(
    "pieces",
    [
        [encode_varint((1 << 63) - 1), b"\0" * 100_000],
        [b"\xff" * 20],
        [encode_varint(100_000_000), b"\xa2" * 100_000],
        [HEADER, encode_varint((1 << 62) - 1), b"\0" * 100_000],
        [HEADER, encode_varint(3 << 20)] + [b"\0" * 65_536] * 48,
        [HEADER, b"\x00" * 1_000_000],
        [HEADER, b"\x24" + bytes(ipfs.cid_of(LEAF))],
        [HEADER, encode_varint(36 + len(LEAF)) + bytes(ipfs.cid_of(LEAF)) + b"y" * len(LEAF)],
    ],
    ids=["head-long", "no-number", "head-large", "section-endless", "block-large", "empty", "no-data", "wrong-data"],
)
def test_a_car_that_lies(spends, pieces):
    cost = spends(lambda: car(pieces), at_most_mib=12)
    assert cost.result[0] == 0
    assert cost.result[1] in ("FormatError", "VerificationError")


@pytest.mark.crash  # seconds
def test_a_car_of_tiny_blocks(spends):
    """100,000 blocks of four bytes: the reader keeps none, the check for wholeness the digest of each."""
    blocks = [number.to_bytes(4, "big") for number in range(100_000)]
    named = [(ipfs.cid_of(one), one) for one in blocks]
    whole = b"".join(ipfs.encode_car([named[0][0]], named))
    pieces = [whole[at : at + 65_536] for at in range(0, len(whole), 65_536)]
    assert spends(lambda: car(pieces), at_most_mib=12).result == (100_000, "end")

    def closure() -> int:
        found = ipfs.DagClosure([named[0][0]])
        for cid, block in named:
            found.take(cid, block)
        return found.result().unrelated

    assert spends(closure, at_most_mib=30).result == 99_999
