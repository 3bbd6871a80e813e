"""No text that a person types raises; a query read from a link reads the same again from the link that it makes."""

from __future__ import annotations

from etdb.catalogue import parse_query, query_pairs
from etdb.catalogue.text import display, parse_text
from etdb.errors import InputError


def seeds() -> list[bytes]:
    return [
        b'vibrio -cholerae "gas vesicle" title:x*',
        b"species=Vibrio cholerae&year=2010..2016",
        b"tilt_step_deg=..2&size_bytes=1e9..",
    ]


def check(data: bytes) -> None:
    text = data.decode("utf-8", "surrogateescape")
    parse_text(text)
    shown = display(text)
    assert not any(ord(letter) < 32 and letter not in "\n\t" for letter in shown)
    pairs = [(name, value) for name, _, value in (one.partition("=") for one in text.split("&"))]
    try:
        query = parse_query(pairs)
    except InputError:
        return
    again = parse_query(query_pairs(query))
    assert again.terms == query.terms
