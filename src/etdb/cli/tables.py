"""Tables for people: rows that are drawn only when somebody reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import rich.table

__all__ = ["Table"]


class Table:
    """Rows under headings; without headings, names and what they say.

    Args:
        headings: one for each column.
        fold_last: break the last column over several lines rather than cut it.
    """

    def __init__(self, *headings: str, fold_last: bool = False) -> None:
        self._headings = headings
        self._fold_last = fold_last or not headings
        self._rows: list[tuple[str, ...]] = []

    def add_row(self, *cells: str) -> None:
        """One more row, of rich markup."""
        self._rows.append(cells)

    def drawn(self) -> rich.table.Table:
        """For a console. The library that draws is loaded here, because it takes longer than most commands."""
        from rich.table import Table as Drawn

        table = Drawn(
            *self._headings or ("", ""),
            box=None,
            show_header=bool(self._headings),
            pad_edge=bool(self._headings),
            header_style="bold",
        )
        if self._fold_last:
            table.columns[-1].overflow = "fold"
        for row in self._rows:
            table.add_row(*row)
        return table
