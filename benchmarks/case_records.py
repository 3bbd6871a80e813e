"""Records published and indexed a second through the real commands, start-up included, on a ledger of one's own.

The references do only what nobody can leave out: for a published record two signatures and a durable commit for each of
its transactions; for an indexed one a signature's check for each transaction and one row of full text.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from benchmarks.measure import Figure, Settings, by_turns, rate
from benchmarks.reference_records import check_and_insert, sign_and_commit
from etdb.demo.commands import Commands
from etdb.testing.images import mrc_header

_RECORDS = 200
_TOML = """\
title = "Cell {number:04d}, whole, single axis"
description = "{text}"
species = "Vibrio cholerae"
microscope = "Polara"
microscopist = "Ada Lovelace"
institution = "Bench"
acquired_on = 2014-01-14
tilt_min_deg = -60.0
tilt_max_deg = 60.0
tilt_step_deg = 1.0
sid = "bench{number:04d}"
"""
_TEXT = (
    "Vitreous ice, flagellum and chemoreceptor array visible, pili at one pole, storage granules near the other. " * 3
)


def run(settings: Settings) -> list[Figure]:
    lab = settings.folder / "lab"
    for number in range(_RECORDS):
        dataset = lab / f"bench{number:04d}"
        dataset.mkdir(parents=True)
        (dataset / "dataset.toml").write_text(_TOML.format(number=number, text=_TEXT.strip()), encoding="utf-8")
        (dataset / "cell_rec.mrc").write_bytes(mrc_header(1024) + number.to_bytes(4, "big") * 256)
    sent: list[int] = []

    def publish() -> float:
        etdb = _workspace(settings.folder / "workspace")
        report = etdb.run("publish", str(lab), "--yes", passphrase=True)
        assert len(report["datasets"]) == _RECORDS
        sent.append(int(report["transactions_sent"]))
        return _RECORDS / etdb.seconds

    def index() -> float:
        workspace = settings.folder / "workspace"
        (workspace / "cache" / "catalogue.sqlite").unlink(missing_ok=True)
        etdb = Commands(workspace)
        etdb.run("index")
        return _RECORDS / etdb.seconds

    publish()
    transactions = sent[0]
    published, signed, indexed, checked = by_turns(
        settings.turns,
        publish,
        lambda: rate(_RECORDS, lambda: sign_and_commit(settings.folder / "reference.sqlite", transactions)),
        index,
        lambda: rate(_RECORDS, lambda: check_and_insert(settings.folder / "reference.sqlite", transactions)),
    )
    note = f"{_RECORDS} records in {transactions} transactions, one small image each; process start included"
    return [
        Figure(
            name="records published",
            unit="records/s",
            ours=published,
            reference=signed,
            reference_name="two signatures and a durable commit a transaction, nothing else",
            note=f"{note}; bound by the previews: four pictures a record, each synced to the disk, take three fifths",
        ),
        Figure(
            name="records indexed",
            unit="records/s",
            ours=indexed,
            reference=checked,
            reference_name="a signature's check and a row of full text a transaction, nothing else",
            note=f"{note}; bound by checks of signatures",
        ),
    ]


def _workspace(folder: Path) -> Commands:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    etdb = Commands(folder, "bench")
    etdb.run("init", str(folder))
    etdb.run("key", "new", "bench", passphrase=True)
    return etdb
