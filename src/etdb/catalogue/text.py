"""How text is split, for records and for what people type; and how foreign text is made safe to show.

A record's text is cut into *words*: runs of letters and digits, without accents and in lower case, so that
``Müller``, ``MULLER`` and ``Muller`` are one. Three more forms of the same text are kept, because names are written in
many ways:

- *pieces*: words cut again where letters and digits or lower and upper case meet: ``UCSFTomo`` is also ``ucsf tomo``,
  ``rr2014`` is also ``rr 2014``;
- *joined*: short fields' neighbours written together: ``UCSF Tomo`` is also ``ucsftomo``, ``K-12`` is also ``k12``;
- a mark between fields, so that no phrase runs from one field into the next.

Of what people type, all words must be found, in any field. A word with punctuation inside (``rr2014-01-14-5``) is a
phrase of its words; a word of several pieces is found as one word or as its pieces. The last word may be the beginning
of one; so may one or two letters with a full stop, so that ``P. aeruginosa`` finds ``Pseudomonas aeruginosa`` (the full
name does not find the short one). ``"quoted words"`` must stand together; ``-word`` and ``-"some words"`` must not be
there. Nothing else has a meaning. Text without a letter or digit asks for nothing, and so finds everything. Words are
not stemmed, and a misspelt word finds nothing. Scripts without spaces are found by the beginning of each run.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec

from etdb.oip import Tomogram

__all__ = ["FoldedText", "TextQuery", "display", "fold_record", "fold_term", "parse_text", "split_words"]

MAX_QUERY_LETTERS: Final = 1_000
MAX_QUERY_WORDS: Final = 32
MAX_WORD_LETTERS: Final = 64
"""Longer words are cut: CIDs of version 1 have 59 letters, transaction ids 64."""
MAX_RECORD_LETTERS: Final = 400_000
"""What of a record's text can be found; the rest is kept but not searched."""
MAX_EXTRA_DEPTH: Final = 8

_FIELD_MARK: Final = "\u00b7"  # a word of its own that nobody can type: it is no letter
_BETWEEN: Final = f" {_FIELD_MARK} "
_SHORT_TEXT: Final = 120
_WORDS: Final = re.compile(r"[^\W_]+")
_PIECES: Final = re.compile(r"[0-9]+|[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^\W_A-Za-z0-9]+")
_QUERY: Final = re.compile(r'(?P<minus>(?<!\S)-)?(?:"(?P<phrase>[^"]*)"?|(?P<word>[^\s"]+))')
_SHORT: Final = re.compile(r"[^\W\d_]{1,2}\.")
_LETTERS: Final = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "ð": "d", "ħ": "h", "\u0131": "i", "æ": "ae", "œ": "oe", "þ": "th"}
    | {"Ø": "O", "Ł": "L", "Đ": "D", "Ð": "D", "Ħ": "H", "Æ": "AE", "Œ": "OE", "Þ": "TH"}
)


def _plain(text: str) -> str:
    """Without accents; case kept."""
    if text.isascii():
        return text
    parts = unicodedata.normalize("NFKD", text.translate(_LETTERS))
    return "".join(c for c in parts if not unicodedata.combining(c))


def _words(text: str) -> list[str]:
    return [word[:MAX_WORD_LETTERS] for word in _WORDS.findall(_plain(_plain(text).casefold()))]


def split_words(text: str) -> list[str]:
    """The words of a text, folded."""
    return _words(text)


@functools.lru_cache(maxsize=8192)
def fold_term(text: str) -> str:
    """A whole value for comparing: accents, case and runs of spaces do not count."""
    return " ".join(_plain(_plain(text).casefold()).split())


def _pieces(text: str) -> list[str]:
    return [piece.casefold()[:MAX_WORD_LETTERS] for piece in _PIECES.findall(_plain(text))]


class _Forms(msgspec.Struct, frozen=True, gc=False):
    """The forms of one text: ``pieces`` only of those runs where they are not its words."""

    words: str
    pieces: str
    joined: str


def _forms_of(text: str) -> _Forms:
    every: list[str] = []
    pieces: list[str] = []
    joined: list[str] = []
    before = ""
    for run in _plain(text).split():
        words = _words(run)
        whole = "".join(words)[:MAX_WORD_LETTERS]
        every += words
        if len(words) > 1:
            joined.append(whole)
        if before and whole and len(before) + len(whole) <= MAX_WORD_LETTERS:
            joined.append(before + whole)
        before = whole
        parts = _pieces(run)
        if parts != words:
            pieces += [*parts, _FIELD_MARK]
    return _Forms(" ".join(every), " ".join(pieces), " ".join(joined))


_kept_forms = functools.lru_cache(maxsize=8192)(_forms_of)


def _forms(text: str) -> _Forms:
    """Records of one lab say the same again and again: short texts are split once."""
    return _kept_forms(text) if len(text) <= _SHORT_TEXT else _forms_of(text)


class FoldedText(msgspec.Struct, frozen=True, kw_only=True):
    """A record's text as the index keeps it; the columns of the table ``search``."""

    title: str
    names: str
    body: str
    pieces: str
    joined: str


def _strings(value: Any, depth: int = 0) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, bool) or value is None or depth > MAX_EXTRA_DEPTH:
        return
    elif isinstance(value, (int, float)):
        yield str(value)
    elif isinstance(value, dict):
        for name, item in value.items():
            yield str(name)
            yield from _strings(item, depth + 1)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _strings(item, depth + 1)


def _limited(texts: Iterable[str]) -> list[str]:
    kept, room = [], MAX_RECORD_LETTERS
    for text in texts:
        if room <= 0:
            break
        if text:
            kept.append(text[:room])
            room -= len(text)
    return kept


def fold_record(dataset_id: str, tomogram: Tomogram) -> FoldedText:
    """All text of a record, split. Numbers and dates are found by filters, not by words, but for the date itself."""
    t = tomogram
    titles = _limited([t.title])
    names = _limited(
        (
            *(t.sid, t.species, t.strain, t.microscope, t.detector, t.microscopist, *t.authors, t.institution, t.lab),
            *(t.acquisition_software, t.reconstruction_software, t.emdb_id, t.licence, *t.publications),
            *(*t.tags, *t.keywords, t.tilt_scheme, t.acquired_on.isoformat() if t.acquired_on else ""),
            *(dataset_id, t.publisher, t.location),
        )
    )
    files = _limited(
        text
        for entry in t.files
        for text in (entry.path, entry.display_name, entry.software, entry.notes, *_strings(entry.extra))
    )
    body = _limited((t.description, t.notes, t.roles, t.sample_preparation, *_strings(t.extra), *_strings(t.unknown)))
    title_forms, name_forms, file_forms, body_forms = (
        [_forms(text) for text in texts] for texts in (titles, names, files, body)
    )
    short = [*title_forms, *name_forms, *file_forms]
    return FoldedText(
        title=_BETWEEN.join(one.words for one in title_forms),
        names=_BETWEEN.join(one.words for one in name_forms),
        body=_BETWEEN.join(one.words for one in (*file_forms, *body_forms)),
        pieces=" ".join(one.pieces for one in (*short, *body_forms) if one.pieces),
        joined=" ".join(one.joined for one in short if one.joined),
    )


class TextQuery(msgspec.Struct, frozen=True, kw_only=True):
    """What was typed, as expressions of the full-text index; "" asks for nothing.

    ``wanted`` lets the last word be a beginning, ``exact`` does not; ``unwanted`` must not be found.
    """

    wanted: str = ""
    exact: str = ""
    unwanted: str = ""


class _Wanted(msgspec.Struct, frozen=True):
    """A word or phrase to be found, in any of the ways in which it may be written."""

    phrases: tuple[str, ...]
    is_beginning: bool = False

    def match(self, *, open_end: bool = False) -> str:
        star = "*" if self.is_beginning or open_end else ""
        either = " OR ".join(phrase + star for phrase in self.phrases)
        return f"({either})" if len(self.phrases) > 1 else either


def _wanted(text: str, *, is_beginning: bool = False) -> _Wanted | None:
    words = split_words(text)
    if not words:
        return None
    ways = dict.fromkeys('"' + " ".join(way) + '"' for way in (words, _pieces(text)))
    return _Wanted(tuple(ways), is_beginning)


def parse_text(text: str) -> TextQuery:
    """Read what a person typed. Never raises: beyond the limits, the rest is left out."""
    wanted: list[_Wanted | None] = []
    unwanted: list[_Wanted | None] = []
    last_open = False
    for count, match in enumerate(_QUERY.finditer(text[:MAX_QUERY_LETTERS])):
        if count >= MAX_QUERY_WORDS:
            break
        phrase, word = match["phrase"], match["word"]
        if match["minus"]:
            unwanted.append(_wanted(phrase if word is None else word))
        elif word is None:
            wanted.append(_wanted(phrase))
            last_open = last_open and wanted[-1] is None
        else:
            while short := _SHORT.match(word):  # Ps.aer. and E.coli: each short form is a word of its own
                wanted.append(_wanted(short[0], is_beginning=True))
                word = word[short.end() :]
            wanted.append(_wanted(word))
            last_open = True
    found = [one for one in wanted if one is not None]
    exact = [one.match() for one in found]
    loose = [one.match(open_end=last_open and one is found[-1]) for one in found]
    return TextQuery(
        wanted=" AND ".join(loose),
        exact=" AND ".join(exact),
        unwanted=" OR ".join(one.match() for one in unwanted if one is not None),
    )


def display(text: str, limit: int = 10_000) -> str:
    """Foreign text made safe to show: records are stored as they came, and every face passes them through here.

    Control characters, surrogates and those that turn the direction of text become U+FFFD; line ends and tabs stay.
    It is not HTML escaping, which templates do.
    """
    shown = text[:limit]
    if shown.isascii() and shown.isprintable():
        return shown + ("…" if len(text) > limit else "")
    clean = "".join(
        c if c in "\n\t" or unicodedata.category(c) not in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"} else "\ufffd"
        for c in shown.replace("\r\n", "\n")
    )
    return clean + ("…" if len(text) > limit else "")
