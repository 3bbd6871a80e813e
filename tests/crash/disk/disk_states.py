"""What a power cut may leave on a disk, from the record of what was written and what was synced.

Two models. Under both, what was written to a file before its last fsync is there.

``strict`` (POSIX and nothing more): anything that was not synced may be there or not, in any order. A write may be torn
at sectors of 512 bytes. A name that was made, changed or removed is safe only when its own folder was synced after
it; syncing a file does not save its name, and a folder whose own name is lost takes all in it along.

``ordered`` (ext4 with its defaults, and the like): changes of names and lengths happen in one journal, in order; what
counts is a beginning of it, at least up to the last fsync of anything. Writes behind a file's end arrive in order;
writes over what was there before arrive or not, torn at sectors.

Shared memory of SQLite (``-shm``) is filled with noise: after a power cut nothing in it means anything.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

from disk_shim import Record

Model = Literal["strict", "ordered"]
SECTOR_BYTES = 512


class _File:
    """``changes``: (when, offset, data), or (when, length, None) for a new length. ``synced`` is when it last was."""

    def __init__(self) -> None:
        self.changes: list[tuple[int, int, bytes | None]] = []
        self.synced = -1


class _Folder:
    """``changes``: (when, name, what it is called now; None: nothing). ``live`` is how the process saw it."""

    def __init__(self) -> None:
        self.changes: list[tuple[int, str, _File | _Folder | None]] = []
        self.live: dict[str, _File | _Folder] = {}
        self.synced = -1

    def bind(self, when: int, name: str, thing: _File | _Folder | None) -> None:
        self.changes.append((when, name, thing))
        if thing is None:
            self.live.pop(name, None)
        else:
            self.live[name] = thing


class Disk:
    """A disk, empty at first, that has seen the first calls of a log."""

    def __init__(self, records: Iterable[Record]) -> None:
        self.root = _Folder()
        self._files: dict[int, _File] = {}
        self._last_sync = -1
        self._now = -1
        for when, record in enumerate(records):
            self._now = when
            if not record.failed:
                self._see(when, record)

    def _place(self, path: str) -> tuple[_Folder, str]:
        *parents, name = path.split("/")
        folder = self.root
        for part in parents:
            inner = folder.live[part]
            assert isinstance(inner, _Folder), path
            folder = inner
        return folder, name

    def _see(self, when: int, record: Record) -> None:
        match record.op:
            case "O":
                folder, name = self._place(record.path)
                file = self._files[record.inode] = _File()  # an inode's number is used again
                folder.bind(when, name, file)
            case "W":
                self._files[record.inode].changes.append((when, record.offset, record.data))
            case "T":
                self._files[record.inode].changes.append((when, record.offset, None))
            case "M":
                folder, name = self._place(record.path)
                folder.bind(when, name, _Folder())
            case "U" | "X":
                folder, name = self._place(record.path)
                folder.bind(when, name, None)
            case "L" | "R":
                folder, name = self._place(record.path)
                target, new_name = self._place(record.other)
                target.bind(when, new_name, folder.live[name])
                if record.op == "R":
                    folder.bind(when, name, None)
            case "F":
                self._files[record.inode].synced = self._last_sync = when
            case "D":
                synced = self.root
                for part in filter(None, record.path.split("/")):
                    inner = synced.live[part]
                    assert isinstance(inner, _Folder)
                    synced = inner
                synced.synced = self._last_sync = when
            case "P":
                assert record.path.endswith("-shm"), f"{record.path} is written through a mapping, which nobody sees"
            case other:
                raise AssertionError(f"no meaning for {other}")

    def after_cut(self, model: Model, kept: float, dice: random.Random) -> dict[str, bytes | None]:
        """A state after a cut now: path -> bytes, None for a folder. ``kept``: how likely what is unsynced is there."""
        state: dict[str, bytes | None] = {}
        committed = self._last_sync
        if model == "ordered":
            span = self._now - self._last_sync
            committed += sum(dice.random() < kept for _ in range(span)) if 0 < kept < 1 else int(kept * span)
        self._write_folder(self.root, "", state, _Choice(model, kept, committed, dice))
        return state

    def _write_folder(self, folder: _Folder, path: str, state: dict[str, bytes | None], choice: _Choice) -> None:
        for name, thing in sorted(choice.names(folder).items()):
            if isinstance(thing, _Folder):
                state[path + name] = None
                self._write_folder(thing, f"{path}{name}/", state, choice)
            elif name.endswith("-shm"):
                state[path + name] = choice.dice.randbytes(32_768)
            else:
                state[path + name] = choice.content(thing)


class _Choice:
    """Of all that was not synced: what is there all the same."""

    def __init__(self, model: Model, kept: float, committed: int, dice: random.Random) -> None:
        self.model, self.kept, self.committed, self.dice = model, kept, committed, dice

    def names(self, folder: _Folder) -> dict[str, _File | _Folder]:
        names: dict[str, _File | _Folder] = {}
        lucky: dict[int, bool] = {}  # both halves of a rename within one folder, or neither
        for when, name, thing in folder.changes:
            if self.model == "ordered":
                is_kept = when <= self.committed
            else:
                is_kept = when <= folder.synced or lucky.setdefault(when, self.dice.random() < self.kept)
            if is_kept and thing is None:
                names.pop(name, None)
            elif is_kept and thing is not None:
                names[name] = thing
        return names

    def content(self, file: _File) -> bytes:
        data = bytearray()
        appends_end = False
        for when, offset, piece in file.changes:
            is_synced = when <= file.synced
            if piece is None:
                is_there = when <= self.committed if self.model == "ordered" else self.dice.random() < self.kept
                if is_synced or is_there:
                    data[offset:] = bytes(max(0, offset - len(data)))
                continue
            if is_synced:
                _put(data, offset, piece)
            elif self.model == "ordered" and offset + len(piece) > len(data):
                # One append that has not come ends all that come behind it.
                appends_end = appends_end or when > self.committed or self.dice.random() >= self.kept
                if not appends_end and offset <= len(data):
                    _put(data, offset, piece)
            else:
                self._put_sectors(data, offset, piece)
        return bytes(data)

    def _put_sectors(self, data: bytearray, offset: int, piece: bytes) -> None:
        """All of a write, nothing, or some of its sectors."""
        fate = self.dice.random()
        if fate < self.kept * 0.8:
            _put(data, offset, piece)
        elif fate < self.kept:
            at = offset
            while at < offset + len(piece):
                end = min((at // SECTOR_BYTES + 1) * SECTOR_BYTES, offset + len(piece))
                if self.dice.random() < 0.5:
                    _put(data, at, piece[at - offset : end - offset])
                at = end


def _put(data: bytearray, offset: int, piece: bytes) -> None:
    if len(data) < offset:
        data.extend(bytes(offset - len(data)))
    data[offset : offset + len(piece)] = piece


def store(state: dict[str, bytes | None], folder: Path) -> None:
    """Make a folder that holds a state and nothing else."""
    folder.mkdir()
    for path, content in state.items():
        if content is None:
            (folder / path).mkdir()
        else:
            (folder / path).write_bytes(content)


def plan_cuts(
    records: Sequence[Record], ends: Sequence[int], count: int, seed: int
) -> list[tuple[int, Model, float, int]]:
    """Cuts to try, as (calls seen, model, kept, seed): some anywhere, more at what matters.

    Right before and after a sync, and right after a command has ended, when all it said must hold.
    """
    dice = random.Random(seed)
    syncs = [when for when, record in enumerate(records) if record.op in "FD"]
    cuts: list[tuple[int, Model, float, int]] = []
    for number in range(count):
        kind = number % 4
        if kind == 0:
            when = ends[number // 4 % len(ends)]
        elif kind == 1:
            when = dice.choice(syncs) + dice.choice((0, 1))
        else:
            when = dice.randrange(1, len(records) + 1)
        model: Model = dice.choice(("strict", "strict", "ordered"))
        kept = 0.0 if kind == 0 and number % 8 == 0 else dice.choice((0.0, 0.5, 0.5, 1.0, dice.random()))
        cuts.append((when, model, kept, dice.randrange(1 << 32)))
    return cuts
