"""A dataset as people cite it: text, BibTeX, RIS. What was signed is named: publisher, id, location."""

from __future__ import annotations

import datetime as dt

from etdb.catalogue import DatasetView
from etdb.errors import NotFoundError
from etdb.web.portal import Portal
from etdb.web.shown import safe

__all__ = ["citation"]

_ESCAPED = str.maketrans({c: f"\\{c}" for c in "{}%&#_$"} | {"\\": "\\textbackslash{}", "~": "\\~{}", "^": "\\^{}"})


def citation(view: DatasetView, portal: Portal, form: str) -> str:
    """The citation in one of the forms ``txt``, ``bib``, ``ris``.

    Raises:
        NotFoundError: no such form.
    """
    tomogram = view.tomogram
    people = [_line(one) for one in tomogram.authors or ((tomogram.microscopist,) if tomogram.microscopist else ())]
    group = _line(tomogram.lab or tomogram.institution)
    year = str(tomogram.year or dt.datetime.fromtimestamp(min(max(view.time_s, 0), 2**36), dt.UTC).year)
    title, site = _line(tomogram.title), _line(portal.settings.name)
    url = f"{portal.settings.url.rstrip('/')}/datasets/{view.dataset_id}" if portal.settings.url else ""
    if form == "txt":
        who = "; ".join(people) or group or view.tomogram.publisher
        lines = f"{who} ({year}). {title}. {site}. Dataset {view.dataset_id}, ipfs://{_line(tomogram.location)}"
        return lines + (f". {url}\n" if url else "\n")
    if form == "bib":
        fields = {
            "author": " and ".join(map(_bibtex, people)) or f"{{{_bibtex(group or tomogram.publisher)}}}",
            "title": f"{{{_bibtex(title)}}}",
            "year": year,
            "publisher": f"{{{_bibtex(site)}}}",
            "note": f"Dataset {view.dataset_id}, ipfs://{_bibtex(_line(tomogram.location))}",
        } | ({"url": url} if url else {})
        body = "".join(f"  {name} = {{{value}}},\n" for name, value in fields.items())
        return f"@misc{{etdb-{view.dataset_id[:10]},\n{body}}}\n"
    if form == "ris":
        rows = [
            ("TY", "DATA"),
            *(("AU", one) for one in people or [group or tomogram.publisher]),
            *(("TI", title), ("PY", year), ("PB", site), ("AN", view.dataset_id)),
            *([("UR", url)] if url else []),
            *(("N1", f"ipfs://{_line(tomogram.location)}"), ("ER", "")),
        ]
        return "".join(f"{tag}  - {value}\r\n" for tag, value in rows)
    raise NotFoundError(f"there is no citation as {form[:20]!r}", hint="txt, bib or ris")


def _line(text: str) -> str:
    return " ".join(safe(text, 500).split())


def _bibtex(text: str) -> str:
    return text.translate(_ESCAPED)
