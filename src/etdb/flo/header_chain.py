"""The chain of headers, as a protocol object: headers in, events out. It opens nothing and reads no clock.

    chain = HeaderChain(MAIN)
    for event in chain.feed_many(headers, now_s=now_s):
        ...                                 # Extend, Rollback or Refused

Of several chains it holds the one with the most work, and of two with the same the one that came first. It keeps the
headers that a rollback can reach and those that the rules look back to, never all of them: its memory has a bound
whatever it is fed. Headers are judged by link, target, time, version and checkpoints. Proof of work costs many times
more than all of that together, so it has a switch: without it, a stranger can make headers that pass for nothing, and
only the checkpoints hold.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Final, Self

from etdb.errors import FormatError, InputError, VerificationError
from etdb.flo.blocks import HEADER_BYTES, BlockHeader, parse_block, parse_header
from etdb.flo.difficulty import required_bits, retarget
from etdb.flo.hashes import display_hex, internal_bytes
from etdb.flo.header_events import Extend, HeaderEvent, Refusal, Refused, Rollback
from etdb.flo.header_rules import MAX_FUTURE_S, MEDIAN_HEADERS, Ancestors, HeaderRules
from etdb.flo.header_state import HeaderState, encode_header_state, parse_header_state
from etdb.flo.header_window import Header, HeaderWindow, hash_header, header_fields, header_work
from etdb.flo.networks import Network

__all__ = ["HeaderChain"]

_MAX_HEIGHT: Final = (1 << 31) - 1
_RUN: Final = 4096
"""How many headers are taken between two looks at the bound of memory."""


class HeaderChain:
    """The best chain of headers that was seen.

    Args:
        network: whose rules apply.
        start: headers that are taken for true, one after another; none for the network's genesis block. What the
            rules look back to and is missing here is not judged: see ``judged_from``.
        height: of the last of them.
        check_pow: whether each header's proof of work is checked.
        max_rollback: how many blocks a better chain may take back.
        max_side_headers: how many headers are kept beside the best chain, in all branches together.

    Raises:
        VerificationError: ``start`` does not hang together, or is not what a checkpoint says.
        InputError: a height that the headers cannot have.
    """

    def __init__(
        self,
        network: Network,
        start: Sequence[BlockHeader] = (),
        height: int = 0,
        *,
        check_pow: bool = False,
        max_rollback: int = 1_000,
        max_side_headers: int = 2_000,
    ) -> None:
        if max_rollback < 1 or max_side_headers < 1:
            raise InputError("a header chain must be able to go back, and to keep headers beside it")
        if not start and height:
            raise InputError(f"a chain that begins at height {height} needs the header of that height")
        headers = list(start) or [parse_block(network.genesis_block).header]
        if not len(headers) - 1 <= height <= _MAX_HEIGHT:
            raise InputError(f"{len(headers)} headers cannot end at height {height}")
        self.network = network
        self.max_rollback = max_rollback
        self.max_side_headers = max_side_headers
        self._rules = HeaderRules(network, check_pow=check_pow)
        self._best = HeaderWindow(height - len(headers) + 1)
        self._side: dict[bytes, Header] = {}
        self._partial = b""
        self.judged_from = self._best.low + self._rules.context if self._best.low else 1
        """From this height on all rules are judged; below it, not those that look back to before the start."""
        for header in headers:
            self._begin(header)
        self._anchor = self.height

    # -- what it holds

    @property
    def height(self) -> int:
        """Of the best chain's last header."""
        return self._best.height

    @property
    def tip_hash(self) -> str:
        """Of the best chain's last header."""
        return display_hex(self._best.hashes[-1])

    @property
    def tip(self) -> BlockHeader:
        """The best chain's last header."""
        return parse_header(self._best.raws[-1])

    @property
    def work(self) -> int:
        """How many tries the best chain takes on average, from its start on."""
        return self._best.works[-1]

    @property
    def pow_checked(self) -> int:
        """How many headers' proof of work was checked: to be shown apart from how many were linked."""
        return self._rules.pow_checked

    @property
    def side_headers(self) -> int:
        """How many headers are kept beside the best chain."""
        return len(self._side)

    def header_at(self, height: int) -> BlockHeader | None:
        """The best chain's header of a height; None when it is not here, or no longer."""
        low = self._best.low
        return parse_header(self._best.raws[height - low]) if low <= height <= self.height else None

    # -- headers in, events out

    def feed(self, data: bytes | BlockHeader, *, now_s: int | None = None) -> list[HeaderEvent]:
        """Take headers, one by one. Bytes may be split anywhere: what is not a whole header yet waits for the rest.

        Args:
            data: any piece of headers behind one another, or one header.
            now_s: the time, in Unix seconds; None leaves it open whether a header is from the future.
        """
        events: list[HeaderEvent] = []
        for raw in self._whole(data):
            self._take(raw, now_s, events)
        self._trim()
        return events

    def feed_many(self, data: bytes, *, now_s: int | None = None) -> list[HeaderEvent]:
        """The same as ``feed``, faster where headers follow one another."""
        whole = self._whole(data)
        events: list[HeaderEvent] = []
        place = 0
        while place < len(whole):
            taken = self._run(whole, place, now_s, events)
            if taken == place:
                self._take(whole[place], now_s, events)
                taken += 1
            place = taken
            self._trim()
        return events

    # -- kept between two runs of a program

    def state(self) -> bytes:
        """What ``from_state`` goes on from. A piece of a header that waits for its rest is not part of it."""
        best = self._best
        best.trim(self._keep)
        return encode_header_state(
            HeaderState(
                genesis=internal_bytes(self.network.genesis_hash),
                low=best.low,
                anchor=self._anchor,
                judged_from=self.judged_from,
                work=best.works[0],
                headers=tuple(best.raws),
                side=tuple(one.raw for one in self._hanging()),
            )
        )

    @classmethod
    def from_state(
        cls,
        network: Network,
        data: bytes,
        *,
        check_pow: bool = False,
        max_rollback: int = 1_000,
        max_side_headers: int = 2_000,
    ) -> Self:
        """The chain that ``state`` was taken of; what it holds is not judged again.

        Raises:
            FormatError: not such a state, damaged, or of another network.
        """
        state = parse_header_state(data)
        if display_hex(state.genesis) != network.genesis_hash:
            raise FormatError(f"the state of a header chain of another network than {network.name}")
        chain = cls(network, check_pow=check_pow, max_rollback=max_rollback, max_side_headers=max_side_headers)
        chain._best = HeaderWindow(state.low)
        chain._anchor, chain.judged_from = state.anchor, state.judged_from
        for raw in state.headers:
            chain._best.push_raw(raw, None if chain._best.works else state.work)
        for raw in state.side:
            _, previous, _, time_s, bits, _ = header_fields(raw)
            if (parent := chain._side.get(previous)) is not None:
                height, work = parent.height, parent.work
            else:
                at = chain._best.hashes.index(previous)  # it is there: the state was read with its links
                height, work = state.low + at, chain._best.works[at]
            block_hash = hash_header(raw)
            chain._side[block_hash] = Header(block_hash, raw, height + 1, time_s, bits, work + header_work(bits))
        return chain

    # -- inside

    def _begin(self, header: BlockHeader) -> None:
        raw, height = header.encode(), self._best.height + 1
        if self._best.hashes and header.prev_hash != self.tip_hash:
            raise VerificationError(f"block {header.block_hash} follows {header.prev_hash}, not {self.tip_hash}")
        if not self._rules.is_known(height, hash_header(raw)):
            raise VerificationError(f"block {header.block_hash} is not the one that is known at height {height}")
        if not self._rules.is_target(header.bits) or (
            self._rules.check_pow and not self._rules.has_work(raw, header.bits)
        ):
            raise VerificationError(f"block {header.block_hash} has not the work that {self.network.name} asks for")
        self._best.push_raw(raw)

    def _whole(self, data: bytes | BlockHeader) -> list[bytes]:
        """The headers that are whole now; the rest waits."""
        data = self._partial + (data.encode() if isinstance(data, BlockHeader) else data)
        end = len(data) - len(data) % HEADER_BYTES
        self._partial = data[end:]
        return [data[at : at + HEADER_BYTES] for at in range(0, end, HEADER_BYTES)]

    def _run(self, whole: list[bytes], place: int, now_s: int | None, events: list[HeaderEvent]) -> int:
        """Take headers that follow the tip and break no rule; the place of the first that is not so plain.

        The rules of ``HeaderRules.refusal``, for the case of nearly all headers.
        """
        best, rules, network = self._best, self._rules, self.network
        hashes, raws, times, targets, works = best.hashes, best.raws, best.times, best.bits, best.works
        if len(times) < rules.context:
            return place
        height, tip, work = best.height, hashes[-1], works[-1]
        asked = rules.least_version(height + _RUN)
        latest = 1 << 32 if now_s is None else now_s + MAX_FUTURE_S
        last = network.difficulty[-1]
        each = last if network.retargets and last.every_blocks == 1 and height + 1 >= last.from_height else None
        end = min(place + _RUN, len(whole))
        for here in range(place, end):
            raw = whole[here]
            version, previous, _, time_s, bits, _ = header_fields(raw)
            height += 1
            if previous != tip or version < asked or height in rules.checkpoints or time_s > latest:
                return here
            if each is not None:
                required: int | None = retarget(network, each, targets[-1], times[-1] - times[-1 - each.over_blocks])
            else:
                required = required_bits(network, height, time_s, times, targets)
            if (
                bits != required
                or not bits
                or time_s <= sorted(times[-MEDIAN_HEADERS:])[MEDIAN_HEADERS // 2]
                or (rules.check_pow and not rules.has_work(raw, bits))
            ):
                return here
            tip = sha256(sha256(raw).digest()).digest()
            work += header_work(bits)
            hashes.append(tip)
            raws.append(raw)
            times.append(time_s)
            targets.append(bits)
            works.append(work)
            events.append(Extend(height, tip[::-1].hex()))
        return end

    def _take(self, raw: bytes, now_s: int | None, events: list[HeaderEvent]) -> None:
        """Take one header, wherever it belongs."""
        block_hash, best = hash_header(raw), self._best
        refusal: Refusal | None = None
        if raw[4:36] == best.hashes[-1]:
            before = Ancestors(best.times, best.bits)
            refusal = self._rules.refusal(raw, block_hash, best.height + 1, before, now_s)
            if refusal is None:
                best.push_raw(raw)
                self._extended(block_hash, events)
        elif block_hash not in self._side and best.find(block_hash, self.max_rollback) is None:
            refusal = self._take_aside(raw, block_hash, now_s, events)
        if refusal is not None:
            events.append(Refused(display_hex(block_hash), refusal))

    def _take_aside(
        self, raw: bytes, block_hash: bytes, now_s: int | None, events: list[HeaderEvent]
    ) -> Refusal | None:
        """Take a header that does not follow the tip: it waits, or its branch becomes the best chain."""
        branch: list[Header] = []
        previous = raw[4:36]
        while (parent := self._side.get(previous)) is not None:
            branch.append(parent)
            previous = parent.previous
        branch.reverse()
        fork = self._best.find(previous, self.max_rollback)
        if fork is None:
            return Refusal.TOO_DEEP if branch else Refusal.ORPHAN
        if fork < self._anchor:
            return Refusal.CHECKPOINT
        height = fork + len(branch) + 1
        times, targets = self._best.before(fork, self._rules.context)
        before = Ancestors([*times, *(one.time_s for one in branch)], [*targets, *(one.bits for one in branch)])
        refusal = self._rules.refusal(raw, block_hash, height, before, now_s)
        if refusal is not None:
            return refusal
        _, _, _, time_s, bits, _ = header_fields(raw)
        work = (branch[-1].work if branch else self._best.works[fork - self._best.low]) + header_work(bits)
        one = Header(block_hash, raw, height, time_s, bits, work)
        if work > self.work:
            self._switch([*branch, one], fork, events)
            self._shed()
            return None
        self._side[block_hash] = one
        self._shed()
        return None if block_hash in self._side else Refusal.CROWDED

    def _switch(self, branch: list[Header], fork: int, events: list[HeaderEvent]) -> None:
        """Make a branch the best chain; what it replaces is kept beside it."""
        events.append(Rollback(fork))
        self._side.update((one.block_hash, one) for one in self._best.cut(fork))
        for one in branch:
            self._side.pop(one.block_hash, None)
            self._best.push(one.block_hash, one.raw, one.time_s, one.bits, one.work)
            self._extended(one.block_hash, events)

    def _extended(self, block_hash: bytes, events: list[HeaderEvent]) -> None:
        height = self._best.height
        if height in self._rules.checkpoints:
            self._anchor = height
        events.append(Extend(height, display_hex(block_hash)))

    def _shed(self) -> None:
        """Let go of the ends of branches with the least work, the oldest first, until what is left is allowed.

        The newest of equals stays: so headers that cost nothing cannot keep a better branch from beginning.
        """
        while len(self._side) > self.max_side_headers:
            parents = {one.previous for one in self._side.values()}
            ends = (one for one in self._side.values() if one.block_hash not in parents)
            del self._side[min(ends, key=lambda one: one.work).block_hash]

    def _hanging(self) -> list[Header]:
        """The headers beside the best chain that hang on what is kept of it, each behind the one that it follows."""
        known, hanging = set(self._best.hashes), []
        for one in sorted(self._side.values(), key=lambda one: one.height):
            if one.previous in known:
                known.add(one.block_hash)
                hanging.append(one)
        return hanging

    @property
    def _keep(self) -> int:
        """How many headers of the best chain a rollback or a rule can reach."""
        return self.max_rollback + self._rules.context + 1

    def _trim(self) -> None:
        if len(self._best.hashes) > 2 * self._keep:
            self._best.trim(self._keep)
