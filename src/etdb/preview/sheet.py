"""A contact sheet: many datasets on one HTML page that needs nothing else, to look over before they are published."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from typing import Final, Literal

from msgspec import Struct

from etdb.oip.tomogram import Tomogram

__all__ = ["SheetEntry", "SheetNote", "encode_sheet"]

MAX_NOTES: Final = 12
"""Notes of one dataset that are written out; of the others it is said how many there are."""
_MAX_TEXT = 400
_STYLE: Final = """
:root{color-scheme:light dark;--ground:#f6f6f4;--card:#fff;--ink:#1c1d1f;--soft:#5e6368;--line:#dedfdd;--error:#b3261e;
--warning:#8a5a00;--info:#35618e}
@media (prefers-color-scheme:dark){:root{--ground:#151618;--card:#1f2124;--ink:#e8e8e6;--soft:#a0a5aa;--line:#34373b;
--error:#ff8a80;--warning:#f0b84a;--info:#8fb8e6}}
*{box-sizing:border-box}
body{margin:0;padding:1.5rem;background:var(--ground);color:var(--ink);font:15px/1.45 system-ui,sans-serif}
header{max-width:60rem;margin:0 0 1.2rem}
h1{font-size:1.35rem;margin:0 0 .2rem}
header p{margin:.1rem 0;color:var(--soft)}
main{display:grid;grid-template-columns:repeat(auto-fill,minmax(19rem,1fr));gap:1rem;align-items:start}
article{background:var(--card);border:1px solid var(--line);border-radius:8px;overflow:hidden}
article.error{border-color:var(--error)}
.picture{background:#0b0b0c;height:18rem;display:flex;align-items:center;justify-content:center;color:#a0a5aa}
.picture p{margin:1rem;text-align:center}
.picture img{max-width:100%;max-height:100%;display:block}
.words{padding:.75rem .9rem .9rem}
h2{font-size:1rem;margin:0;overflow-wrap:anywhere}
.sid{color:var(--soft);font-size:.85rem;margin:.1rem 0 .5rem;overflow-wrap:anywhere}
dl{display:grid;grid-template-columns:auto 1fr;gap:.1rem .7rem;margin:0;font-size:.86rem}
dt{color:var(--soft)}
dd{margin:0;overflow-wrap:anywhere}
ul{margin:.6rem 0 0;padding:.5rem 0 0;border-top:1px solid var(--line);list-style:none;font-size:.84rem}
li{margin:.15rem 0;overflow-wrap:anywhere}
li b{font-weight:600}
li.error b{color:var(--error)}
li.warning b{color:var(--warning)}
li.info b{color:var(--info)}
@media print{body{padding:0;background:#fff}article{break-inside:avoid}}
"""


class SheetNote(Struct, frozen=True, kw_only=True):
    """A finding or a remark on a dataset."""

    severity: Literal["error", "warning", "info"]
    text: str


class SheetEntry(Struct, frozen=True, kw_only=True):
    """One dataset on the sheet.

    Attributes:
        name: of the dataset, where it has no sid.
        tomogram: its record so far; None when it could not be read.
        jpeg: a small picture of it, or nothing.
        why_not: why there is no picture.
        files: how many it has.
        size_bytes: of all of them.
        notes: what somebody should look at, the worst first.
    """

    name: str
    tomogram: Tomogram | None = None
    jpeg: bytes = b""
    why_not: str = ""
    files: int = 0
    size_bytes: int = 0
    notes: tuple[SheetNote, ...] = ()

    @property
    def is_bad(self) -> bool:
        """Whether something is wrong with it."""
        return any(note.severity == "error" for note in self.notes)


def encode_sheet(entries: Sequence[SheetEntry], *, title: str) -> Iterator[bytes]:
    """The page in pieces. All text is escaped, pictures are part of it, and nothing of it is run.

    Args:
        entries: the datasets, in the order in which they are shown.
        title: of the page.
    """
    bad = sum(entry.is_bad for entry in entries)
    warned = sum(any(note.severity == "warning" for note in entry.notes) for entry in entries if not entry.is_bad)
    total = sum(entry.size_bytes for entry in entries)
    count = f"{len(entries)} dataset{'s' * (len(entries) != 1)}, {_size(total)}"
    told = [f"{bad} with errors"] * (bad > 0) + [f"{warned}{' more' * (bad > 0)} with warnings"] * (warned > 0)
    state = ", ".join(told) or "nothing was found to be wrong"
    yield (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; img-src data:; '
        "style-src 'unsafe-inline'\">"
        f"<title>{_escaped(title)}</title><style>{_STYLE}</style></head>\n"
        f"<body><header><h1>{_escaped(title)}</h1><p>{count}; {state}.</p></header>\n<main>\n"
    ).encode()
    for entry in entries:
        yield "".join(_article(entry)).encode("utf-8", "replace")
    yield b"</main></body></html>\n"


def _article(entry: SheetEntry) -> Iterator[str]:
    tomogram = entry.tomogram
    sid = (tomogram.sid if tomogram else "") or entry.name
    title = (tomogram.title if tomogram else "") or sid
    yield f'<article class="error" id="{_escaped(sid)}">' if entry.is_bad else f'<article id="{_escaped(sid)}">'
    yield '<div class="picture">'
    if entry.jpeg:
        data = base64.b64encode(entry.jpeg).decode()
        yield f'<img src="data:image/jpeg;base64,{data}" alt="{_escaped(f"Key image of {sid}")}">'
    else:
        yield f"<p>no picture: {_escaped(entry.why_not or 'nothing to show')}</p>"
    yield f'</div><div class="words"><h2>{_escaped(title)}</h2>'
    yield f'<p class="sid">{_escaped(sid)}</p>' if sid != title else ""
    yield "<dl>"
    for name, value in _facts(entry):
        yield f"<dt>{escape(name)}</dt><dd>{_escaped(value)}</dd>"
    yield "</dl>"
    if entry.notes:
        yield "<ul>"
        for note in entry.notes[:MAX_NOTES]:
            yield f'<li class="{note.severity}"><b>{note.severity}</b> {_escaped(note.text)}</li>'
        if len(entry.notes) > MAX_NOTES:
            yield f"<li>and {len(entry.notes) - MAX_NOTES} more</li>"
        yield "</ul>"
    yield "</div></article>\n"


def _facts(entry: SheetEntry) -> Iterable[tuple[str, str]]:
    yield "files", f"{entry.files}, {_size(entry.size_bytes)}"
    tomogram = entry.tomogram
    if tomogram is None:
        return
    yield "species", tomogram.species + (f", {tomogram.strain}" if tomogram.strain else "")
    if tomogram.acquired_on is not None:
        yield "taken on", tomogram.acquired_on.isoformat()
    microscope = ", ".join(
        part
        for part in (
            tomogram.microscope,
            f"{tomogram.voltage_kv:g} kV" if tomogram.voltage_kv is not None else "",
            f"{tomogram.magnification:,.0f} x" if tomogram.magnification is not None else "",
        )
        if part
    )
    if microscope:
        yield "microscope", microscope
    if tomogram.tilt_min_deg is not None and tomogram.tilt_max_deg is not None:
        step = f", every {tomogram.tilt_step_deg:g}°" if tomogram.tilt_step_deg is not None else ""
        yield "tilts", f"{tomogram.tilt_min_deg:g}° to {tomogram.tilt_max_deg:g}°{step}"
    for name, value, unit in (
        ("pixel", tomogram.pixel_spacing_angstrom, "Å"),
        ("voxel", tomogram.voxel_spacing_angstrom, "Å"),
        ("defocus", tomogram.defocus_um, "µm"),
        ("dose", tomogram.dose_e_per_a2, "e/Å²"),
    ):
        if value is not None:
            yield name, f"{value:g} {unit}"
    if tomogram.licence:
        yield "licence", tomogram.licence


def _escaped(text: str) -> str:
    """Foreign text: escaped, not longer than anybody reads, and without letters that turn other text round."""
    shown = " ".join(text[: 2 * _MAX_TEXT].split())
    shown = shown if len(shown) <= _MAX_TEXT else shown[:_MAX_TEXT] + "…"
    return escape("".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in shown))


def _size(size_bytes: float) -> str:
    value = float(size_bytes)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.3g} {unit}"
        value /= 1000
    return f"{value:.3g} TB"
