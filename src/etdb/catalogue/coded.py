"""A field of many values as two columns of numbers: which record, which value.

A set for each of 4,000 values makes a facet slow; counting codes takes a fraction of a millisecond however many values
there are.
"""

from __future__ import annotations

import sqlite3
from typing import Any

import msgspec
import numpy as np

__all__ = ["CodedField", "grown"]


class CodedField(msgspec.Struct, frozen=True, kw_only=True):
    """The values of one field.

    ``rows`` and ``codes`` go together, a pair for each value of each record. A code is the place of its (folded,
    value) in ``spellings``, ``groups`` gives the place of its folded form in ``folded``, which is sorted.
    """

    spellings: tuple[tuple[str, str], ...]
    folded: tuple[str, ...]
    groups: Any
    rows: Any
    codes: Any

    def commonest(self, within: int, limit: int) -> list[tuple[str, int]]:
        """The commonest values of the records in a set, each as most of them spell it, and how many have it."""
        if not self.spellings:
            return []
        size = max(int(self.rows.max()), within.bit_length()) + 8
        octets = np.frombuffer(within.to_bytes(size // 8 + 1, "little"), dtype=np.uint8)
        is_found = np.unpackbits(octets, bitorder="little").view(np.bool_)
        spelled = np.bincount(self.codes[is_found[self.rows]], minlength=len(self.spellings))
        totals = np.bincount(self.groups, weights=spelled, minlength=len(self.folded)).astype(np.int64)
        order = np.argsort(-totals, kind="stable")[:limit]
        found = []
        for group in order:
            if not totals[group]:
                break
            codes = np.flatnonzero(self.groups == group)
            best = min(codes, key=lambda code: (-spelled[code], self.spellings[code][1]))
            found.append((self.spellings[best][1], int(totals[group])))
        return found


def grown(db: sqlite3.Connection, name: str, former: CodedField | None, last_id: int) -> CodedField:
    """The values of a field: those known up to a row, and of all rows after it."""
    codes_of = {} if former is None else {pair: code for code, pair in enumerate(former.spellings)}
    rows: list[int] = []
    codes: list[int] = []
    # The record's number leads the table's key, but terms are found by their field: "+" keeps to that index.
    for folded, value, record_id in db.execute(
        "SELECT folded, value, record_id FROM terms WHERE field = ? AND +record_id > ?",
        (name, 0 if former is None else last_id),
    ):
        rows.append(record_id)
        codes.append(codes_of.setdefault((folded, value), len(codes_of)))
    spellings = tuple(codes_of)
    folded_values = tuple(sorted({folded for folded, _ in spellings}))
    places = {folded: place for place, folded in enumerate(folded_values)}
    new = np.array(rows, dtype=np.int32), np.array(codes, dtype=np.int32)
    return CodedField(
        spellings=spellings,
        folded=folded_values,
        groups=np.array([places[folded] for folded, _ in spellings], dtype=np.int32),
        rows=new[0] if former is None else np.concatenate((former.rows, new[0])),
        codes=new[1] if former is None else np.concatenate((former.codes, new[1])),
    )
