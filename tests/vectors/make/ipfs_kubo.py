"""Makes tests/vectors/ipfs_kubo.json with Kubo 0.42.0: files and directories in the three import profiles.

    sh tests/interop/setup.sh && python tests/vectors/make/ipfs_kubo.py > tests/vectors/ipfs_kubo.json

The content follows the rules of ipfs_content.py, so the file holds seeds, sizes and CIDs only. The rows ``published``
are facts of Kubo's own conformance test (test/cli/cid_profiles_test.go): the 14 of its release 0.42.0, and two more of
its commit 00fb95d69a87; Kubo is asked for them here as well, and a difference ends the script.
"""

# ruff: noqa: E501 - one row a line

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent.parent / "interop")]

from ipfs_content import keystream  # noqa: E402
from kubo_node import KUBO_VERSION, Kubo  # noqa: E402

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30

PUBLISHED: list[dict[str, Any]] = [
    {"profile": "unixfs-v1-2025", "text": "hello world", "cid": "bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e"},
    {"profile": "unixfs-v1-2025", "seed": "chunk-v1-seed", "size": MIB, "cid": "bafkreiacndfy443ter6qr2tmbbdhadvxxheowwf75s6zehscklu6ezxmta"},
    {"profile": "unixfs-v1-2025", "seed": "chunk-v1-seed", "size": MIB + 1, "cid": "bafybeigmix7t42i6jacydtquhet7srwvgpizfg7gjbq7627d35mjomtu64"},
    {"profile": "unixfs-v1-2025", "seed": "v1-2025-seed", "size": GIB, "cid": "bafybeihmf37wcuvtx4hpu7he5zl5qaf2ineo2lqlfrapokkm5zzw7zyhvm"},
    {"profile": "unixfs-v1-2025", "seed": "v1-2025-seed", "size": GIB + 1, "cid": "bafybeibdsi225ugbkmpbdohnxioyab6jsqrmkts3twhpvfnzp77xtzpyhe"},
    {"profile": "unixfs-v1-2025", "seed": "v1-2025-seed", "size": GIB + MIB, "cid": "bafybeihmzokxxjqwxjcryerhp5ezpcog2wcawfryb2xm64xiakgm4a5jue"},
    {"profile": "unixfs-v1-2025", "names": {"seed": "hamt-unixfs-v1-2025", "count": 4766, "length": 11, "last_length": 21}, "cid": "bafybeic3h7rwruealwxkacabdy45jivq2crwz6bufb5ljwupn36gicplx4"},
    {"profile": "unixfs-v1-2025", "names": {"seed": "hamt-unixfs-v1-2025", "count": 4766, "length": 11, "last_length": 22}, "cid": "bafybeiegvuterwurhdtkikfhbxcldohmxp566vpjdofhzmnhv6o4freidu"},
    {"profile": "unixfs-v0-2015", "text": "hello world", "cid": "Qmf412jQZiuVUtdgnB36FXFX7xg5V6KEbSJ4dpQuhkLyfD"},
    {"profile": "unixfs-v0-2015", "seed": "chunk-v0-seed", "size": 256 * KIB, "cid": "QmWmRj3dFDZdb6ABvbmKhEL6TmPbAfBZ1t5BxsEyJrcZhE"},
    {"profile": "unixfs-v0-2015", "seed": "chunk-v0-seed", "size": 256 * KIB + 1, "cid": "QmYyLxtzZyW22zpoVAtKANLRHpDjZtNeDjQdJrcQNWoRkJ"},
    {"profile": "unixfs-v0-2015", "seed": "v0-seed", "size": 174 * 256 * KIB, "cid": "QmUbBALi174SnogsUzLpYbD4xPiBSFANF4iztWCsHbMKh2"},
    {"profile": "unixfs-v0-2015", "seed": "v0-seed", "size": 174 * 256 * KIB + 1, "cid": "QmV81WL765sC8DXsRhE5fJv2rwhS4icHRaf3J9Zk5FdRnW"},
    {"profile": "unixfs-v0-2015", "seed": "v0-seed", "size": 175 * 256 * KIB, "cid": "QmepeWtdmS1hHXx1oZXsPUv6bMrfRRKfZcoPPU4eEfjnbf"},
    {"profile": "unixfs-v0-2015", "names": {"seed": "hamt-unixfs-v0-2015", "count": 4096, "length": 30, "last_length": 30}, "cid": "QmX5GtRk3TSSEHtdrykgqm4eqMEn3n2XhfkFAis5fjyZmN"},
    {"profile": "unixfs-v0-2015", "names": {"seed": "hamt-unixfs-v0-2015", "count": 4033, "length": 31, "last_length": 31}, "cid": "QmeMiJzmhpJAUgynAcxTQYek5PPKgdv3qEvFsdV3XpVnvP"},
]  # fmt: skip

SIZES = {
    "unixfs-v1-2025": [
        *(0, 1, 262_144, MIB - 1, MIB, MIB + 1, 2 * MIB - 1, 2 * MIB, 2 * MIB + 1, 5 * MIB + 17),
        *(1023 * MIB, 1023 * MIB + 1, GIB - 1, GIB, GIB + 1),
    ],
    "unixfs-v0-2015": [
        *(0, 1, 262_143, 262_144, 262_145, 524_288, 524_289),
        *(174 * 262_144 - 1, 174 * 262_144, 174 * 262_144 + 1),
    ],
    "etdb-2018": [
        *(0, 1, 262_143, 262_144, 262_145, 524_288, 524_289),
        *(174 * 262_144 - 1, 174 * 262_144, 174 * 262_144 + 1),
    ],
}

TREES: list[dict[str, Any]] = [
    {"files": {}},
    {"files": {"one": ["a", 0]}},
    {"files": {"a/b/c/d.mrc": ["a", 10], "a/b/e": ["b", 300_000], "z": ["c", 1_100_000]}},
    {"files": {"full/x": ["a", 3]}, "folders": ["empty", "full/empty too", "deep/er/est"]},
    {
        "files": {"target.mrc": ["a", 5], "folder/in": ["b", 1]},
        "links": {"link": "target.mrc", "folder/up": "../target.mrc", "away": "/nowhere/at all", "dir": "folder"},
    },
    {"files": {}, "links": {"l": "x", "long": "y" * 200, "é": "ü/../ö"}},
    {
        "files": {
            **{
                name: ["n", 1]
                for name in ("a b", "B", "b", "é", "e\u0301", "Ω", "日本語", "𝄞", "#", "%41", "~", "a'b\"c")
            },
            "x" * 255: ["long", 9],
            "é" * 127: ["long", 9],
            "-rf": ["n", 2],
            "a:b": ["n", 3],
            " ": ["n", 4],
        }
    },
    {"numbered": {"path": "frames/frame_{:05d}.mrc", "count": 6000, "seed": "f", "size": 1}},
    {"numbered": {"path": "ü" * 60 + " {}", "count": 3000, "seed": "u", "size": 2}},
]


def name_rows(profile: str) -> list[dict[str, Any]]:
    """Directories around the threshold, below, at and above it."""
    if profile == "unixfs-v1-2025":
        # 55 bytes a link with a name of 11, and 4 bytes around them: 4,765 links, and one that fills up.
        return [{"names": {"seed": "t", "count": 4766, "length": 11, "last_length": last}} for last in (20, 21, 22, 23)]
    length = {"unixfs-v0-2015": 30, "etdb-2018": 28}[profile]
    rows = [{"seed": "t", "count": 4096, "length": length, "last_length": length + more} for more in (-1, 0, 1)]
    return [{"names": names} for names in rows]


def main() -> None:
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        kubos = {profile: Kubo(folder / profile, profile) for profile in SIZES}
        version = kubos["unixfs-v1-2025"].version()
        if version != KUBO_VERSION:
            raise SystemExit(f"Kubo is {version}, not {KUBO_VERSION}")
        asked = [dict(row) for row in PUBLISHED]
        asked += [{"profile": p, "seed": f"size {size}", "size": size} for p, sizes in SIZES.items() for size in sizes]
        asked += [{"profile": profile, **row} for profile in SIZES for row in (*name_rows(profile), *TREES)]
        for number, row in enumerate(asked):
            kubo = kubos[row["profile"]]
            if "text" in row:
                cid = kubo.add_stream([row["text"].encode()])
            elif "size" in row:
                cid = kubo.add_stream(keystream(row["seed"], row["size"]))
            else:
                cid = kubo.add_row(row, folder / f"tree {number}")
            if row.get("cid", cid) != cid:
                raise SystemExit(f"Kubo says {cid} where its own test says {row}")
            rows.append({**row, "cid": cid})
            print(number, cid, file=sys.stderr)
    published = rows[: len(PUBLISHED)]
    document = {
        "about": f"CIDs by Kubo {version}; content by the rules of tests/vectors/make/ipfs_content.py."
        " The rows 'published' stand so in Kubo's test/cli/cid_profiles_test.go.",
        "made_by": "tests/vectors/make/ipfs_kubo.py",
        "kubo": version,
        "published": published,
        "rows": rows[len(PUBLISHED) :],
    }
    print(
        json.dumps(document, ensure_ascii=True, indent=None, separators=(",", ":")).replace(
            '},{"profile"', '},\n{"profile"'
        )
    )


if __name__ == "__main__":
    main()
