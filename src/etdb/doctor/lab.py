"""Checks of what a workspace leans on outside of itself: FLO node, coins, clock, Kubo, gateways."""

from __future__ import annotations

import time
from contextlib import closing
from typing import Final

from etdb.blocks.gateway import GatewayStore
from etdb.doctor.finding import Finding, Found, NotChecked, Patient, Severity
from etdb.errors import EtdbError
from etdb.flo import parse_header
from etdb.ipfs import cid_of
from etdb.ledger import transaction_size
from etdb.ledger.node import FloNode
from etdb.ledger.node_checks import NodeReport

__all__ = ["check_gateways", "check_kubo", "check_node"]

_RECORD_TRANSACTIONS: Final = 4
_FULL_MESSAGE_BYTES: Final = 1040
_FEW_RECORDS: Final = 10
_CLOCK_AHEAD_S: Final = 2 * 3600
"""A block may be from the future by so much (a rule of the chain); a clock that says more is wrong."""


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
    headers = node.headers(report.height, 1) if report.height >= 0 else []
    if headers and parse_header(headers[0]).time_s > time.time() + _CLOCK_AHEAD_S:
        what = f"block {report.height} is more than two hours ahead of the clock of this machine"
        yield _finding("node", report.url, what, "set the clock of this machine"), None


def _check_coins(patient: Patient, node: FloNode) -> Found:
    limits = patient.services.limits
    record_sat = max(1, _RECORD_TRANSACTIONS * limits.fee_sat(transaction_size(1, 1, _FULL_MESSAGE_BYTES)))
    for key in patient.workspace.keyring.list():
        have_sat = sum(coin.amount_sat for coin in node.coins(key.address))
        records = have_sat // record_sat
        what = f"{key.address} holds {have_sat} satoshi: enough for about {records} records of four transactions"
        if not records:
            advice = f"send coins to {key.address}; etdb publish PATH --dry-run says what a plan costs"
            yield _finding("coins", key.name, what, advice), None
        elif records < _FEW_RECORDS:
            advice = "etdb publish PATH --dry-run says what a plan costs"
            yield _finding("coins", key.name, what, advice, severity="note"), None


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
