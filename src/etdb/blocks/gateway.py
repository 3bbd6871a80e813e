"""A trustless HTTP gateway as a block store: any gateway will do, because every byte is checked here.

For bulk download, in the order of speed:

1. :meth:`GatewayStore.read_leaves`: one ``Range`` request on a file for many neighbouring leaves. Plain bytes come
   into one buffer that the caller uses again; each leaf is hashed as soon as it is complete and handed out only when
   it is right. Plan with ``etdb.ipfs.DagWalk`` and ``group_leaves(leaves, 16 MiB)``; give each thread its own buffer
   of the largest leaf (2 MiB always suffices) and let it ``pwrite`` what it gets at ``leaf.offset``. Two to four
   threads fill a machine; 8 to 16 MiB a request is enough.
2. :meth:`GatewayStore.read_leaf_into`: one raw block into a buffer: for gateways without ranges, for single leaves,
   and to ask another source again for the one leaf that was wrong.
3. :meth:`GatewayStore.fetch_car`: whole small datasets in one request.

All can be called from several threads at once; connections are kept and used again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.client import HTTPResponse

from etdb.blocks.http import HttpSource
from etdb.blocks.port import identity_block
from etdb.errors import FormatError, InputError, NotFoundError, SourceError
from etdb.ipfs import (
    MAX_BLOCK_BYTES,
    CarBlock,
    CarEnd,
    CarHeader,
    CarReader,
    Cid,
    DagClosure,
    DagScope,
    LeafFound,
    verify_block,
    verify_leaf,
)

__all__ = ["MAX_CAR_BYTES", "GatewayStore"]

MAX_CAR_BYTES = 1 << 30
"""The longest CAR that :meth:`GatewayStore.fetch_car` reads unless told otherwise."""

_RAW = "application/vnd.ipld.raw"
_CAR = "application/vnd.ipld.car"
_PIECE = 256 * 1024


class GatewayStore:
    """The blocks that a gateway gives out.

    Args:
        url: where its ``/ipfs/`` is.
        timeout_s: seconds of silence before it is given up.
        slowest_bytes_per_s: a whole request that is slower than this is given up.
        public_only: never call an address of this machine or of a private network, whatever the name leads to.
        headers: of every request.

    Raises:
        InputError: not the address of a gateway.
    """

    def __init__(
        self,
        url: str,
        *,
        timeout_s: float = 30.0,
        slowest_bytes_per_s: int = 16 * 1024,
        public_only: bool = False,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self._http = HttpSource(
            url, timeout_s=timeout_s, slowest_bytes_per_s=slowest_bytes_per_s, public_only=public_only, headers=headers
        )

    @property
    def name(self) -> str:
        """See :class:`~etdb.blocks.port.BlockStore`."""
        return self._http.url

    def get(self, cid: Cid, *, max_bytes: int = MAX_BLOCK_BYTES) -> bytes:
        """See :class:`~etdb.blocks.port.BlockStore`.

        Raises:
            SourceError: the gateway cannot be reached, is too slow, redirects or answers otherwise.
        """
        block = identity_block(cid, max_bytes)
        if block is None:
            with self._raw("GET", cid, max_bytes) as response:
                block = self._http.read_all(response, max_bytes, f"the IPLD block {cid}")
            verify_block(cid, block, source=self.name)
        return block

    def has(self, cid: Cid) -> bool:
        """Whether the gateway says that it has the block."""
        if cid.is_identity:
            return True
        try:
            with self._raw("HEAD", cid, 0):
                return True
        except NotFoundError:
            return False

    def close(self) -> None:
        """See :class:`~etdb.blocks.port.BlockStore`."""
        self._http.close()

    def read_leaf_into(self, cid: Cid, buffer: bytearray | memoryview) -> int:
        """Read a raw block into the start of ``buffer`` and check it there; gives its length.

        Nothing is allocated or copied. What stands in the buffer after an error is not to be used.

        Raises:
            VerificationError: other bytes; fields ``cid`` and ``source``.
            FormatError: larger than the buffer.
            NotFoundError, SourceError: as :meth:`get`.
        """
        view = memoryview(buffer)
        with self._raw("GET", cid, len(view)) as response:
            if response.length is not None and response.length > len(view):
                raise FormatError(f"the IPLD block {cid} from {self.name} has {response.length} bytes", cid=str(cid))
            said = response.length
            length = self._http.read_into(response, view)
            if (said is not None and length != said) or (said is None and response.read(1)):
                raise SourceError(f"{self.name} sends {length} bytes of the IPLD block {cid}", source=self.name)
        verify_block(cid, view[:length], source=self.name)
        return length

    def read_leaves(
        self,
        file_cid: Cid,
        leaves: Sequence[LeafFound],
        buffer: bytearray | memoryview,
    ) -> Iterator[tuple[LeafFound, memoryview]]:
        """Read neighbouring leaves of one file in one request; each comes out as soon as it is checked.

        Args:
            file_cid: the file, ``FileFound.cid``.
            leaves: in their order, each beginning where the one before ends, all of known length.
            buffer: at least as long as the longest leaf. Each view that is given out lies in it and is good until
                the next is asked for.

        Raises:
            VerificationError: a leaf is wrong (fields ``cid``, ``offset``, ``path``, ``source``). Those that came
                before it are right. Ask for the rest elsewhere, or here with :meth:`read_leaf_into`.
            SourceError: the gateway does not serve ranges (then use :meth:`read_leaf_into`), or as :meth:`get`.
        """
        if not leaves:
            return
        view = memoryview(buffer)
        start, end = leaves[0].offset, leaves[0].offset
        for leaf in leaves:
            if leaf.length is None or leaf.offset != end or leaf.length > len(view):
                raise InputError("leaves of one request are neighbours of known length that fit the buffer")
            end += leaf.length
        headers = {"Range": f"bytes={start}-{end - 1}"}
        path = f"/ipfs/{file_cid}"
        with self._http.request("GET", path, expected_bytes=end - start, headers=headers) as response:
            self._verify_range(response, file_cid, start, end)
            for leaf in leaves:
                piece = view[: leaf.length]
                if self._http.read_into(response, piece) != len(piece):
                    raise SourceError(
                        f"{self.name} broke off in the leaf at offset {leaf.offset} of {file_cid}",
                        hint="the leaves before it are right: go on from here",
                        source=self.name,
                        offset=leaf.offset,
                    )
                verify_leaf(leaf, piece, source=self.name)
                yield leaf, piece

    def fetch_car(
        self,
        cid: Cid,
        *,
        scope: DagScope = "all",
        entity_bytes: tuple[int, int] | None = None,
        max_bytes: int = MAX_CAR_BYTES,
    ) -> Iterator[CarBlock]:
        """The blocks of a DAG in one request, in the gateway's order, each checked against its own CID.

        It ends without an error only when all blocks that were asked for have come; blocks may come twice, and blocks
        that nobody asked for may be among them.

        Args:
            cid: the root.
            scope: the block alone; the file or directory; everything below.
            entity_bytes: only what the bytes ``(start, stop)`` of a file need, ``stop`` not included.
            max_bytes: the longest response that is read.

        Raises:
            FormatError: not a CAR, cut off, or too long.
            VerificationError: a block is not what its CID says.
            SourceError: blocks are missing (field ``missing``); those that came are right. Or as :meth:`get`.
            NotFoundError: as :meth:`get`.
        """
        start, stop = entity_bytes or (0, None)
        closure = DagClosure([cid], "entity" if entity_bytes else scope, start=start, stop=stop)
        query = f"format=car&dag-scope={scope}"
        if entity_bytes is not None:
            query = f"format=car&dag-scope=entity&entity-bytes={entity_bytes[0]}:{entity_bytes[1] - 1}"
        reader = CarReader(source=self.name)
        total = 0
        with self._http.request(
            "GET", f"/ipfs/{cid}?{query}", expected_bytes=max_bytes, headers={"Accept": _CAR}
        ) as response:
            self._verify_type(response, _CAR)
            while True:
                event = reader.next_event()
                if isinstance(event, CarBlock):
                    closure.take(event.cid, event.data)
                    yield event
                elif isinstance(event, CarEnd):
                    break
                elif not isinstance(event, CarHeader):
                    piece = response.read1(_PIECE)
                    total += len(piece)
                    if total > max_bytes:
                        raise FormatError(f"the CAR of {cid} from {self.name} has more than {max_bytes} bytes")
                    reader.receive_data(piece)
        coverage = closure.result()
        if not coverage.is_complete:
            raise SourceError(
                f"{self.name} left out {coverage.missing_blocks} blocks of {cid}, the first is {coverage.missing[0]}",
                hint="fetch those alone, or ask another source",
                source=self.name,
                cid=str(cid),
                missing=tuple(map(str, coverage.missing)),
            )

    @contextmanager
    def _raw(self, method: str, cid: Cid, size: int) -> Iterator[HTTPResponse]:
        with self._http.request(
            method, f"/ipfs/{cid}?format=raw", expected_bytes=size, headers={"Accept": _RAW}
        ) as response:
            self._verify_type(response, _RAW)
            yield response

    def _verify_type(self, response: HTTPResponse, wanted: str) -> None:
        found = response.getheader("Content-Type", "").partition(";")[0].strip().lower()
        if found != wanted:
            raise SourceError(
                f"{self.name} answers with {found[:80] or 'no type'}, not {wanted}",
                hint="is it a trustless gateway?",
                source=self.name,
            )

    def _verify_range(self, response: HTTPResponse, cid: Cid, start: int, stop: int) -> None:
        found = re.fullmatch(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)", response.getheader("Content-Range", ""))
        is_whole = response.status == 200 and start == 0 and response.length == stop
        is_range = (
            response.status == 206
            and found is not None
            and (int(found[1]), int(found[2])) == (start, stop - 1)
            and response.length == stop - start
        )
        if not is_whole and not is_range:
            raise SourceError(
                f"{self.name} does not serve bytes {start} to {stop} of {cid} as asked",
                hint="read single leaves from it, or use another source",
                source=self.name,
                cid=str(cid),
                status=response.status,
            )
