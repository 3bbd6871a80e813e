"""Survivors that are right to survive, and why: the change makes no difference that anyone can see."""

from __future__ import annotations

import re

__all__ = ["reason_of"]

_SHOWN = re.compile(r": (?P<old>\d+) -> -?\d+ in: .*\[:(?P=old)\]")
_MESSAGE = "only how much of a foreign text a message shows"
_LEAF_LIMIT = "a CID that is read has 132 bytes at most, and blocks have a limit: this one ends the collecting"
_GROUP = "all leaves of a group have one path, and a length; the first says the same as the last"
_ONCE = "read when the module is loaded, before the mutant is put in its place"

REASONS: dict[str, str] = {
    "ipfs/filedag.py DagBuilder.finish: 0 -> -1 in: return children[0].cid, children[0].tree_size, done": (
        "there is one child left"
    ),
    "ipfs/murmur3.py murmur3_x64_64: 8 -> 9 in: low ^= _mix_low(int.from_bytes(data[whole : whole + 8], "
    '"little"))': "a ninth byte stands above 64 bits, which the next step cuts off",
    "ipfs/car.py MAX_CID_BYTES: 160 -> 161 in: MAX_CID_BYTES = 160": _LEAF_LIMIT,
    "ipfs/car.py MAX_CID_BYTES: 160 -> 159 in: MAX_CID_BYTES = 160": _LEAF_LIMIT,
    "ipfs/car.py CarReader.next_event: condition False in: if self._state is _State.ENDED:": (
        "a shorter way only: the end is found again"
    ),
    "ipfs/car.py CarReader._next_frame: Lt -> LtE in: if not 0 < length <= limit:": (
        "an empty section is refused one step later, as a CID that is cut off"
    ),
    "ipfs/dagpb.py MAX_LINKS: 65536 -> 65535 in: MAX_LINKS = 1 << 16": _ONCE,
    "ipfs/dagpb.py MAX_LINKS: 65536 -> 65537 in: MAX_LINKS = 1 << 16": _ONCE,
    "ipfs/walkevents.py group_leaves: 1 -> 0 in: and leaf.path == group[-1].path": _GROUP,
    "ipfs/walkevents.py group_leaves: 1 -> 0 in: and group[-1].length is not None": _GROUP,
    "ipfs/walkevents.py group_leaves: 0 -> -1 in: size += leaf.length or 0": (
        "a leaf without a length stands alone, so its size is never added to"
    ),
    "ipfs/closure.py DagClosure.result: condition False in: if child.codec == RAW:": (
        "a shorter way only: the leaf is looked at from the stack instead"
    ),
    "ipfs/closure.py DagClosure._children: 0 -> 1 in: yield from ((link.cid, 0) for link in parse_shard(cid, node, "
    "unixfs).links if link.name is None)": "the offset tells places of a file apart; this is a directory",
    "ipfs/hamt.py _build_shard: 0 -> 1 in: first, second = entries[0][1].name, entries[1][1].name": (
        "only which names a message shows"
    ),
    "oip/multipart.py _ADDRESS_LENGTH: 34 -> 35 in: _ADDRESS_LENGTH: Final = 34": _ONCE,
    "oip/multipart.py _ADDRESS_LENGTH: 34 -> 33 in: _ADDRESS_LENGTH: Final = 34": _ONCE,
    "oip/parts.py FLO_DATA_LIMIT: 1040 -> 1039 in: FLO_DATA_LIMIT: Final = 1040": _ONCE,
    "oip/parts.py FLO_DATA_LIMIT: 1040 -> 1041 in: FLO_DATA_LIMIT: Final = 1040": _ONCE,
    "oip/oip5.py parse_gp64: 1 -> 2 in: message = unfolding.decompress(_base64(data), MAX_MESSAGE_BYTES + 1)": (
        "one byte more is unfolded before the same refusal"
    ),
    "oip/parts.py parse_part: Lt -> LtE in: if end < 0:": "the end is behind the prefix: it is never 0",
    "oip/parts.py parse_part: 0 -> 1 in: if end < 0:": "the end is behind the prefix: it is never 0",
    "oip/strict_json.py _integer: Gt -> GtE in: if len(text) > _MAX_DIGITS or not -_INT64 <= int(text) < _INT64:": (
        "a number of forty digits is beyond 64 bits either way"
    ),
    'trust/checks.py _unsigned: 0 -> -1 in: return reasons[0] if reasons else f"no input of transaction '
    '{transaction.txid} is signed by {publisher}"': "only which of several reasons is told",
    'trust/checks.py _unsigned: 0 -> -1 in: f"input {unjudged[0]} of transaction {transaction.txid} cannot be judged '
    'without the coin that it spends"': "only which of several inputs is told",
    "trust/checks.py is_part_signed: continue -> break in: continue": (
        "whether a key can be found depends on the signature alone, which is the same for both texts"
    ),
}


def reason_of(mutant: str) -> str:
    """Why a mutant survives; "" when nobody has said it yet."""
    return REASONS.get(mutant) or (_MESSAGE if _SHOWN.search(mutant) else "")
