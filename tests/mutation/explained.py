"""Survivors that are right to survive, and why: the change makes no difference that anyone can see."""

from __future__ import annotations

__all__ = ["reason_of"]

REASONS: dict[str, str] = {}


def reason_of(mutant: str) -> str:
    """Why a mutant survives; "" when nobody has said it yet."""
    return REASONS.get(mutant, "")
