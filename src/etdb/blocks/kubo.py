"""A Kubo node as a block store, and what else we ask of it: files in place, pins, CARs, telling who provides.

Kubo runs elsewhere and is believed in nothing: every block that it gives is hashed here, every CID that it makes is
compared with ours, and a CAR counts as whole when its DAG is.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from etdb.blocks.kubo_answers import BadReference, KuboInfo, Pin, answered_text, changed_file, file_pieces
from etdb.blocks.kubo_errors import KuboError, KuboSetupError, NotKuboError
from etdb.blocks.kubo_rpc import KuboRpc, Option, Upload
from etdb.blocks.port import block_too_large, identity_block, not_in_store
from etdb.errors import (
    FormatError,
    NotFoundError,
    SourceError,
    VerificationError,
)
from etdb.ipfs import (
    MAX_BLOCK_BYTES,
    RAW,
    UNIXFS_V1_2025,
    CarBlock,
    CarEnd,
    CarHeader,
    CarReader,
    Cid,
    DagClosure,
    ImportProfile,
    cid_of,
    encode_car,
    parse_cid,
    verify_block,
)

__all__ = ["BadReference", "KuboInfo", "KuboNode", "Pin"]

MIN_KUBO: Final = (0, 37, 0)
"""The first that can be told every part of an import profile and the name of a pin (2025)."""
MAX_CAR_BYTES: Final = 1 << 40
MAX_PINS: Final = 10_000_000
STALL_S: Final = 60.0
"""How long pinning may stand still: Kubo looks in its network for a block that is not there."""
_MARGIN_S: Final = 5.0
"""A Kubo that looks in its network says that nobody was found before we stop listening."""
_EMPTY: Final = cid_of(b"").digest
"""The leaf of an empty file. Kubo (seen with 0.42) never gives it to a peer: to its server 0 bytes mean 'not here'."""
_ARGUMENTS: Final = 200
"""CIDs that go into one call."""


class KuboNode:
    """One Kubo, over its RPC. Can be used from several threads.

    Args:
        address: ``http://127.0.0.1:5001``, ``unix:/path`` or a multiaddr; empty for a Kubo on this machine.
        secret_file: the token for its ``API.Authorizations``.
        offline: ask only for what it has; otherwise it looks in its network, for ``timeout_s`` a block.
        timeout_s: seconds of silence before it is given up.
        long_s: the same where Kubo collects garbage, flushes or pins before it answers.
        stall_s: how long pinning may stand still while it looks for a block.

    Raises:
        InputError: not an address.
        ConfigurationError: the secret would go over a network unencrypted.
    """

    def __init__(
        self,
        address: str = "",
        *,
        secret_file: Path | None = None,
        offline: bool = True,
        timeout_s: float = 30.0,
        long_s: float = 600.0,
        stall_s: float = STALL_S,
    ) -> None:
        patience_s = timeout_s if offline else timeout_s + _MARGIN_S
        self.rpc = KuboRpc(address, secret_file=secret_file, timeout_s=patience_s, long_s=long_s)
        self._stall_s = stall_s
        self._look: dict[str, Any] = {"offline": True} if offline else {"timeout": f"{timeout_s:.0f}s"}

    @property
    def name(self) -> str:
        """See :class:`~etdb.blocks.port.BlockStore`."""
        return f"the Kubo at {self.rpc.name}"

    def close(self) -> None:
        """See :class:`~etdb.blocks.port.BlockStore`."""
        self.rpc.close()

    # -- the node

    def info(self) -> KuboInfo:
        """Ask who it is. The version is not judged.

        Raises:
            NotKuboError: something else answers.
            SourceError: nothing answers.
        """
        version = answered_text(self.rpc.document("version"), "Version", self.rpc.name)
        identity = self.rpc.document("id")
        peers = self.rpc.document("swarm/peers", max_bytes=1 << 24)
        setting = self.rpc.document("config", "Experimental.FilestoreEnabled")
        addresses = identity.get("Addresses") if isinstance(identity, dict) else None
        listed = peers.get("Peers") if isinstance(peers, dict) else None
        return KuboInfo(
            api=self.rpc.name,
            version=version,
            peer_id=answered_text(identity, "ID", self.rpc.name),
            addresses=tuple(map(str, addresses)) if isinstance(addresses, list) else (),
            peers=len(listed) if isinstance(listed, list) else 0,
            takes_files_in_place=isinstance(setting, dict) and setting.get("Value") is True,
        )

    def verify_version(self) -> str:
        """Ask for its version; gives it when it is new enough.

        Raises:
            KuboSetupError: too old to make our CIDs.
            NotKuboError: something else answers.
        """
        version = answered_text(self.rpc.document("version"), "Version", self.rpc.name)
        found = re.match(r"(\d{1,6})\.(\d{1,6})\.(\d{1,6})", version)
        if found is None:
            raise NotKuboError(f"{self.rpc.name} says that its version is {version[:80]!r}: it is not a Kubo")
        if tuple(map(int, found.groups())) < MIN_KUBO:
            wanted = ".".join(map(str, MIN_KUBO))
            raise KuboSetupError(
                f"the Kubo at {self.rpc.name} has version {version}; {wanted} is the first that can make our CIDs",
                hint="install a current Kubo: https://docs.ipfs.tech/install/",
                source=self.rpc.name,
            )
        return version

    def reach(self) -> Path:
        """The folder below which it can refer to files: the one that holds its repository."""
        said = self.rpc.document("repo/stat", long=True)
        return Path(answered_text(said, "RepoPath", self.rpc.name)).parent

    def connect(self, peer: str) -> None:
        """Connect it to a peer, named by an address with ``/p2p/`` at its end."""
        self.rpc.document("swarm/connect", peer)

    # -- blocks

    def get(self, cid: Cid, *, max_bytes: int = MAX_BLOCK_BYTES) -> bytes:
        """See :class:`~etdb.blocks.port.BlockStore`.

        Raises:
            VerificationError: also when the file that Kubo refers to has changed; fields ``path`` and ``offset``.
        """
        block = b"" if cid.digest == _EMPTY else identity_block(cid, max_bytes)
        if block is not None:
            return block
        try:
            block = self.rpc.block("block/get", str(cid), max_bytes=max_bytes, **self._look)
        except NotFoundError as error:
            raise not_in_store(cid, self.name) from error
        except FormatError as error:
            raise block_too_large(cid, max_bytes + 1, max_bytes) from error
        except (KuboError, VerificationError) as error:
            bad = next(self.bad_references([cid]), None)
            if bad is None:
                raise
            raise changed_file(bad, self.name) from error
        verify_block(cid, block, source=self.name)
        return block

    def has(self, cid: Cid) -> bool:
        """See :class:`~etdb.blocks.port.BlockStore`."""
        if cid.is_identity or cid.digest == _EMPTY:
            return True
        try:
            self.rpc.document("block/stat", str(cid), **self._look)
        except NotFoundError:
            return False
        except (KuboError, VerificationError):
            if next(self.bad_references([cid]), None) is None:
                raise
        return True

    def put(self, block: bytes, *, codec: int = RAW) -> Cid:
        """Give it a block, which is not pinned; gives the CID.

        Raises:
            VerificationError: Kubo makes another CID of it.
        """
        cid = cid_of(block, codec=codec)
        said = self._last("block/put", Upload(pieces=[block]), cid_codec=cid.codec_name, mhtype="sha2-256")
        self._verify_same(cid, answered_text(said, "Key", self.rpc.name))
        return cid

    # -- files in place

    def add_file(
        self,
        path: Path,
        *,
        name: str | None,
        profile: ImportProfile = UNIXFS_V1_2025,
        in_place: bool = True,
        progress: Callable[[int], None] | None = None,
    ) -> Cid:
        """Let Kubo read a file and pin it under ``name`` before it may collect garbage; gives the CID that it made.

        Args:
            path: absolute; with ``in_place`` Kubo must see the same file under this path.
            name: of the pin; None: do not pin (it is pinned already).
            profile: how the file is cut; raw leaves.
            in_place: keep a reference instead of a copy.
            progress: told the bytes of each piece that was sent.

        Raises:
            SourceFileError: the file cannot be read.
            DiskFullError: Kubo's disk is full.
            KuboSetupError: its settings do not allow files in place, or it lies outside of its reach.
        """
        pin: dict[str, Option] = {"pin": False} if name is None else {"pin": True, "pin_name": name}
        said = self._last(
            "add",
            Upload(pieces=file_pieces(path, progress), path=path.absolute() if in_place else None),
            nocopy=in_place,
            raw_leaves=True,
            cid_version=profile.cid_version,
            chunker=f"size-{profile.leaf_bytes}",
            max_file_links=profile.width,
            hash="sha2-256",
            trickle=False,
            inline=False,
            preserve_mode=False,
            preserve_mtime=False,
            progress=False,
            **pin,
        )
        return parse_cid(answered_text(said, "Hash", self.rpc.name))

    def bad_references(self, leaves: Sequence[Cid], *, remove: bool = False) -> Iterator[BadReference]:
        """Let Kubo read leaves that it has in files, and say which it cannot give.

        Args:
            leaves: those that it does not refer to are passed over.
            remove: let it forget the bad ones, so that they can be added again.
        """
        for at in range(0, len(leaves), _ARGUMENTS):
            chosen = [str(Cid(codec=RAW, digest=cid.digest)) for cid in leaves[at : at + _ARGUMENTS]]
            for line in self.rpc.lines("filestore/verify", *chosen, remove_bad_blocks=remove):
                if not isinstance(line, dict) or not isinstance(line.get("Status"), int):
                    raise NotKuboError(f"{self.rpc.name} answers filestore/verify with something else")
                # 0: right; 30: no such reference.
                if line["Status"] not in {0, 30}:
                    key = line.get("Key")
                    yield BadReference(
                        cid=str(key.get("/")) if isinstance(key, dict) else "",
                        path=str(line.get("FilePath")),
                        offset=line["Offset"] if isinstance(line.get("Offset"), int) else 0,
                        reason=str(line.get("ErrorMsg"))[:400],
                    )

    # -- pins

    def pin(self, cid: Cid, *, name: str, progress: Callable[[int], None] | None = None) -> None:
        """Pin a DAG. Kubo reads every block of it, also those in files, before the pin counts.

        Args:
            cid: the root; must not be pinned yet (Kubo would drop the old pin first).
            name: of the pin.
            progress: told how many bytes Kubo has read so far.

        Raises:
            NotFoundError: Kubo does not have the root, or looks for a block that nobody has.
            SourceError: it broke off.
            VerificationError: a file that it refers to has changed.
        """
        last, since = -1, time.monotonic()
        for line in self.rpc.lines("pin/add", str(cid), name=name, progress=True, recursive=True, **self._look):
            if isinstance(line, dict) and line.get("Pins"):
                return
            done = line.get("Bytes", line.get("Progress", 0)) if isinstance(line, dict) else None
            if not isinstance(done, int):
                raise NotKuboError(f"{self.rpc.name} answers pin/add with something else", source=self.rpc.name)
            if done != last:
                last, since = done, time.monotonic()
            elif time.monotonic() - since > self._stall_s:
                raise NotFoundError(
                    f"the Kubo at {self.rpc.name} looks for a block of {cid} that it does not have",
                    hint="add the dataset again",
                    source=self.rpc.name,
                    cid=str(cid),
                )
            if progress is not None:
                progress(done)
        raise SourceError(f"the Kubo at {self.rpc.name} broke off while pinning {cid}", source=self.rpc.name)

    def pin_name(self, cid: Cid) -> str | None:
        """The name of the recursive pin of this root, possibly empty; None when it is not pinned."""
        try:
            said = self.rpc.document("pin/ls", str(cid), type="recursive", names=True, long=True)
        except NotFoundError:
            return None
        keys = said.get("Keys") if isinstance(said, dict) else None
        if not isinstance(keys, dict) or len(keys) != 1:
            raise NotKuboError(f"{self.rpc.name} answers pin/ls with something else", source=self.rpc.name)
        pin = next(iter(keys.values()))
        return str(pin.get("Name", "")) if isinstance(pin, dict) else ""

    def pins(self) -> Iterator[Pin]:
        """All recursive pins."""
        for line in self.rpc.lines("pin/ls", type="recursive", names=True, stream=True, max_lines=MAX_PINS):
            yield Pin(cid=answered_text(line, "Cid", self.rpc.name), name=str(line.get("Name", "")))

    def unpin(self, cids: Sequence[Cid]) -> None:
        """Take recursive pins away; the blocks stay until Kubo collects garbage.

        Raises:
            NotFoundError: one of them is not pinned; others may be gone already.
        """
        for at in range(0, len(cids), _ARGUMENTS):
            self.rpc.document("pin/rm", *map(str, cids[at : at + _ARGUMENTS]), long=True)

    def provide(self, cid: Cid) -> None:
        """Tell the network that this block can be had here. Kubo does so by itself too, in its own time.

        Raises:
            KuboError: it is connected to nobody.
        """
        for _ in self.rpc.lines("routing/provide", str(cid)):
            """Each line says how far it is."""

    # -- CARs

    def import_blocks(self, roots: Sequence[Cid], blocks: Iterable[tuple[Cid, bytes]]) -> None:
        """Give it blocks as a CAR. Nothing is pinned: pin next."""
        said = self._last("dag/import", Upload(pieces=encode_car(roots, blocks)), pin_roots=False, stats=True)
        if not isinstance(said, dict) or "Stats" not in said:
            raise NotKuboError(f"{self.rpc.name} answers dag/import with something else", source=self.rpc.name)

    def export_blocks(self, root: Cid, *, max_bytes: int = MAX_CAR_BYTES) -> Iterator[CarBlock]:
        """The blocks of a DAG in one stream, each checked; it ends without an error only when the DAG is whole.

        Raises:
            NotFoundError: Kubo does not have the root.
            VerificationError: a block is not what its CID says.
            FormatError: not a CAR, cut off, or too long.
            SourceError: blocks are missing.
        """
        reader, closure = CarReader(source=self.name), DagClosure([root])
        pieces = self.rpc.pieces("dag/export", str(root), max_bytes=max_bytes, progress=False, **self._look)
        while not isinstance(event := reader.next_event(), CarEnd):
            if isinstance(event, CarBlock):
                closure.take(event.cid, event.data)
                yield event
            elif not isinstance(event, CarHeader):
                reader.receive_data(next(pieces, b""))
        coverage = closure.result()
        if not coverage.is_complete:
            raise SourceError(
                f"{self.name} left out {coverage.missing_blocks} blocks of {root}",
                hint="ask another source",
                source=self.name,
                cid=str(root),
            )

    # -- inside

    def _last(self, command: str, upload: Upload, **options: Option) -> Any:
        """The last of the documents with which Kubo answers an upload."""
        last = None
        for line in self.rpc.lines(command, upload=upload, max_lines=1000, **options):
            last = line
        if last is None:
            raise SourceError(f"the Kubo at {self.rpc.name} breaks off in {command}", source=self.rpc.name)
        return last

    def _verify_same(self, cid: Cid, said: str) -> None:
        if parse_cid(said).digest != cid.digest:
            raise VerificationError(
                f"{self.name} makes {said} of what is {cid}", cid=str(cid), source=self.rpc.name, hint="is it a Kubo?"
            )
