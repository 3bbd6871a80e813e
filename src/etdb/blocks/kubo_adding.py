"""A whole dataset into a Kubo: its files in place, its directories and small content as blocks, one pin on the root.

At every moment what has arrived is safe from Kubo's garbage collection: each file is pinned in the same step that adds
it, the root is pinned before those pins are taken away. Ended anywhere, the same work goes on: files that are pinned
are not sent again. Pinning the root makes Kubo read every byte back, so that what it cannot give is noticed here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final, Literal

from msgspec import Struct

from etdb.blocks.files import AddedFile
from etdb.blocks.kubo import KuboNode
from etdb.blocks.kubo_errors import KuboError
from etdb.blocks.port import BlockStore
from etdb.blocks.reader import DagReader
from etdb.errors import NotFoundError, VerificationError
from etdb.ipfs import UNIXFS_V1_2025, Cid, DagWalk, ImportProfile, LeafFound

__all__ = ["ADDING_PIN", "KuboPlan", "KuboProgress", "TreeAdded", "add_tree", "plan_tree", "remove_tree"]

KuboProgress = Callable[[Literal["send", "read"], int, int], None]
"""Called with the step (our sending, Kubo's reading back), bytes done and bytes in all."""
ADDING_PIN: Final = "etdb: being added"
MAX_PIN_NAME_BYTES: Final = 255
_ASKED_ONE_BY_ONE: Final = 64
"""For more files than these, all pins are listed once instead."""
_ROUNDS: Final = 3
"""How often what garbage collection took away is brought again."""


class KuboPlan(Struct, frozen=True, kw_only=True):
    """What a dataset consists of for a Kubo.

    Attributes:
        root: of the dataset.
        files: those that lie in place, each content once.
        blocks: of the directories and of the content that is kept by us: what goes there as a CAR.
        size_bytes: of the files together.
    """

    root: Cid
    files: tuple[AddedFile, ...]
    blocks: tuple[Cid, ...]
    size_bytes: int


class TreeAdded(Struct, frozen=True, kw_only=True):
    """What was done.

    Attributes:
        root: is pinned now.
        was_there: it was pinned before.
        sent_files: files that Kubo was given.
        sent_bytes: their bytes.
        kept_files: files that it had from an earlier run, or pinned for another reason.
    """

    root: Cid
    was_there: bool
    sent_files: int
    sent_bytes: int
    kept_files: int


def plan_tree(
    root: Cid, store: BlockStore, places: Mapping[Cid, AddedFile], *, kept_in: Path | None = None
) -> KuboPlan:
    """Look at a dataset: which files lie where, and which blocks make up the rest.

    Args:
        root: of the dataset.
        store: has its directories.
        places: where files are, by their CID.
        kept_in: files in this folder are ours and small (manifests): they are given as blocks.

    Raises:
        NotFoundError: a directory, or a file that is not in place, is not in the store.
    """
    reader = DagReader(store)
    files: dict[Cid, AddedFile] = {}
    blocks: dict[Cid, None] = {}
    stack, seen = [root], set[Cid]()
    while stack:
        cid = stack.pop()
        if cid in seen:
            continue
        seen.add(cid)
        place = places.get(cid)
        if place is not None and (kept_in is None or place.path.parent != kept_in):
            files[cid] = place
        elif reader.is_directory(cid):
            blocks |= dict.fromkeys(name for name, _ in reader.blocks(cid, "entity"))
            stack += [link.cid for link in reversed(reader.entries(cid))]
        else:
            blocks |= dict.fromkeys(name for name, _ in reader.blocks(cid))
    return KuboPlan(
        root=root,
        files=tuple(files.values()),
        blocks=tuple(blocks),
        size_bytes=sum(file.size_bytes for file in files.values()),
    )


def add_tree(
    node: KuboNode,
    plan: KuboPlan,
    store: BlockStore,
    *,
    name: str,
    in_place: bool = True,
    mend: bool = False,
    profile: ImportProfile = UNIXFS_V1_2025,
    progress: KuboProgress | None = None,
) -> TreeAdded:
    """Bring a dataset into a Kubo and pin its root under ``name``; a run that was cut off goes on.

    Args:
        node: the Kubo.
        plan: see :func:`plan_tree`.
        store: has the blocks of the plan, and the nodes of its files.
        name: of the pin.
        in_place: Kubo keeps references to the files instead of copies.
        mend: also when the root is pinned, look for leaves that Kubo cannot read, and bring those files again.
        profile: how the files were cut.
        progress: see ``KuboProgress``.

    Raises:
        VerificationError: Kubo makes another CID of a file than we did, or cannot read it back; field ``path``.
        SourceFileError: a file cannot be read here.
        DiskFullError, KuboSetupError, SourceError: as :meth:`~etdb.blocks.kubo.KuboNode.add_file`.
    """
    sending = _Sending(node, plan, in_place=in_place, profile=profile, progress=progress)
    if node.pin_name(plan.root) is not None:
        if mend:
            sending.mend(store)
            _drop_adding_pins(node, plan)
        return sending.result(was_there=True)
    pinned = _pinned(node, plan)
    for file in plan.files:
        sending.offer(file, is_pinned=file.cid in pinned)
    for attempt in range(1, _ROUNDS + 1):
        node.import_blocks([plan.root], ((cid, store.get(cid)) for cid in plan.blocks))
        try:
            node.pin(plan.root, name=_pin_name(name), progress=sending.read_back)
            break
        except NotFoundError:
            # Collected in between, or a pin whose blocks were lost with a disk: what it holds already is passed over.
            if attempt == _ROUNDS:
                raise
            sending.send_kept()
        except (KuboError, VerificationError):
            # Kubo keeps an old reference to a file that has moved even when it is given the file anew.
            if attempt == _ROUNDS or not sending.mend(store):
                raise
    _drop_adding_pins(node, plan)
    return sending.result(was_there=False)


def remove_tree(node: KuboNode, plan: KuboPlan) -> bool:
    """Unpin a dataset, and what an unfinished run has pinned of it; whether there was anything."""
    was_there = node.pin_name(plan.root) is not None
    if was_there:
        node.unpin([plan.root])
    return _drop_adding_pins(node, plan) > 0 or was_there


class _Sending:
    """Files on their way to Kubo, counted."""

    def __init__(
        self,
        node: KuboNode,
        plan: KuboPlan,
        *,
        in_place: bool,
        profile: ImportProfile,
        progress: KuboProgress | None,
    ) -> None:
        self._node, self._plan, self._in_place, self._profile = node, plan, in_place, profile
        self._progress = progress
        self._done = self._sent_bytes = 0
        self._sent: set[Cid] = set()

    def offer(self, file: AddedFile, *, is_pinned: bool) -> None:
        """Send a file, unless Kubo has pinned it."""
        if is_pinned:
            self._advance(file.size_bytes)
        else:
            self._send(file, name=ADDING_PIN)

    def mend(self, store: BlockStore) -> bool:
        """Send again the files of which Kubo cannot read every leaf; whether there were any."""
        is_mended = False
        for file in self._plan.files:
            if list(self._node.bad_references(list(_leaves(file.cid, store)), remove=True)):
                is_pinned = self._node.pin_name(file.cid) is not None
                self._send(file, name=None if is_pinned else ADDING_PIN)
                is_mended = True
        return is_mended

    def send_kept(self) -> None:
        """Send also the files that Kubo had pinned before."""
        for file in self._plan.files:
            if file.cid not in self._sent:
                self._send(file, name=None)

    def result(self, *, was_there: bool) -> TreeAdded:
        """What was done so far."""
        return TreeAdded(
            root=self._plan.root,
            was_there=was_there,
            sent_files=len(self._sent),
            sent_bytes=self._sent_bytes,
            kept_files=len(self._plan.files) - len(self._sent),
        )

    def read_back(self, done_bytes: int) -> None:
        """What Kubo says while it pins."""
        if self._progress is not None:
            self._progress("read", min(done_bytes, self._plan.size_bytes), self._plan.size_bytes)

    def _send(self, file: AddedFile, *, name: str | None) -> None:
        cid = self._node.add_file(
            file.path, name=name, profile=self._profile, in_place=self._in_place, progress=self._advance
        )
        if cid.digest != file.cid.digest:
            if name is not None:
                self._node.unpin([cid])
            raise VerificationError(
                f"{self._node.name} makes {cid} of {file.path}, which was published as {file.cid}",
                hint="the file has changed since: restore it, or publish it as a revision",
                cid=str(file.cid),
                path=str(file.path),
                source=self._node.rpc.name,
            )
        self._sent.add(file.cid)
        self._sent_bytes += file.size_bytes

    def _advance(self, count: int) -> None:
        self._done += count
        if self._progress is not None:
            self._progress("send", min(self._done, self._plan.size_bytes), self._plan.size_bytes)


def _pinned(node: KuboNode, plan: KuboPlan) -> dict[Cid, str]:
    """The files of the plan that Kubo has pinned, with the names of the pins."""
    if len(plan.files) > _ASKED_ONE_BY_ONE:
        wanted = {str(file.cid): file.cid for file in plan.files}
        return {wanted[pin.cid]: pin.name for pin in node.pins() if pin.cid in wanted}
    names = {file.cid: node.pin_name(file.cid) for file in plan.files}
    return {cid: name for cid, name in names.items() if name is not None}


def _drop_adding_pins(node: KuboNode, plan: KuboPlan) -> int:
    ours = [cid for cid, name in _pinned(node, plan).items() if name == ADDING_PIN and cid != plan.root]
    if ours:
        node.unpin(ours)
    return len(ours)


def _leaves(cid: Cid, store: BlockStore) -> Iterator[Cid]:
    """The leaves of a file, from its nodes alone."""
    walk = DagWalk(cid)
    events = walk.start()
    while True:
        yield from (event.cid for event in events if isinstance(event, LeafFound))
        if not walk.wanted:
            return
        wanted = walk.wanted[0]
        events = walk.receive(wanted, store.get(wanted))


def _pin_name(name: str) -> str:
    return name.encode("utf-8", "replace")[:MAX_PIN_NAME_BYTES].decode("utf-8", "ignore")
