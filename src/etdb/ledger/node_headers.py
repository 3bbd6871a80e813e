"""Following a node's headers: find where its chain leaves ours, check what comes after, keep it.

Which chain counts is decided here, by work and by the rules (``etdb.flo.HeaderChain``), not by the node. Proof of work
is checked above the network's last checkpoint: below it the checkpoints hold every header, by the links alone. A few
headers are checked at once; where many come, ``etdb.ledger.headersync`` comes after.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from etdb.errors import FormatError, VerificationError
from etdb.flo import (
    Extend,
    HeaderChain,
    Network,
    Refusal,
    Refused,
    Rollback,
    display_hex,
    parse_header,
    sha256d,
)
from etdb.ledger.blocksource import MAX_HEADERS, BlockSource
from etdb.ledger.headersync import MAX_ROLLBACK
from etdb.ledger.node_errors import NodeBehindError, NodeChainError
from etdb.ledger.node_store import NodeStore

__all__ = ["START_HEIGHTS", "HeaderFollower"]

START_HEIGHTS: Final = {"main": 2_600_000, "testnet": 0, "regtest": 0}
"""Where records of tomograms can begin: on main net the first ones are of April 2018, above block 2,700,000."""
_FEW: Final = 500
"""So many headers' work is checked on the way: it takes less than a second."""


class HeaderFollower:
    """Brings the headers of a store to the tip of a source.

    Args:
        source: where they come from.
        store: where they go.
        chain: the network's rules.
        start_height: from where on they are wanted; the nearest checkpoint below is where they begin.
    """

    def __init__(self, source: BlockSource, store: NodeStore, chain: Network, start_height: int) -> None:
        self._source = source
        self._store = store
        self._network = chain
        self._low = chain.known_height(start_height)
        self._last_checkpoint = max((height for height, _ in chain.checkpoints), default=0)
        self._chain: HeaderChain | None = None
        self._has_pow = False

    def follow(self, now_s: int, *, read_from: int = -1, read: Callable[[], None] = lambda: None) -> None:
        """Take the headers that the store lacks; a better chain takes the place of what it had.

        Args:
            now_s: the time, in Unix seconds.
            read_from: from this height on their blocks are wanted next; -1 for none.
            read: called whenever some of these headers were taken.

        Raises:
            NodeChainError: the source's headers break the rules, or leave ours too far below.
            NodeBehindError: the source has not even the first header that is wanted.
            LedgerError: it cannot be reached, or answers nonsense.
        """
        ours = self._load().height
        height = self._fork(self._load()) + 1
        is_branch = height <= ours
        while raws := self._source.headers(
            height, self._wanted(height), with_blocks=0 <= read_from <= height and not is_branch
        ):
            self._take(raws, height, now_s, is_branch=is_branch)
            height += len(raws)
            tip = self._store.tip()
            is_branch = is_branch and tip is not None and tip.block_hash != display_hex(sha256d(raws[-1]))
            if 0 <= read_from <= height and not is_branch:
                read()
                if self._store.tip() != tip:
                    return  # meanwhile all was looked at anew

    def _wanted(self, height: int) -> int:
        """How many headers to ask for: those above the last checkpoint apart from those below."""
        below = self._last_checkpoint - height + 1
        return min(MAX_HEADERS, below) if below > 0 else MAX_HEADERS

    def _checks_work(self, count: int, *, is_branch: bool) -> bool:
        """Whether the work of so many more headers is checked at once.

        Of few above what was checked, and always of those that would take something back: headers cost nothing to
        make without it.
        """
        tip = self._store.tip()
        if tip is None or tip.height < self._last_checkpoint:
            return False
        return is_branch or (count <= _FEW and tip.height <= self._store.work_checked())

    def _load(self, *, has_pow: bool = False) -> HeaderChain:
        """The chain as the store has it: another process may have gone on."""
        state, tip = self._store.header_state(), self._store.tip()
        if state is None or tip is None:
            return self._begin()
        if self._chain is None or self._chain.tip_hash != tip.block_hash or self._has_pow is not has_pow:
            try:
                self._chain = HeaderChain.from_state(self._network, state, check_pow=has_pow, max_rollback=MAX_ROLLBACK)
            except FormatError:
                return self._begin()
            self._has_pow = has_pow
        return self._chain

    def _begin(self) -> HeaderChain:
        if self._low == 0:
            chain = HeaderChain(self._network, max_rollback=MAX_ROLLBACK)
            raw = self._network.genesis_block[:80]
        else:
            first = self._source.headers(self._low, 1)
            if not first:
                raise NodeBehindError(
                    f"{self._source.where} has no block {self._low} yet, where records begin",
                    hint="wait until the node has caught up with its network",
                    url=self._source.where,
                )
            raw = first[0]
            try:
                chain = HeaderChain(self._network, [parse_header(raw)], self._low, max_rollback=MAX_ROLLBACK)
            except VerificationError as error:
                raise self._other_chain(self._low, error.message) from error
        with self._store.commit():
            self._store.forget()
            self._store.add_headers([(self._low, raw)])
            self._store.keep_header_state(chain.state())
            self._store.set_work_checked(self._low)
        self._chain, self._has_pow = chain, False
        return self._load()

    def _fork(self, chain: HeaderChain) -> int:
        """The height of the newest header that the source has in common with us."""
        step, height = 1, chain.height
        while True:
            there = self._source.headers(height, 1)
            if there and there[0] == self._store.header(height):
                return height
            if height == self._low:
                raise self._other_chain(height, "it has another block there")
            if chain.height - height > MAX_ROLLBACK:
                if there:
                    raise self._other_chain(height, f"it leaves ours more than {MAX_ROLLBACK} blocks below its tip")
                raise self._behind(chain.height)
            height, step = max(self._low, height - step), step * 2

    def _behind(self, height: int) -> NodeBehindError:
        return NodeBehindError(
            f"{self._source.where} is more than {MAX_ROLLBACK} blocks behind the {height} that were seen already",
            hint="wait until the node has caught up with its network",
            url=self._source.where,
        )

    def _check_links(self, raws: list[bytes], height: int) -> list[bytes]:
        """The hashes of headers, each of which must follow the one before it."""
        hashes = [sha256d(raw) for raw in raws]
        for place in range(1, len(raws)):
            if raws[place][4:36] != hashes[place - 1]:
                raise self._lie(height + place, "it does not follow the header before it")
        return hashes

    def _take(self, raws: list[bytes], height: int, now_s: int, *, is_branch: bool) -> None:
        lie = None
        if refused_before := self._store.refused_headers():
            hashes = self._check_links(raws, height)
            lie = next((place for place, one in enumerate(hashes) if one in refused_before), None)
        if lie == 0:
            raise self._lie(height, "it has not the work that it claims")
        raws = raws[:lie]
        has_pow = self._checks_work(len(raws), is_branch=is_branch)
        chain = self._load(has_pow=has_pow)
        before, height_before = chain.tip_hash, chain.height
        self._chain = None  # until the store has it too
        events = chain.feed_many(b"".join(raws), now_s=now_s)
        # Nearly always each extends the chain, in order. The chain has hashed them, so they are not hashed here again.
        is_plain = len(events) == len(raws) == chain.height - height_before and all(
            isinstance(event, Extend) for event in events
        )
        at = {}
        if not is_plain:
            at = {display_hex(one): place for place, one in enumerate(self._check_links(raws, height))}
        with self._store.commit():
            tip = self._store.tip()
            goes_back = not has_pow and any(isinstance(event, Rollback) for event in events)
            if tip is None or tip.block_hash != before or (goes_back and tip.height >= self._last_checkpoint):
                return  # another process was first: the next look sees what it found
            new: dict[int, bytes] = {}
            if is_plain:
                new = dict(enumerate(raws, chain.height - len(raws) + 1))
            for event in () if is_plain else events:
                if isinstance(event, Rollback):
                    self._store.cut(event.height)
                    new = {above: raw for above, raw in new.items() if above <= event.height}
                elif isinstance(event, Extend):
                    place = at.get(event.block_hash)
                    new[event.height] = raws[place] if place is not None else _raw(chain, event)
            self._store.add_headers(list(new.items()))
            self._store.keep_header_state(chain.state())
            checked = self._store.work_checked()
            lowest = next((event.height for event in events if isinstance(event, Extend)), chain.height + 1)
            if has_pow and checked >= lowest - 1:
                checked = chain.height
            self._store.set_work_checked(max(checked, self._network.known_height(chain.height)))
        self._chain = chain
        refused = next((event for event in events if isinstance(event, Refused)), None)
        if refused is not None:
            raise self._refusal(refused.reason, height + at[refused.block_hash])
        if lie is not None:
            raise self._lie(height + lie, "it has not the work that it claims")

    def _refusal(self, reason: Refusal, height: int) -> NodeChainError:
        if reason in {Refusal.TOO_DEEP, Refusal.CHECKPOINT, Refusal.ORPHAN, Refusal.CROWDED}:
            return self._other_chain(height, reason.value)
        if reason is Refusal.TOO_NEW:
            return NodeChainError(
                f"{self._source.where} gives a block of height {height} from the future",
                hint="is the clock of this machine right?",
                url=self._source.where,
                height=height,
            )
        return self._lie(height, reason.value)

    def _lie(self, height: int, why: str) -> NodeChainError:
        return NodeChainError(
            f"{self._source.where} gives a header of height {height} that breaks the rules of FLO: {why}",
            hint="use another node: what this one says is not to be believed",
            url=self._source.where,
            height=height,
        )

    def _other_chain(self, height: int, why: str) -> NodeChainError:
        return NodeChainError(
            f"{self._source.where} is on another chain than {self._network.name}, at block {height}: {why}",
            hint="use another node, or correct network in etdb.toml; if you know why, move node.sqlite away",
            url=self._source.where,
            height=height,
        )


def _raw(chain: HeaderChain, event: Extend) -> bytes:
    """A header of a branch that had less work until now."""
    header = chain.header_at(event.height)
    assert header is not None, "a header that became the best chain just now is still kept"
    return header.encode()
