"""Who says what of a field, which statement is taken, and which disagree."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from etdb.describe.rules import AUTHORITIES, FALLBACKS, Authority, FieldRule

__all__ = ["Evidence", "Witness", "agree", "weigh"]

_ORDER = {authority: place for place, authority in enumerate(AUTHORITIES)}
_PEOPLE: tuple[Authority, ...] = ("command", "stated")
MAX_OPINIONS = 200
UNDECIDED = "they disagree, and nothing decides between them"


class Witness(Struct, frozen=True, kw_only=True):
    """One statement.

    `source` is a file's path in the dataset, `dataset.toml`, `etdb.toml`, the lab's database or the command line;
    `where` is the place in it. `written` is how it stands there, where `value` is its usual spelling. A statement that
    is not `is_usable` (an empty header) is shown and not weighed; `remark` says why. `agrees` is with the value taken.
    """

    value: Any
    authority: Authority
    source: str
    where: str = ""
    written: str = ""
    remark: str = ""
    is_usable: bool = True
    agrees: bool | None = None


class Evidence(Struct, frozen=True, kw_only=True):
    """All that is known of one field. `value` is None when nothing usable is said, or when nothing decides."""

    field: str
    label: str
    unit: str
    value: Any
    rule: str
    witnesses: tuple[Witness, ...]
    chosen: Witness | None = None

    @property
    def disagreeing(self) -> tuple[Witness, ...]:
        """The usable statements that are not the value taken; all of them when nothing decides."""
        return tuple(one for one in self.witnesses if one.agrees is False and one.is_usable)

    @property
    def unusable(self) -> tuple[Witness, ...]:
        """What stands somewhere and makes no sense."""
        return tuple(one for one in self.witnesses if not one.is_usable)


def weigh(rule: FieldRule, witnesses: Iterable[Witness]) -> Evidence:
    """Decide.

    The authorities are asked in their order. Statements of one authority that disagree decide only when a lower one
    of the files is for exactly one of them; a third opinion decides nothing.
    """
    order = {**_ORDER, **{name: place - len(rule.first) for place, name in enumerate(rule.first)}}
    for name in _PEOPLE:
        order[name] -= 100
    ranked = sorted(witnesses, key=lambda one: order[one.authority])
    usable = [one for one in ranked if one.is_usable]
    chosen, why = None, ""
    for authority in dict.fromkeys(one.authority for one in usable):
        ours = [one for one in usable if one.authority == authority]
        if all(agree(rule, ours[0].value, one.value) for one in ours):
            chosen, why = ours[0], AUTHORITIES[authority]
            break
        lower = [one for one in usable if order[one.authority] > order[authority] and one.authority not in FALLBACKS]
        chosen = _supported(rule, ours, lower)
        if chosen is not None:
            why = f"of several, the one that {_named(rule, chosen, lower)} is for"
            break
        # Settings and defaults stand for what nobody says, not for what is in dispute.
        if authority not in _PEOPLE:
            why = UNDECIDED
            break
    if chosen is not None and len(usable) == 1 and chosen.authority not in (*_PEOPLE, *FALLBACKS):
        why = "the only statement"
    heard = tuple(
        replace(one, agrees=chosen is not None and agree(rule, chosen.value, one.value)) if one.is_usable else one
        for one in ranked
    )
    return Evidence(
        field=rule.name,
        label=rule.label,
        unit=rule.unit,
        value=chosen.value if chosen is not None else None,
        rule=why,
        witnesses=heard,
        chosen=replace(chosen, agrees=True) if chosen is not None else None,
    )


def agree(rule: FieldRule, one: Any, other: Any) -> bool:
    """Whether two values are one within the field's tolerance."""
    if isinstance(one, dt.date) and isinstance(other, dt.date):
        return abs((one - other).days) <= rule.absolute
    if isinstance(one, bool) or isinstance(other, bool):
        return bool(one == other)
    if isinstance(one, (int, float)) and isinstance(other, (int, float)):
        # A little more than the tolerance: 60.25 and 60 differ by a quarter as people count.
        allowed = max(rule.absolute, rule.relative * max(abs(one), abs(other))) + 1e-9
        return abs(one - other) <= allowed
    if isinstance(one, str) and isinstance(other, str):
        left, right = " ".join(one.casefold().split()), " ".join(other.casefold().split())
        # A program with its version and the same one without are no contradiction.
        is_version = rule.vocabulary == "software" and (left.startswith(f"{right} ") or right.startswith(f"{left} "))
        return left == right or is_version
    return bool(one == other)


def _supported(rule: FieldRule, ours: Sequence[Witness], lower: Sequence[Witness]) -> Witness | None:
    others = list({str(one.value): one.value for one in lower}.values())[:MAX_OPINIONS]
    different = list({str(one.value): one for one in ours}.values())[:MAX_OPINIONS]
    backed = [one for one in different if any(agree(rule, one.value, value) for value in others)]
    if not backed or not all(agree(rule, backed[0].value, one.value) for one in backed):
        return None
    return backed[0]


def _named(rule: FieldRule, chosen: Witness, lower: Sequence[Witness]) -> str:
    return next(one.source for one in lower if agree(rule, chosen.value, one.value))
