"""Survivors that are right to survive, and why: the change makes no difference that anyone can see."""

from __future__ import annotations

import re

__all__ = ["reason_of"]

_SHOWN = re.compile(r": (?P<old>\d+) -> -?\d+ in: .*\[:(?P=old)\]")
_MESSAGE = "only how much of a foreign text a message shows"
_LEAF_LIMIT = "a CID that is read has 132 bytes at most, and blocks have a limit: this one ends the collecting"
_GROUP = "all leaves of a group have one path, and a length; the first says the same as the last"
_ONCE = "read when the module is loaded, before the mutant is put in its place"
_SLOWER = "a shorter way only: the longer one judges the same"
_ABOVE = "what stands above the bits that wait is cut off with each group"
_ONE_BYTE = "a size of one byte is read there too"
_PROGRAM = "which versions and lengths there are is judged again where the program is read"
_LETS_GO = "how often headers are let go of: what a rollback or a rule can reach stays either way"
_NO_KEY = "a script of less than four bytes has no room for a key, and is refused as it asks for none"
_EQUAL = "the lengths are equal there"
_EMPTY = "an empty section is refused one step later, as a CID that is cut off"
_BOTH_FORMS = "both forms are tried, and a signature is of one: only which is tried first"
_VERSION = "no version is lower: it has 32 bits"

REASONS: dict[str, str] = {
    "ipfs/filedag.py DagBuilder.finish: 0 -> -1 in: return children[0].cid, children[0].tree_size, done": (
        "there is one child left"
    ),
    "ipfs/murmur3.py murmur3_x64_64: 8 -> 9 in: low ^= _mix_low(int.from_bytes(data[whole : whole + 8], "
    '"little"))': "a ninth byte stands above 64 bits, which the next step cuts off",
    'ipfs/cid.py _decode_base58: 7 -> 8 in: return b"\\0" * zeros + value.to_bytes((value.bit_length() + 7) // 8, '
    '"big")': ("a CID begins with 1 or 0x12: its bits are never a multiple of eight"),
    "ipfs/cid.py Cid.__bytes__: condition False in: if head and self.hash_code == SHA2_256 and "
    "len(self.digest) == 32:": (_SLOWER),
    'ipfs/cid.py Cid.__bytes__: condition False in: return multihash if self.version == 0 else b"\\x01" + '
    "encode_varint(self.codec) + multihash": "a CID of version 0 is always written two lines above",
    "ipfs/walk.py DagWalk._open_shard: 0 -> -1 in: self._visit(link.cid, _Place(place.path, place.depth + 1, 0, None, "
    "prefix), None, events)": "a shard holds no bytes of a file, so where they begin is never asked",
    "ipfs/car.py MAX_CID_BYTES: 160 -> 161 in: MAX_CID_BYTES = 160": _LEAF_LIMIT,
    "ipfs/car.py MAX_CID_BYTES: 160 -> 159 in: MAX_CID_BYTES = 160": _LEAF_LIMIT,
    "ipfs/car.py parse_car_header: 1 -> 0 in: if kind != 2 or length < 1 or length > end - at or body[at] != 0:": (
        "an empty root is refused two lines later, as a CID that is cut off"
    ),
    "ipfs/car.py CarReader.next_event: condition False in: if self._state is _State.ENDED:": (
        "a shorter way only: the end is found again"
    ),
    "ipfs/car.py CarReader._next_frame: Lt -> LtE in: if not 0 < length <= limit:": _EMPTY,
    "ipfs/car.py CarReader._next_frame: 0 -> -1 in: if not 0 < length <= limit:": _EMPTY,
    "ipfs/dagpb.py MAX_LINKS: 65536 -> 65535 in: MAX_LINKS = 1 << 16": _ONCE,
    "ipfs/dagpb.py MAX_LINKS: 65536 -> 65537 in: MAX_LINKS = 1 << 16": _ONCE,
    "ipfs/fileparts.py file_parts: True -> False in: for link, size in zip(node.links, unixfs.block_sizes, "
    "strict=True):": _EQUAL,
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
    "flo/bech32.py _regroup: 0 -> -1 in: bits, count, groups = 0, 0, []": _ABOVE,
    "flo/bech32.py _regroup: 0 -> 1 in: bits, count, groups = 0, 0, []": _ABOVE,
    "flo/bech32.py decode_witness_address: LtE -> Lt in: if head != prefix or len(tail) <= _CHECKSUM_LETTERS:": (
        "a checksum alone has no program, which is refused a step later"
    ),
    "flo/scripts.py parse_keys: 0 -> -1 in: return (1, tuple(keys)) if keys is not None and len(keys) == 1 "
    "and len(keys[0]) in (33, 65) else None": ("there is one key"),
    "flo/scripts.py parse_keys: 3 -> 4 in: if len(script) < 3 or script[-1] != _CHECKMULTISIG:": _NO_KEY,
    "flo/scripts.py parse_keys: 3 -> 2 in: if len(script) < 3 or script[-1] != _CHECKMULTISIG:": _NO_KEY,
    "flo/sighash.py _without_code_separators: condition False in: if _CODE_SEPARATOR not in script:": _SLOWER,
    "flo/merkle.py row_root: 0 -> -1 in: return row[0]": "there is one hash left",
    "flo/networks.py Network.subsidy_sat: Lt -> LtE in: return self.first_subsidy_sat >> halvings if halvings < 64 "
    "else 0": "no reward has 64 bits: the 64th halving leaves none either way",
    "flo/difficulty.py _required_where_easy: 0 -> -1 in: if of_height == 0 or of_height % every == 0 or bits[-place] "
    "!= easiest:": "nought is a multiple of everything, as the second condition says",
    "flo/difficulty.py _required_where_easy: LtE -> Lt in: if rule.from_height <= height - back + 1 and len(bits) >= "
    "back and bits[-back:].count(easiest) == back:": _SLOWER,
    "flo/walk.py _wide: 253 -> 254 in: if block[offset] == 0xFD and (value := block[offset + 1] | block[offset + 2] "
    "<< 8) >= 0xFD:": _SLOWER,
    "flo/difficulty.py target_to_bits: 3 -> 2 in: word = target >> 8 * (size - 3) if size > 3 else target << 8 * "
    "(3 - size)": "a target of three bytes is shifted by nothing, in either direction",
    "flo/transactions.py read_transaction: condition False in: if (usual := _read_usual(cursor.data, cursor.offset)) "
    "is not None:": _SLOWER,
    "flo/transactions.py _read_usual: Gt -> GtE in: elif size > _LONG:": "the size that is equal went the other way",
    "flo/blocks.py mine: 1 -> 2 in: for nonce in range(1 << 32):": "only where four thousand million nonces fail",
    "flo/header_state.py parse_header_state: Lt -> LtE in: if data[: len(_MAGIC)] != _MAGIC or end < first or "
    "sha256(data[:end]).digest() != data[end:]:": "a state without headers is refused in the next line",
    "flo/spending.py _digests: True -> False in: for with_flo_data in (named, not named) if transaction.has_flo_data "
    "else (True,):": "without a place for a text, both forms are the same",
    "flo/spending.py _digests: without not in: named = not hash_type & SIGHASH_OMIT_FLO_DATA": (_BOTH_FORMS),
    "flo/walk.py walk_block: 253 -> 252 in: if count >= 0xFD:": _ONE_BYTE,
    "flo/walk.py walk_block: 253 -> 252 in: if size >= 0xFD:": _ONE_BYTE,
    "flo/walk.py _wide: Gt -> GtE in: if value > len(block):": (
        "what is as long as the whole block runs off its end, which the next look there finds"
    ),
    "flo/walk.py walk_block: condition False in: if usual := _usual_form(block, offset):": _SLOWER,
    "flo/destinations.py script_destination: 96 -> 97 in: if 4 <= size <= 42 and script[1] == size - 2 and "
    "(script[0] == 0 or 0x51 <= script[0] <= 0x60):": _PROGRAM,
    "flo/destinations.py script_destination: 4 -> 3 in: if 4 <= size <= 42 and script[1] == size - 2 and "
    "(script[0] == 0 or 0x51 <= script[0] <= 0x60):": _PROGRAM,
    "flo/destinations.py script_destination: 42 -> 43 in: if 4 <= size <= 42 and script[1] == size - 2 and "
    "(script[0] == 0 or 0x51 <= script[0] <= 0x60):": _PROGRAM,
    "flo/destinations.py _MAX_SHOWN: 100 -> 101 in: _MAX_SHOWN: Final = 100": _MESSAGE,
    "flo/difficulty.py retarget: Lt -> LtE in: if taken_s < rule.least_s:": ("the least time is made the least time"),
    "flo/difficulty.py _required_where_easy: 1 -> 0 in: every = network.difficulty_rule(of_height + 1).every_blocks": (
        "only the height below a rule's first differs, and on no network does either rule change the target there"
    ),
    "flo/header_chain.py HeaderChain._trim: Mult -> FloorDiv in: if len(self._best.hashes) > 2 * self._keep:": _LETS_GO,
    "flo/header_chain.py HeaderChain._trim: 2 -> 1 in: if len(self._best.hashes) > 2 * self._keep:": _LETS_GO,
    "flo/header_chain.py HeaderChain._run: 1 -> 0 in: each = last if network.retargets and last.every_blocks "
    "== 1 and height + 1 >= last.from_height else None": _SLOWER,
    "flo/header_chain.py HeaderChain._run: 1 -> 2 in: each = last if network.retargets and last.every_blocks "
    "== 1 and height + 1 >= last.from_height else None": _SLOWER,
    "flo/header_chain.py HeaderChain._run: condition False in: each = last if network.retargets and "
    "last.every_blocks == 1 and height + 1 >= last.from_height else None": _SLOWER,
    "flo/header_chain.py HeaderChain._run: 1 -> 0 in: last = network.difficulty[-1]": _SLOWER,
    "flo/header_chain.py HeaderChain._run: condition False in: if each is not None:": _SLOWER,
    "flo/header_chain.py HeaderChain._run: Gt -> GtE in: if previous != tip or version < asked or height in "
    "rules.checkpoints or time_s > latest:": _SLOWER,
    "flo/header_chain.py HeaderChain._run: Lt -> LtE in: if previous != tip or version < asked or height in "
    "rules.checkpoints or time_s > latest:": _SLOWER,
    "flo/header_chain.py HeaderChain._run: 1 -> 2 in: latest = 1 << 32 if now_s is None else now_s + MAX_FUTURE_S": (
        "no header has a time of more than 32 bits"
    ),
    "flo/header_chain.py HeaderChain._run: LShift -> RShift in: latest = 1 << 32 if now_s is None else now_s + "
    "MAX_FUTURE_S": _SLOWER,
    "flo/header_chain.py HeaderChain._run: Add -> Sub in: latest = 1 << 32 if now_s is None else now_s + "
    "MAX_FUTURE_S": _SLOWER,
    "flo/header_chain.py _RUN: 4096 -> 4095 in: _RUN: Final = 4096": _LETS_GO,
    "flo/header_chain.py HeaderChain._run: 32 -> 31 in: latest = 1 << 32 if now_s is None else now_s + "
    "MAX_FUTURE_S": _SLOWER,
    "flo/header_chain.py HeaderChain._keep: 1 -> 0 in: return self.max_rollback + self._rules.context + 1": (
        "one header more is kept than can be reached"
    ),
    "flo/header_chain.py _RUN: 4096 -> 4097 in: _RUN: Final = 4096": _LETS_GO,
    "flo/header_rules.py HeaderRules.least_version: 1 -> 2 in: return asked + 1 if asked else -(1 << 31)": _VERSION,
    "flo/header_rules.py HeaderRules.least_version: 31 -> 32 in: return asked + 1 if asked else -(1 << 31)": _VERSION,
    "flo/header_rules.py HeaderRules.is_target: LtE -> Lt in: return bits_to_target(bits) <= self.network.pow_limit": (
        "no short form stands for a network's limit itself: it keeps three leading bytes"
    ),
    "flo/header_window.py HeaderWindow.trim: 0 -> -1 in: if spare > 0:": ("to forget none of them changes nothing"),
    'oip/artifact.py _parse_file: 0 -> 1 in: if values.get("size_bytes", 0) < 0:': (
        "in place of a size that is not there one number is as good as another"
    ),
    'oip/multipart.py Split.first: 0 -> -1 in: return self._part(0, "") if self.needs_parts else self.pieces[0]': (
        "there is one piece"
    ),
    "oip/multipart.py plan_parts: 1 -> 0 in: digits = 1": "a round that never fits comes first",
    "oip/multipart.py _ADDRESS_LENGTH: 34 -> 35 in: _ADDRESS_LENGTH: Final = 34": _ONCE,
    "oip/multipart.py _ADDRESS_LENGTH: 34 -> 33 in: _ADDRESS_LENGTH: Final = 34": _ONCE,
    "oip/parts.py FLO_DATA_LIMIT: 1040 -> 1039 in: FLO_DATA_LIMIT: Final = 1040": _ONCE,
    "oip/parts.py FLO_DATA_LIMIT: 1040 -> 1041 in: FLO_DATA_LIMIT: Final = 1040": _ONCE,
    "oip/oip5.py parse_gp64: 1 -> 2 in: message = unfolding.decompress(_base64(data), MAX_MESSAGE_BYTES + 1)": (
        "one byte more is unfolded before the same refusal"
    ),
    "oip/parts.py parse_part: Lt -> LtE in: if end < 0:": "the end is behind the prefix: it is never 0",
    "oip/parts.py parse_part: 0 -> 1 in: if end < 0:": "the end is behind the prefix: it is never 0",
    "oip/patch.py _is_same: And -> Or in: if isinstance(one, (int, float)) and isinstance(other, (int, float)):": (
        "a number equals nothing but a number, whichever line says so"
    ),
    "oip/patch.py _is_same: return None in: return False": "None is as false, and no caller sees it",
    "oip/patch.py _is_same: True -> False in: return len(one) == len(other) and all(_is_same(a, b) for a, b in "
    "zip(one, other, strict=True))": _EQUAL,
    'oip/strict_json.py _refuse_depth: condition False in: if data.count(b"[") + data.count(b"{") <= MAX_DEPTH:': (
        _SLOWER
    ),
    'oip/strict_json.py _refuse_depth: LtE -> Lt in: if data.count(b"[") + data.count(b"{") <= MAX_DEPTH:': _SLOWER,
    "oip/strict_json.py _integer: Gt -> GtE in: if len(text) > _MAX_DIGITS or not -_INT64 <= int(text) < _INT64:": (
        "a number of forty digits is beyond 64 bits either way"
    ),
    'oip/wire.py _number: without raise in: raise _wrong(value, "a number") from None': (
        "a text is refused in the next line as well, in the same words"
    ),
    "trust/actions.py _preimages: condition turned in: return (named, plain) if message.names_owner else (plain, "
    "named)": _BOTH_FORMS,
    "trust/actions.py _preimages: condition False in: return (named, plain) if message.names_owner else (plain, "
    "named)": _BOTH_FORMS,
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
