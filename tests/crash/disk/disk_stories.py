"""All stories that are told to the disks."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from disk_kept import KeptStory
from disk_lab import Lab
from disk_node import NodeStory
from disk_portal import PortalStory
from disk_previews import PreviewStory
from disk_shim import Runner
from disk_story import Story
from disk_sync import SyncStory

STORIES: dict[str, type[Story]] = {
    "workspace": Lab,
    "node": NodeStory,
    "sync": SyncStory,
    "kept ledgers": KeptStory,
    "previews": PreviewStory,
    "portal": PortalStory,
}
_MEMORY = Path("/dev/shm")
_ROOM_BYTES = 2 << 30


@contextmanager
def told_story(name: str, runner: Runner) -> Iterator[Story]:
    """A story in a folder of its own: in memory where there is room, since what a flush keeps is decided here."""
    in_memory = _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free > _ROOM_BYTES
    with tempfile.TemporaryDirectory(prefix="etdb-disks-", dir=_MEMORY if in_memory else None) as folder:
        story = STORIES[name](Path(folder) / "story", runner)
        try:
            yield story
        finally:
            story.close()
