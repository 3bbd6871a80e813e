"""The proofs: what the chain's, the protocol's and the content's formats together say about a record.

Each function takes evidence and gives one result; none of them raises for bad evidence, that is what ``failed`` is.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from etdb.errors import EtdbError, VerificationError
from etdb.flo import (
    CannotJudgeError,
    MerkleProof,
    Network,
    hash_script,
    input_key,
    owns_address,
    parse_header,
    parse_transaction,
    recover_message_address,
    verify_input,
    verify_message,
    verify_pow,
    verify_proof,
)
from etdb.ipfs import parse_cid, verify_block
from etdb.manifest import Manifest, compare
from etdb.oip import Part, PublishMessage, Tomogram
from etdb.trust.claims import Claim, ClaimResult, Outcome

__all__ = [
    "check_artifact",
    "check_inclusion",
    "check_manifest",
    "check_parts",
    "check_transaction_signatures",
    "check_work",
    "is_part_signed",
]

_SHOWN_DIFFERENCES = 20
_INNER_NODE_BYTES = 64


def _result(claim: Claim, why: str = "", outcome: Outcome | None = None) -> ClaimResult:
    return ClaimResult(claim=claim, outcome=outcome or (Outcome.FAILED if why else Outcome.HELD), detail=why)


def check_artifact(message: PublishMessage, network: Network) -> ClaimResult:
    """Whether the publisher that the record names signed its location and time."""
    try:
        verify_message(message.tomogram.publisher, message.preimage, message.signature, network)
    except EtdbError as error:
        return _result(Claim.ARTIFACT_SIGNATURE, error.message)
    return _result(Claim.ARTIFACT_SIGNATURE)


def is_part_signed(part: Part, network: Network) -> bool:
    """Whether the address that a part names signed it."""
    for preimage in part.preimages:
        try:
            if recover_message_address(preimage, part.signature, network) == part.address:
                return True
        except EtdbError:
            continue
    return False


def check_parts(parts: Sequence[Part], publisher: str, network: Network) -> ClaimResult:
    """Whether the record's publisher signed every part. A record in one transaction has none."""
    claim = Claim.MULTIPART_SIGNATURES
    if not parts:
        return _result(claim, "the record is in one transaction", Outcome.NOT_POSSIBLE)
    for part in parts:
        if part.address != publisher or not is_part_signed(part, network):
            return _result(claim, f"part {part.number} is not signed by {publisher}")
    return _result(claim)


def check_transaction_signatures(raws: Iterable[tuple[bytes, bytes]], publisher: str, network: Network) -> ClaimResult:
    """Whether the publisher's key signed these transactions, their text included.

    Args:
        raws: each transaction's bytes, and the text that is taken from it.
        publisher: the address that should have signed.
        network: whose address form that is.
    """
    claim = Claim.TRANSACTION_SIGNATURE
    unjudged = ""
    for raw, text in raws:
        try:
            why = _unsigned(raw, text, publisher, network)
        except CannotJudgeError as error:
            unjudged = unjudged or error.message
            continue
        except VerificationError as error:
            why = error.message
        if why:
            return _result(claim, why)
    return _result(claim, unjudged, Outcome.NOT_POSSIBLE) if unjudged else _result(claim)


def _unsigned(raw: bytes, text: bytes, publisher: str, network: Network) -> str:
    transaction = parse_transaction(raw)
    if transaction.flo_data != text:
        return f"transaction {transaction.txid} carries another text"
    reasons, unjudged = [], []
    for index, one in enumerate(transaction.inputs):
        shown = input_key(transaction, index)
        if shown is None and (one.script_sig or transaction.witnesses):
            unjudged.append(index)  # a P2PK coin or a script: what it shows does not say whose it is
        if shown is None or not owns_address(shown[1], publisher, network):
            continue
        if transaction.witnesses and transaction.witnesses[index]:
            unjudged.append(index)  # its amount is signed too, and stands in another transaction
            continue
        signature = verify_input(transaction, index, hash_script(shown[1].hash))
        if signature.covers_flo_data and signature.covers_everything:
            return ""
        reasons.append(f"the signature of transaction {transaction.txid} does not cover its text")
    if unjudged and not reasons:
        raise CannotJudgeError(
            f"input {unjudged[0]} of transaction {transaction.txid} cannot be judged without the coin that it spends"
        )
    return reasons[0] if reasons else f"no input of transaction {transaction.txid} is signed by {publisher}"


def check_inclusion(
    raw: bytes, header: bytes, position: int, branch: tuple[bytes, ...], block_hash: str
) -> ClaimResult:
    """Whether a transaction is in the block with this hash."""
    if len(raw) == _INNER_NODE_BYTES:
        return _result(Claim.BLOCK_INCLUSION, "64 bytes can be an inner node of the tree, and prove no transaction")
    try:
        txid = parse_transaction(raw).txid
        parsed = parse_header(header)
        if parsed.block_hash != block_hash:
            return _result(Claim.BLOCK_INCLUSION, f"the header is of block {parsed.block_hash}, not {block_hash}")
        verify_proof(MerkleProof(txid=txid, index=position, branch=branch), parsed.merkle_root)
    except EtdbError as error:
        return _result(Claim.BLOCK_INCLUSION, error.message)
    return _result(Claim.BLOCK_INCLUSION)


def check_work(header: bytes, network: Network, *, has_work: bool, checked_blocks: int = 0) -> ClaimResult:
    """Whether work stands behind a block; a chain whose blocks cost nothing can prove none.

    Args:
        header: of the block.
        network: whose rules apply.
        has_work: whether blocks of this chain cost anything.
        checked_blocks: how many blocks stand from this one up whose work the reader's own ledger checked, along with
            that of those below them down to a known block.
    """
    claim = Claim.HEADER_CHAIN_WORK
    if not has_work:
        return _result(claim, "blocks of a local chain cost nothing, so they protect nothing", Outcome.NOT_POSSIBLE)
    try:
        verify_pow(parse_header(header), network)
    except EtdbError as error:
        return _result(claim, error.message)
    if checked_blocks < 1:
        return _result(claim, "the work of the headers up to this block is not checked yet", Outcome.NOT_CHECKED)
    detail = f"checked from a known block up to {checked_blocks - 1} blocks above this one"
    return _result(claim, detail, Outcome.HELD)


def check_manifest(
    manifest: Manifest | None, tomogram: Tomogram, *, block: tuple[str, bytes] | None = None
) -> ClaimResult:
    """Whether a manifest says what the record says.

    Args:
        manifest: as read from the record's directory, or None when there is none.
        tomogram: the record.
        block: the CID under which the directory links the manifest and its bytes, when they are one block.
    """
    claim = Claim.MANIFEST_AGREES
    if manifest is None:
        return _result(
            claim, "there is no manifest: the location is signed, the other fields are not", Outcome.NOT_POSSIBLE
        )
    if block is not None:
        try:
            verify_block(parse_cid(block[0]), block[1])
        except EtdbError as error:
            return _result(claim, error.message)
    differences = compare(manifest, tomogram)
    shown = [
        f"{one.field}: manifest {str(one.in_manifest)[:80]!r}, record {str(one.in_record)[:80]!r}"
        for one in differences[:_SHOWN_DIFFERENCES]
    ]
    if len(differences) > _SHOWN_DIFFERENCES:
        shown.append(f"and {len(differences) - _SHOWN_DIFFERENCES} more")
    return _result(claim, "; ".join(shown))
