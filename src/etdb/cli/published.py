"""What this workspace has published: by the names that people give on the command line."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from typing import Final

from msgspec import Struct

from etdb.errors import InputError, NotFoundError
from etdb.ipfs import Cid, parse_cid
from etdb.publish import SENT_STATES, Journal
from etdb.workspace import Workspace

__all__ = ["Published", "choose_published", "published_datasets"]

_MIN_PREFIX: Final = 4


class Published(Struct, frozen=True, kw_only=True):
    """A dataset that this workspace has published.

    Attributes:
        sid: the lab's id.
        dataset_id: the transaction id of its first message.
        root: its CID.
    """

    sid: str
    dataset_id: str
    root: Cid


def published_datasets(workspace: Workspace) -> list[Published]:
    """All of them as their newest revisions are, oldest first."""
    if not workspace.journal_path.exists():
        return []
    with closing(Journal(workspace.journal_path)) as journal:
        newest: dict[tuple[str, str], Published] = {}
        for entry in journal.datasets(*SENT_STATES):
            if not entry.has_content:
                continue
            published = Published(sid=entry.sid, dataset_id=journal.dataset_id(entry), root=parse_cid(entry.root_cid))
            newest[entry.publisher, entry.sid] = published
    return list(newest.values())


def choose_published(workspace: Workspace, names: Sequence[str]) -> list[Published]:
    """The published datasets that are meant; all when none is named.

    Raises:
        InputError: nothing is published.
        NotFoundError: there is no such dataset.
    """
    published = published_datasets(workspace)
    if not published:
        raise InputError("nothing is published from this workspace yet", hint="run: etdb publish")
    chosen: dict[Cid, Published] = {} if names else {one.root: one for one in published}
    for name in names:
        found = [one for one in published if name in {one.sid, str(one.root), one.dataset_id}]
        if not found and len(name) >= _MIN_PREFIX:
            found = [one for one in published if one.dataset_id.startswith(name.lower())]
        if len(found) != 1:
            what = f"{len(found)} datasets are meant by" if found else "nothing that is published here is called"
            raise NotFoundError(f"{what} {name!r}", hint="etdb kubo pins and etdb search say what there is")
        chosen[found[0].root] = found[0]
    return list(chosen.values())
