"""Our transactions, read by npm flocore-lib: the same ids, the same text, signatures that it takes."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from etdb import flo

pytestmark = pytest.mark.node


def make(text: bytes, inputs: int, *, compressed: bool = True) -> tuple[flo.Transaction, bytes]:
    key = flo.PrivateKey(bytes(range(32)), compressed=compressed)
    script = flo.hash_script(key.public_key.hash)
    plain = flo.Transaction(
        inputs=tuple(flo.TxInput(f"{number + 1:064x}", number) for number in range(inputs)),
        outputs=(flo.TxOutput(10**8, script), flo.TxOutput(0, b"")),
        flo_data=text,
    )
    return flo.sign_all(plain, key), script


def test_our_transactions_are_read_alike(run_node: Callable[..., str]):
    made = [
        make(b"", 1),
        make(b"x", 1),
        make(b"y" * 252, 2),
        make(b"z" * 253, 3),
        make('json:{"title":"é ✓ 𝄞"}'.encode(), 1, compressed=False),
        make(b"text:" + b"a" * 535, 1),
        make(b"b" * flo.MAX_FLO_DATA_BYTES, 20),
    ]
    asked = [{"hex": one.encode().hex(), "scripts": [script.hex()] * len(one.inputs)} for one, script in made]
    answers = json.loads(run_node("flocore_read.mjs", json.dumps(asked)))
    for (transaction, _), answer in zip(made, answers, strict=True):
        assert answer["id"] == transaction.txid
        assert answer["hex"] == transaction.encode().hex()
        assert answer["text"] == transaction.flo_data.decode()
        assert answer["verified"] == [True] * len(transaction.inputs)


def test_it_notices_a_changed_text_as_we_do(run_node: Callable[..., str]):
    signed, script = make(b"text:signed", 1)
    raw = signed.encode().replace(b"text:signed", b"text:Signed")
    [answer] = json.loads(run_node("flocore_read.mjs", json.dumps([{"hex": raw.hex(), "scripts": [script.hex()]}])))
    assert answer["verified"] == [False]
    assert answer["id"] == flo.parse_transaction(raw).txid
