"""Records that a stranger could have published to hurt whoever looks at them: for pages, feeds, API and gateway.

``hostile_tomograms()`` gives them by name, to be put into a catalogue with ``etdb.testing.catalogue.fill_catalogue``.
``MARKS`` are texts that must never come out of a server as they went in: each would be markup or a header there.
"""

from __future__ import annotations

import datetime as dt
from typing import Any, Final

from etdb.oip import FileEntry, Tomogram

__all__ = ["BIDI", "HOSTILE_NAMES", "LOCATION", "MARKS", "hostile_tomograms"]

LOCATION: Final = "bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi"
MARKS: Final = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg/onload=alert(1)>",
    "\"><b onmouseover='alert(1)'>",
    "'-alert(1)-'",
    "]]><script>alert(1)</script>",
    "--><script>alert(1)</script>",
    "</title><script>alert(1)</script>",
    "</script><script>alert(1)</script>",
    "{{ 7 * 7 }}{% raw %}",
    "${7*7}#{7*7}",
    "javascript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    '=HYPERLINK("https://evil.example","x")',
)
"""Markup, templates, links, spreadsheet formulas."""
BIDI: Final = "\u202e\u2066\u2067\u2068\u202a\u202b\u202d\u2069\u202c\u200f\u061c"
"""What turns the direction of other text: all of Unicode's overrides, embeddings and isolates, and two marks."""
_CONTROL: Final = "".join(map(chr, (*range(9), 11, 12, *range(14, 32), 127, *range(128, 160)))) + "\ufffe\uffff\ufeff"
HOSTILE_NAMES: Final = (
    "../../etc/passwd",
    "/etc/passwd",
    "..\\..\\windows\\win.ini",
    "C:\\autoexec.bat",
    "a/./b/../../c.mrc",
    "%2e%2e%2fpasswd",
    "con",
    ".htaccess",
    "name\r\nset-cookie: a=b.mrc",
    'quo"te;filename=other.exe.mrc',
    "null\0byte.mrc",
    f"photo{BIDI}gpj.exe",
    "<img src=x onerror=alert(1)>.png",
    "?query=1#fragment.mrc",
    " leading and trailing ",
    "a" * 5_000 + ".mrc",
    "e\u0301" * 100 + ".jpg",
    "\U0001f600" * 60 + ".mp4",
    "javascript:alert(1).jpg",
    "//evil.example/x.jpg",
    "",
)
"""Names of files that a folder, a header, a link or a page could take for something else."""


def hostile_tomograms(publisher: str = "oHostile1111111111111111111111111") -> dict[str, Tomogram]:
    """The records, each by what is wrong with it; the same each time.

    Args:
        publisher: the address that each says; records are not signed here.
    """
    everywhere = {
        f"markup {number}": _record(publisher, number, **dict.fromkeys(_TEXTS, mark), **_lists(mark))
        for number, mark in enumerate(MARKS)
    }
    files = tuple(FileEntry(path=name, display_name=name, notes=name, media_type=name[:200]) for name in HOSTILE_NAMES)
    many = tuple(FileEntry(path=f"raw/{n:05}<b>.mrc", size_bytes=n) for n in range(10_000))
    deep: Any = "bottom <script>"
    for _ in range(30):
        deep = {"<deep>": [deep]}
    pictured = [("key_image", "../<key>.png"), ("key_movie", "javascript:1.mp4"), ("thumbnail", "//e.example/t.jpg")]
    return everywhere | {
        "right to left": _record(publisher, 100, title=f"{BIDI}evil{BIDI}", **_lists(f"a{BIDI}b"), species=f"x{BIDI}"),
        "controls": _record(publisher, 101, title=f"a{_CONTROL}b", description=_CONTROL, notes=_CONTROL, lab=_CONTROL),
        "stacked accents": _record(publisher, 103, title="Z" + "\u0323\u0300\u0310" * 5_000),
        "title of 1 MB": _record(publisher, 104, title="<b>long</b> " * 90_000),
        "one word of 1 MB": _record(publisher, 105, title="short", description="w" * 1_000_000),
        "a million newlines": _record(publisher, 106, notes="\n" * 1_000_000),
        "names": _record(publisher, 107, files=files),
        "10,000 files": _record(publisher, 108, files=many),
        "deep extra": _record(publisher, 109, extra={"deep": deep}, unknown={"/details/<x>": deep}),
        "wide extra": _record(publisher, 110, extra={f"<key {n}>": MARKS[n % len(MARKS)] for n in range(5_000)}),
        "many people": _record(publisher, 111, authors=("<b>A</b>",) * 10_000, keywords=("k",) * 10_000),
        "numbers": _record(
            publisher,
            112,
            tilt_min_deg=-1.7e308,
            tilt_max_deg=1.7e308,
            tilt_step_deg=5e-324,
            defocus_um=-0.0,
            magnification=1e300,
            year=-1,
            ncbi_taxon_id=2**53,
            files=(FileEntry(path="a.mrc", size_bytes=2**62),),
        ),
        "dates": _record(publisher, 113, acquired_on=dt.date.min, timestamp_s=2**53),
        "no title that shows": _record(publisher, 114, title="\u200b\u2060\u00ad"),
        "location": _record(publisher, 115, location="../../../etc/passwd?x=<script>#"),
        "empty location": _record(publisher, 116, location="x"),
        "media": _record(publisher, 117, files=tuple(FileEntry(path=path, role=role) for role, path in pictured)),
        "roles": _record(publisher, 118, files=(FileEntry(path="a.mrc", role="<script>" * 1_000),)),
        "links": _record(
            publisher,
            119,
            publications=("javascript:alert(1)", 'https://evil.example/"onclick=x', "10.1/<b>" * 500),
            emdb_id='EMD-1"><script>',
            licence="../../<b>",
            detector="javascript:alert(1)",
        ),
        "markdown": _record(publisher, 120, notes="[x](javascript:alert(1)) ![y](https://evil.example/p.png) <b>b</b>"),
        "spaces": _record(publisher, 121, title=" \t\u00a0\u3000 x \u2028\u2029 y ", sid="\u2028\u2029"),
    }


_TEXTS: Final = (
    "title", "description", "notes", "microscope", "roles", "species", "strain", "acquisition_software",
    "reconstruction_software", "emdb_id", "microscopist", "institution", "lab", "sid", "detector", "licence",
    "sample_preparation",
)  # fmt: skip


def _lists(text: str) -> dict[str, tuple[str, ...]]:
    return dict.fromkeys(("tags", "authors", "publications", "keywords"), (text,))


def _record(publisher: str, number: int, **fields: Any) -> Tomogram:
    usual: dict[str, Any] = {
        "publisher": publisher,
        "timestamp_s": 1_700_000_000 + number,
        "title": f"hostile {number}",
        "description": "a record that wants to hurt",
        "species": "Vibrio cholerae",
        "acquired_on": dt.date(2014, 1, 14),
        "location": LOCATION,
        "files": (FileEntry(path="a.mrc", size_bytes=1, role="reconstruction"),),
    }
    return Tomogram(**(usual | fields))
