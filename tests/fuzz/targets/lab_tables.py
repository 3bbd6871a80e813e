"""Any CSV, YAML or mapping file gives rows or one of our errors; any row gives fields or problems, never both."""

from __future__ import annotations

import contextlib
from pathlib import Path

from etdb.errors import EtdbError
from etdb.sources.cells import dataset_cells, file_cells
from etdb.sources.rows import RowSource, Table
from etdb.sources.tables import parse_csv, parse_yaml

WHERE = Path("table")
NOWHERE = Path("/nonexistent")


def seeds() -> list[bytes]:
    return [
        b"sid,title,acquired_on\na-1,A title,2014-01-14\n",
        b'sid;title\na-1;"two\nlines"\n',
        b"datasets:\n  - sid: a-1\n    tilt_min_deg: -60\n    files: [{path: a.mrc, role: subvolume}]\n",
        b"- &a [*a]\n",
        b"[" * 2000,
    ]


def check(data: bytes) -> None:
    for parse in (lambda: (parse_csv(data, WHERE), None), lambda: parse_yaml(data, WHERE)):
        with contextlib.suppress(EtdbError):
            datasets, files = parse()
            for row in datasets:
                values, problems = dataset_cells(row)
                assert not (values and problems)
            for row in files or ():
                file_cells(row)
            source = RowSource("fuzz", NOWHERE, lambda: Table(datasets=datasets, files=files))  # noqa: B023 - called here
            for sid in source.listing().released:
                with contextlib.suppress(EtdbError):
                    source.read(sid)
