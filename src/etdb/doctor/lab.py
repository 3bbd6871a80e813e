"""Checks of what a workspace leans on outside of itself: FLO node, coins, clock, Kubo, gateways."""

from __future__ import annotations

import time
from contextlib import closing
from typing import Final, NamedTuple

from etdb.blocks.gateway import GatewayStore
from etdb.doctor.finding import Finding, Found, NotChecked, Patient, Severity
from etdb.errors import EtdbError
from etdb.flo import parse_header
from etdb.ipfs import cid_of
from etdb.ledger import transaction_size
from etdb.ledger.node import FloNode
from etdb.ledger.node_checks import NodeReport
from etdb.publish import Journal, plan_waiting

__all__ = ["check_gateways", "check_kubo", "check_node"]

_RECORD_TRANSACTIONS: Final = 4
_FULL_MESSAGE_BYTES: Final = 1040
_CLOCK_WRONG_S: Final = 2 * 3600
"""A block may be from the future by so much (a rule of the chain); a clock that says more is wrong."""
_CLOCK_DOUBTFUL_S: Final = 10 * 60
"""So far apart two clocks that are set by the network are not."""


_ASKED_FOR: Final = cid_of(b"")


def check_node(patient: Patient) -> Found:
    """The FLO node answers, is of this network and in step; the clock agrees with its chain; the keys have coins."""
    if patient.services.open_node is None:
        has_none = patient.has_own_chain or patient.services.open_ledger is not None
        yield NotChecked("node", "the ledger is not a node" if has_none else "it was not asked for")
        return
    with closing(patient.services.open_node()) as node:
        try:
            report = node.report()
        except EtdbError as error:
            yield _finding("node", patient.workspace.settings.node.url or "[node] url", error.message, error.hint), None
            return
        for problem in report.problems:
            what, _, advice = problem.partition("; ")
            yield _finding("node", report.url, what, advice), None
        yield from _check_clock(node, report)
        if not report.problems:
            yield from _check_coins(patient, node)


def _check_clock(node: FloNode, report: NodeReport) -> Found:
    """This machine's clock beside the chain, the node's own clock and those of its peers, ahead or behind."""
    advice = "set the clock of this machine, and let it be set by the network (NTP)"
    headers = node.headers(report.height, 1) if report.height >= 0 else []
    if headers and parse_header(headers[0]).time_s > time.time() + _CLOCK_WRONG_S:
        what = f"block {report.height} is more than two hours ahead of the clock of this machine"
        yield _finding("node", report.url, what, advice), None
        return
    for ahead_s, whose in (
        (report.clock_ahead_s, "of the node's machine"),
        (-report.peers_offset_s, "of the node's peers, if it runs on this machine"),
    ):
        if abs(ahead_s) > _CLOCK_DOUBTFUL_S:
            is_wrong = abs(ahead_s) > _CLOCK_WRONG_S
            way = "ahead of" if ahead_s > 0 else "behind"
            what = f"the clock of this machine is {_spoken(abs(ahead_s))} {way} that {whose}"
            yield _finding("node", report.url, what, advice, severity="error" if is_wrong else "warning"), None
            return


def _spoken(seconds: int) -> str:
    return f"{seconds / 3600:.1f} hours" if seconds >= _CLOCK_WRONG_S else f"{seconds // 60} minutes"


class _Waiting(NamedTuple):
    """What the journal has begun and not wholly sent for a key."""

    messages: int
    fee_sat: int


def _check_coins(patient: Patient, node: FloNode) -> Found:
    """Whether each key's coins suffice for what waits in the journal, and for how many records more."""
    limits = patient.services.limits
    record_sat = max(1, _RECORD_TRANSACTIONS * limits.fee_sat(transaction_size(1, 1, _FULL_MESSAGE_BYTES)))
    for key in patient.workspace.keyring.list():
        have_sat = sum(coin.amount_sat for coin in node.coins(key.address))
        waiting = _waiting(patient, node, key.address)
        left_sat = have_sat - waiting.fee_sat
        what = f"{key.address} holds {have_sat} satoshi: "
        if waiting.fee_sat:
            goes_to = f"{waiting.messages} messages that wait in the journal (about {waiting.fee_sat})"
            what += f"enough for {goes_to}, and then " if left_sat >= 0 else f"not enough for {goes_to}"
        if left_sat < 0:
            advice = f"send {-left_sat} satoshi or more to {key.address}, then run the same etdb publish again"
            yield _finding("coins", key.name, what, advice), None
            continue
        records = left_sat // record_sat
        what += f"enough for about {records} records of four transactions"
        advice = f"send coins to {key.address}; etdb publish PATH --dry-run says what a plan costs"
        is_empty = not (records or waiting.fee_sat)
        severity: Severity = "error" if is_empty else "note"
        yield _finding("coins", key.name, what, advice if is_empty else "", severity=severity), None


def _waiting(patient: Patient, node: FloNode, address: str) -> _Waiting:
    path = patient.workspace.journal_path
    if not path.exists():
        return _Waiting(0, 0)
    with closing(Journal(path)) as journal:
        plan = plan_waiting(publisher=address, journal=journal, ledger=node, limits=patient.services.limits)
    return _Waiting(len(plan.datasets), plan.fee_sat)


def check_kubo(patient: Patient) -> Found:
    """The Kubo answers, is new enough, and refers to files where they are."""
    if patient.services.open_kubo is None:
        yield NotChecked("kubo", "it was not asked for: etdb doctor --kubo")
        return
    with closing(patient.services.open_kubo()) as kubo:
        try:
            kubo.verify_version()
            info = kubo.info()
        except EtdbError as error:
            yield _finding("kubo", kubo.name, error.message, error.hint), None
            return
        if not info.takes_files_in_place:
            advice = "ipfs config --json Experimental.FilestoreEnabled true, then start Kubo again; or add with --copy"
            what = "it does not refer to files where they are"
            yield _finding("kubo", info.api, what, advice, severity="warning"), None
        if not info.peers:
            what, advice = "it is connected to no peer, so nobody can fetch from it", "is the network reachable?"
            yield _finding("kubo", info.api, what, advice, severity="warning"), None


def check_gateways(patient: Patient) -> Found:
    """Every gateway of the settings answers. CARs on plain web servers are not looked at: they answer nothing else."""
    named = patient.workspace.settings.gateways
    if not (named and patient.services.has_gateways):
        yield NotChecked("gateways", "they were not asked for" if named else "the settings name none")
        return
    urls = [one for one in named if not one.endswith(".car")]
    if len(urls) < len(named):
        yield NotChecked("gateways", f"{len(named) - len(urls)} CARs on web servers, which answer nothing else")
    for url in urls:
        with closing(GatewayStore(url)) as gateway:
            try:
                gateway.has(_ASKED_FOR)  # whether it has it or not: it answers
            except EtdbError as error:
                advice = error.hint or "is it running? The others are used meanwhile"
                yield _finding("gateways", url, error.message, advice, severity="warning"), None


def _finding(check: str, where: str, what: str, advice: str, *, severity: Severity = "error") -> Finding:
    return Finding(check=check, severity=severity, where=where, what=what, advice=advice)
