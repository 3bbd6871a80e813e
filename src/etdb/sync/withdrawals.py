"""Which published datasets a source no longer releases, and whether that is to be believed. Pure."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import msgspec

from etdb.sources import Listing

__all__ = ["Withdrawals", "plan_withdrawals"]

GONE: Final = "no longer in the lab's list"
_SHARE: Final = 0.1


class Withdrawals(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be deactivated: sid and reason. ``doubt`` says why it is not done without being asked, or ""."""

    reasons: dict[str, str] = {}
    doubt: str = ""


def plan_withdrawals(
    listing: Listing,
    published: Collection[str],
    *,
    max_withdrawals: int,
    elsewhere: Collection[str] = (),
    unseen: Collection[str] = (),
    allowed: bool = False,
) -> Withdrawals:
    """Decide.

    A list that was read whole and lacks much is more often a database that was restored, or a disk that was not
    mounted, than a lab that withdrew much: then nobody withdraws by itself.

    Args:
        listing: what the source says now.
        published: the datasets of this source that are published and not withdrawn yet.
        max_withdrawals: how many may go without being asked; one may always go, unless nothing would be left.
        elsewhere: what other sources release: a dataset that moved is not withdrawn.
        unseen: sources that were not looked at, or could not be read, and may have what is gone here.
        allowed: the user was asked.
    """
    released = set(listing.released)
    # What the source cannot list rightly is not gone.
    torn = {text.partition(":")[0] for text in listing.refused}
    gone = {sid: listing.withheld.get(sid, GONE) for sid in sorted(set(published) - released - torn - set(elsewhere))}
    if not gone or allowed:
        return Withdrawals(reasons=gone)
    count = len(gone)
    doubt = ""
    if not released and not listing.withheld:
        doubt = f"the source lists nothing at all, and {count} of its datasets are published"
    elif unseen and GONE in gone.values():
        doubt = f"what is gone may be in a source that was not read: {', '.join(sorted(unseen))}"
    elif count > max_withdrawals:
        doubt = f"{count} published datasets are no longer released, more than max_withdrawals = {max_withdrawals}"
    elif count > 1 and count > _SHARE * len(published):
        doubt = f"{count} of {len(published)} published datasets are no longer released, more than a tenth"
    return Withdrawals(reasons=gone, doubt=doubt)
