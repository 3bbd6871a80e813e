"""Any paths become relative ones that cannot leave their folder, no two of them one file or a file and its folder."""

from __future__ import annotations

import unicodedata

from etdb.download.names import MAX_COMPONENT_BYTES, dataset_folder_name, safe_paths


def seeds() -> list[bytes]:
    return [
        b"../../etc/passwd\n/etc/passwd\na/../b\n..\\..\\x",
        b"con\nCON.txt\nA\na\na/b\nA/B\n.hidden\n-rf\nx~y\n" + b"n" * 400,
        "e\u0301\n\u00e9\nfi\n\ufb01\na\u202eb\nstra\u00dfe\nSTRASSE".encode(),
        b"/".join([b"d"] * 60) + b"\n//\n.\n",
    ]


def _fold(path: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFKC", path).casefold())


def check(data: bytes) -> None:
    names = data.decode("utf-8", "surrogateescape").split("\n")[:60]
    made = safe_paths(names, reserved=["received.json"])
    files = {_fold(path) for path in made.values()}
    assert len(files) == len(made)
    assert "received.json" not in files
    for path in made.values():
        parts = path.split("/")
        for part in parts:
            assert part not in {"", ".", ".."}
            assert all(one.isprintable() or unicodedata.category(one) == "Zs" for one in part)
            assert part[0] not in ".-"
            assert len(part.encode()) <= MAX_COMPONENT_BYTES
            assert not set(part) & set('\\:<>"|?*')
        assert not {_fold("/".join(parts[:depth])) for depth in range(1, len(parts))} & files
    assert "/" not in dataset_folder_name(names[0], "ab" * 32)
