"""Content of IPFS vectors, made from a few words so that no file need be kept: the rules that rows and tests share.

* A file is ``size`` bytes of the ChaCha20 keystream of ``seed``: the key is its SHA-256, nonce and counter are zero. It
  is the rule of Kubo's own conformance test, so that its published CIDs can be compared.
* ``easy_names`` are names of letters, digits, ``-`` and ``_`` from such a keystream, as that test draws them.
* A tree is ``{"files": {path: [seed, size]}, "folders": [path], "links": {path: target}}``.
* Many alike are ``{"numbered": {"path": "a/b{:05d}", "count", "seed", "size"}}``, from number 0.
* A directory at a threshold is ``{"names": {"seed", "count", "length", "last_length"}}``, each file of it
  the byte ``x``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms

ALPHABET = "abcdefghijklmnopqrstuvwxyz01234567890-_"
PIECE = 1 << 20


def keystream(seed: str, size: int) -> Iterator[bytes]:
    """The content of a file in pieces of 1 MiB."""
    key = hashlib.sha256(seed.encode()).digest()
    stream = Cipher(algorithms.ChaCha20(key, bytes(16)), None).encryptor()
    zeros = bytes(PIECE)
    for at in range(0, size, PIECE):
        yield stream.update(zeros[: min(PIECE, size - at)])


def easy_names(seed: str, count: int, length: int, last_length: int) -> list[str]:
    """File names that differ; only the last has another length."""
    stream = b"".join(keystream(seed, PIECE))
    names, at = [], 0
    for number in range(count):
        size = last_length if number == count - 1 else length
        names.append("".join(ALPHABET[byte % len(ALPHABET)] for byte in stream[at : at + size]))
        at += size
    return names


def files_of(row: dict[str, Any]) -> dict[str, bytes]:
    """The files of a row: path -> content."""
    if "names" in row:
        return dict.fromkeys(easy_names(**row["names"]), b"x")
    if "numbered" in row:
        rule = row["numbered"]
        content = b"".join(keystream(rule["seed"], rule["size"]))
        return {rule["path"].format(number): content for number in range(rule["count"])}
    return {path: b"".join(keystream(seed, size)) for path, (seed, size) in row["files"].items()}


def write_tree(row: dict[str, Any], folder: Path) -> None:
    """Write a row's tree into a new folder."""
    folder.mkdir(parents=True)
    for path, content in files_of(row).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    for path in row.get("folders", ()):
        (folder / path).mkdir(parents=True, exist_ok=True)
    for path, target in row.get("links", {}).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).symlink_to(target)
