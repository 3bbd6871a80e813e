"""A chain as a node has it on its disk: real blocks of regtest, mined once and kept for the next run."""

from __future__ import annotations

import os
import random
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from etdb.flo import (
    REGTEST,
    Block,
    PrivateKey,
    Transaction,
    TxInput,
    TxOutput,
    address_script,
    encode_block,
    parse_block,
    sign_all,
)
from etdb.ledger.mining import next_block

KEY = PrivateKey(bytes(range(1, 33)))
SCRIPT = address_script(KEY.address(REGTEST), REGTEST)
_VERSION = 1
_FILE_BYTES = 16 << 20
_RIPE = 100
_LANES = 300
_TEXT_BLOCKS = 0.25
_FEE_SAT = 100_000
_START_S = 1_700_000_000


def build(count: int) -> Iterator[bytes]:
    """A chain of this many blocks, the network's first one among them: in one of four there is text, signed and paid.

    Most blocks have a coinbase alone, as FLO's do; a block with text has one to three transactions of a record.
    """
    random_ = random.Random(count)
    yield REGTEST.genesis_block
    previous = parse_block(REGTEST.genesis_block).header.block_hash
    times_s: list[int] = []
    coins: list[tuple[str, int, int]] = []
    ripening: list[tuple[str, int, int]] = []
    for height in range(1, count):
        transactions = []
        if coins and random_.random() < _TEXT_BLOCKS:
            for _ in range(min(random_.choice((1, 2, 3)), len(coins))):
                coins, spent = coins[1:], coins[0]
                transactions.append(_record(random_, spent))
        block = next_block(
            REGTEST,
            height=height,
            previous_hash=previous,
            times_s=times_s,
            now_s=_START_S + 40 * height,
            pays=SCRIPT,
            flo_data=b"",
            transactions=transactions,
        )
        yield encode_block(block)
        previous = block.header.block_hash
        times_s = [block.header.time_s, *times_s[:10]]
        coins += [(one.txid, 0, one.outputs[0].value_sat) for one, _ in transactions]
        if len(ripening) < _LANES:
            ripening.append(_coinbase_coin(block))
        if height >= _RIPE and height - _RIPE < len(ripening):
            coins.append(ripening[height - _RIPE])


def _coinbase_coin(block: Block) -> tuple[str, int, int]:
    coinbase = block.transactions[0]
    return coinbase.txid, 0, coinbase.outputs[0].value_sat


def _record(random_: random.Random, coin: tuple[str, int, int]) -> tuple[Transaction, int]:
    txid, vout, amount_sat = coin
    unsigned = Transaction(
        inputs=(TxInput(txid, vout),),
        outputs=(TxOutput(amount_sat - _FEE_SAT, SCRIPT),),
        flo_data=b"oip042:" + random_.randbytes(500).hex()[:1000].encode(),
    )
    return sign_all(unsigned, KEY, (TxOutput(amount_sat, SCRIPT),)), _FEE_SAT


def frame(block: bytes) -> bytes:
    return REGTEST.magic + len(block).to_bytes(4, "little") + block


def cached_folder(count: int) -> Path:
    """A blocks folder with such a chain, as a node writes it: blocks come in windows, out of order."""
    place = Path(tempfile.gettempdir()) / f"etdb-bench-{os.getuid()}"
    place.mkdir(mode=0o700, exist_ok=True)
    if place.stat().st_uid != os.getuid():
        raise SystemExit(f"{place} belongs to somebody else")
    folder = place / f"blocks-{_VERSION}-{count}"
    if folder.is_dir():
        return folder
    print(f"  mining {count:,} blocks once, into {folder}", flush=True)
    making = Path(tempfile.mkdtemp(dir=place))
    try:
        _write(making, count)
        making.rename(folder)
    except OSError:
        if not folder.is_dir():  # otherwise another run was first
            raise
    finally:
        shutil.rmtree(making, ignore_errors=True)
    return folder


def _write(folder: Path, count: int) -> None:
    random_ = random.Random(count)
    number, size, window = 0, 0, []
    file = (folder / "blk00000.dat").open("wb")

    def write_window() -> None:
        nonlocal number, size, file
        random_.shuffle(window)
        for block in window:
            if size + len(block) > _FILE_BYTES:
                file.close()
                number, size = number + 1, 0
                file = (folder / f"blk{number:05d}.dat").open("wb")
            size += file.write(frame(block))
        window.clear()

    for block in build(count):
        window.append(block)
        if len(window) == 128:
            write_window()
    write_window()
    file.write(bytes(1 << 16))
    file.close()


def size_of(folder: Path) -> int:
    """How many bytes a folder has."""
    return sum(path.stat().st_size for path in folder.iterdir())
