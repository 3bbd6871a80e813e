"""Any text is a file of CTF estimates or refused with FormatError; its numbers are finite or None."""

from __future__ import annotations

import math

from etdb.em import CtfEstimates, is_ctffind, parse_ctffind, parse_defocus
from etdb.errors import FormatError

HEAD = (
    b"# Output from CTFFind version 4.1.14, run on 2021-10-09 15:12:45\n"
    b"# Input file: a.mrc ; Number of micrographs: 2\n# Pixel size: 1.350 Angstroms ; acceleration voltage: 300.0 keV\n"
    b"# Columns: #1 - micrograph number; #2 - defocus 1 [Angstroms]; #3 - defocus 2; #4 - azimuth\n"
)


def seeds() -> list[bytes]:
    return [
        HEAD + b"1.000000 10295.92 10012.27 -38.85 0.000000 0.030650 5.27\n2.0 1e4 9e3 3 0.1 0 inf\n",
        HEAD + b"1 nan -inf 1e400 0 0 0 85.3 30.0 inf\n",
        b"1 1 -60.0 -60.0 3000 2\n2\t3 -58 -56 3010.5\n",
        b"1 0 0. 0. 0 3\n1 5 -60.0 60.0 4500.0 4400.0 -30.5\n",
        b"47 0 0. 0. 0 3\n1 5 -60.0 60.0 4500.0 4400.0 -0.5 1.57 0.02\n",
        b"0 0 1 1 3000\n",
    ]


def check(data: bytes) -> None:
    for parse in (parse_ctffind, parse_defocus):
        try:
            look = parse(data)
        except FormatError:
            continue
        _judge(look)
        assert parse is parse_defocus or is_ctffind(data)


def _judge(look: CtfEstimates) -> None:
    assert look.sections
    assert look.pixel_spacing_angstrom is None or 0 < look.pixel_spacing_angstrom < math.inf
    for section in look.sections:
        values = (getattr(section, name) for name in section.__struct_fields__)
        assert all(value is None or math.isfinite(value) for value in values)
