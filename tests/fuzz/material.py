"""What seeds are made of: small real things, encoded here so that nothing binary is kept."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

from etdb import flo, ipfs, oip

VECTORS = Path(__file__).resolve().parents[1] / "vectors"
KEY = flo.PrivateKey.generate(bytes(range(32)))
ADDRESS = KEY.address(flo.REGTEST)
TOMOGRAM = oip.Tomogram(
    publisher=ADDRESS,
    timestamp_s=1_528_156_632,
    title="Vibrio cholerae, whole cell",
    description="A cell",
    acquired_on=dt.date(2014, 1, 14),
    species="Vibrio cholerae",
    tilt_min_deg=-60.0,
    location="bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy",
    files=(oip.FileEntry(path="a/cell.mrc", size_bytes=2048, role="tilt_series"),),
)


def vectors(name: str) -> Any:
    return json.loads((VECTORS / name).read_text(encoding="utf-8"))


def strings_of(value: Any, *, least: int = 1) -> list[str]:
    """All strings anywhere in a JSON document."""
    if isinstance(value, str):
        return [value] if len(value) >= least else []
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [one for item in inner for one in strings_of(item, least=least)]


def transaction(text: bytes = b"", *, many: int = 1) -> flo.Transaction:
    return flo.Transaction(
        inputs=tuple(flo.TxInput(f"{number:064x}", number, b"\x01\x02") for number in range(1, many + 1)),
        outputs=(flo.TxOutput(5_000, flo.address_script(ADDRESS, flo.REGTEST)),),
        flo_data=text,
    )


def block(*texts: bytes) -> bytes:
    transactions = (
        flo.build_coinbase(1, 100 * flo.COIN, flo.address_script(ADDRESS, flo.REGTEST)),
        *(transaction(text, many=number + 1) for number, text in enumerate(texts)),
    )
    header = flo.BlockHeader(
        version=2,
        prev_hash="00" * 32,
        merkle_root=flo.merkle_root([one.txid for one in transactions]),
        time_s=1_500_000_000,
        bits=0x207FFFFF,
        nonce=7,
    )
    return flo.encode_block(flo.Block(header=header, transactions=transactions))


def record() -> oip.PublishMessage:
    preimage = oip.artifact_preimage(TOMOGRAM.location, TOMOGRAM.publisher, TOMOGRAM.timestamp_s)
    data = oip.encode_publish(TOMOGRAM, flo.sign_message(KEY, preimage))
    message = oip.parse_message(data)
    assert isinstance(message, oip.PublishMessage)
    return message


def record_bytes() -> bytes:
    message = record()
    return oip.encode_publish(message.tomogram, message.signature)


def parts() -> list[bytes]:
    split = oip.split(record_bytes() * 3, ADDRESS, sign=lambda text: flo.sign_message(KEY, text))
    return [split.first(), *split.rest("ab" * 32)]


def dag() -> tuple[ipfs.Cid, dict[ipfs.Cid, bytes]]:
    """A directory of two files, one of them of two leaves, as blocks by CID."""
    blocks: dict[ipfs.Cid, bytes] = {}
    entries: dict[str, tuple[ipfs.Cid, int]] = {}
    leaf = ipfs.UNIXFS_V1_2025.leaf_bytes
    for name, size in (("a/small.txt", 5), ("a/b/large.mrc", leaf + 3)):
        builder = ipfs.DagBuilder()
        for start in range(0, size, leaf):
            content = bytes(min(leaf, size - start))
            builder.add_leaf(ipfs.leaf_digest(content, ipfs.UNIXFS_V1_2025), len(content))
        cid, tree_size, made = builder.finish()
        blocks |= {one.cid: one.data for one in made}
        entries[name] = (cid, tree_size)
    root, nodes = ipfs.build_tree(entries)
    blocks |= {one.cid: one.data for one in (root, *nodes)}
    return root.cid, blocks
