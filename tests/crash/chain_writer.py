"""Write a chain without end: submit, settle, mine; each thing that is acknowledged is said on standard output.

python chain_writer.py FOLDER
"""

from __future__ import annotations

import sys
from pathlib import Path

from etdb.flo import REGTEST, PrivateKey
from etdb.ledger import ChainFullError, Limits, LocalChain, Wallet

key = PrivateKey(bytes(range(1, 33)))
address = key.address(REGTEST)


def say(*words: object) -> None:
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


say("begin")
chain = LocalChain(Path(sys.argv[1]), writable=True)
if chain.tip().height < 101:
    chain.mine(101 - chain.tip().height, address)
say("tip", chain.tip().height, chain.tip().block_hash)
turn = 0
while True:
    turn += 1
    wallet = Wallet(key, REGTEST, Limits(), chain.coins(address))
    for number in range(turn % 7 + 1):
        try:
            signed = wallet.sign(b"%d %d " % (turn, number) + b"x" * 900)
        except ChainFullError:
            break
        chain.submit(signed.raw)
        say("sent", signed.txid)
    if turn % 3:
        chain.settle()
    else:
        chain.mine(turn % 5 + 1, address)
    say("tip", chain.tip().height, chain.tip().block_hash)
