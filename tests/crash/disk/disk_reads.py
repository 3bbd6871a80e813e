"""A place of the disk cannot be read: which file, in which command, and what the command may end with."""

from __future__ import annotations

from typing import NamedTuple

from disk_full import StagedLife


class Case(NamedTuple):
    """``stage`` is the state of the disk: before that command. ``match`` is in the path of the file."""

    stage: str
    command: str
    match: str
    statuses: tuple[int, ...]


CASES = (
    # The lab's own files: the user's to put right.
    Case("publish-one", "publish-one", "data/short/dataset.toml", (3,)),
    Case("publish-one", "publish-one", "data/short/a.rawtlt", (3,)),
    Case("publish-one", "publish-one", "data/short/sub/big.dat", (3,)),
    # The workspace.
    Case("publish-all", "publish-all", "ws/etdb.toml", (7,)),
    Case("publish-all", "publish-all", "ws/keys/me.json", (7,)),
    Case("publish-all", "publish-all", "ws/chain/blk00000.dat", (7,)),
    Case("publish-all", "publish-all", "ws/chain/index.sqlite", (7,)),
    Case("publish-all", "publish-all", "ws/journal.sqlite", (7,)),
    Case("publish-all", "publish-all", "ws/digests.sqlite", (7,)),
    Case("index", "index", "ws/chain/blk00000.dat", (7,)),
    Case("download", "index", "ws/cache/catalogue.sqlite", (7,)),
    # A download: another source may have what this disk does not give, so what is missing is a source's fault.
    Case("download", "download", "ws/cache/catalogue.sqlite", (7,)),
    Case("download", "download", "ws/content/", (5,)),
    Case("download", "download", "data/short/sub/big.dat", (5,)),
    Case("download", "download", "got/", (7,)),
)


def check(life: StagedLife, case: Case, choose) -> int:
    """Let some of the reads fail, each in a run of its own; how many of the runs that ended."""
    lab = life.lab
    life.restore(case.stage)
    lab.run(case.command, "eio", match=case.match)
    reads = sum(record.op == "r" for record in lab.records())
    assert reads, f"{case} reads nothing"
    ended = 0
    for at in choose(reads):
        life.restore(case.stage)
        status, _, err = lab.run(case.command, "eio", match=case.match, at=at)
        failed = [record.path for record in lab.records() if record.failed]
        assert status in {0, *case.statuses}, (case, at, status, err)
        assert "Traceback" not in err
        lab.assert_files_are_right(lab.got)
        if status:
            ended += 1
            assert failed, (case, at, "something else went wrong", err)
            assert_said(case, err)
        lab.succeed(case.command)  # the disk is well again
        lab.succeed("publish-all")
        lab.succeed("index")
        lab.assert_whole(life.published_before(case.stage))
    return ended


def assert_said(case: Case, err: str) -> None:
    """Which file, and what to do; where one leaf of many is meant, which offset too."""
    message, _, hint = err[err.index("etdb: ") :].partition("\n")
    name = case.match.rstrip("/").rsplit("/", 1)[-1]
    assert name in message or case.match in {"ws/content/", "got/"}, (case, err)
    assert hint.strip(), (case, err)
    if name in {"big.dat", "blk00000.dat"}:
        assert "offset" in message or "byte" in message, (case, err)
