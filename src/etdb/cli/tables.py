"""Tables for people: rows that are drawn only when somebody reads them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text

__all__ = ["Table"]

_LEAST = 12
_BESIDE = 2


class Table:
    """Rows under headings; without headings, names and what they say, and titles above some of them.

    Without headings a word that is longer than the line stays whole: ids and hashes are there to be copied.

    Args:
        headings: one for each column.
        fold_last: break the last column over several lines rather than cut it.
        elided: the heading of a column that is cut with an ellipsis, so that each row is one line.
    """

    def __init__(self, *headings: str, fold_last: bool = False, elided: str | None = None) -> None:
        self._headings = headings
        self._fold_last = fold_last
        self._elided = headings.index(elided) if elided is not None else None
        self._rows: list[tuple[str, ...]] = []

    def add_row(self, *cells: str) -> None:
        """One more row, of rich markup; without headings, one cell alone is a title."""
        self._rows.append(cells)

    def drawn(self, width: int) -> RenderableType:
        """For lines so wide. The library that draws is loaded here: it takes longer than most commands."""
        return self._drawn(width) if self._headings else self._named(width)

    def _drawn(self, width: int) -> RenderableType:
        from rich.table import Table as Drawn

        table = Drawn(*self._headings, box=None, header_style="bold")
        if self._fold_last:
            table.columns[-1].overflow = "fold"
        cut = self._elided
        rows = self._rows if cut is None else _elided(self._headings, self._rows, cut, width)
        for row in rows:
            table.add_row(*row)
        return table

    def _named(self, width: int) -> RenderableType:
        from rich.console import Group
        from rich.text import Text

        wide = max((Text.from_markup(row[0]).cell_len for row in self._rows if len(row) > 1), default=0) + _BESIDE
        lines = []
        for name, *said in self._rows:
            if not said:
                lines.append(Text.from_markup(name))
                continue
            for number, line in enumerate(_wrapped(Text.from_markup(said[0]), max(_LEAST, width - wide))):
                beginning = Text.from_markup(name if number == 0 else "")
                beginning.pad_right(wide - beginning.cell_len)
                line.rstrip()
                lines.append(beginning + line)
        return Group(*lines)


def _wrapped(text: Text, width: int) -> Iterable[Text]:
    """Lines of whole words, also where one is longer than a line."""
    from rich.cells import cell_len

    breaks, used = [], 0
    for word in re.finditer(r"\S+\s*|\s+", text.plain):
        if used and used + cell_len(word[0].rstrip()) > width:
            breaks.append(word.start())
            used = 0
        used += cell_len(word[0])
    return text.divide(breaks)


def _elided(headings: Sequence[str], rows: Sequence[tuple[str, ...]], column: int, width: int) -> list[tuple[str, ...]]:
    """The rows with one column as narrow as it must be for the others to have what they need."""
    from rich.cells import cell_len, set_cell_size
    from rich.markup import escape
    from rich.text import Text

    needed = [
        max(cell_len(heading), *(Text.from_markup(row[n]).cell_len for row in rows if n < len(row)), 0)
        for n, heading in enumerate(headings)
    ]
    room = max(_LEAST, width - sum(needed) - _BESIDE * len(headings) + needed[column])

    def cut(cell: str) -> str:
        text = Text.from_markup(cell).plain
        if cell_len(text) <= room:
            return cell
        if " " in text.strip():
            return escape(set_cell_size(text, room - 1).rstrip()) + "…"
        # A name: its end tells as much as its beginning.
        end = (room - 1) // 3
        return escape(set_cell_size(text, room - 1 - end).rstrip()) + "…" + escape(text[-end:])

    return [(*row[:column], cut(row[column]), *row[column + 1 :]) if column < len(row) else row for row in rows]
