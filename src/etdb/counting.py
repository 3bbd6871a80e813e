"""Counts in words."""

from __future__ import annotations

__all__ = ["counted"]


def counted(number: int, noun: str, plural: str = "") -> str:
    """``1 file``, ``3 files``; with a plural of its own: ``2 copies``."""
    return f"{number} {noun if number == 1 else plural or noun + 's'}"
