"""The same content in several datasets: sizes first, then samples, then SHA-256 of what is still alike."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from msgspec import Struct

from etdb.sources import SourceDataset, SourceFile
from etdb.validate.finding import CHECKS, Check, Finding, Told

__all__ = ["DATA_ROLES", "KnownDigest", "Place", "find_duplicates", "places_of"]

DATA_ROLES: Final = frozenset({
    "tilt_series", "aligned_series", "reconstruction", "subvolume", "segmentation", "frames", "light_micrograph",
    "snapshot", "preview", "movie", "key_image", "key_movie", "thumbnail",
})  # fmt: skip
"""Texts are left out: two series taken alike have the same list of angles, and the same gain reference."""
_SAMPLE_BYTES: Final = 64 << 10
KnownDigest = Callable[[Path], bytes | None]
"""The SHA-256 of a file that was read before and did not change since, or None."""

_ROOM = "duplicates"
_ACROSS = Check(
    id="duplicate-content",
    severity="warning",
    title="The same content is in two datasets",
    hint="publish it once; when both need it, say so in the notes of each",
    room=_ROOM,
    better="by SHA-256 over all datasets that are looked at together",
)
_WITHIN = Check(
    id="duplicate-within",
    severity="info",
    title="The same content is in a dataset twice",
    hint="remove the copy, unless its name means something to others",
    room=_ROOM,
)
CHECKS[_ACROSS.id] = _ACROSS
CHECKS[_WITHIN.id] = _WITHIN


class Place(Struct, frozen=True):
    """A file of a dataset."""

    dataset: str
    root: str
    path: str
    absolute: Path
    size_bytes: int


def places_of(dataset: SourceDataset) -> list[Place]:
    """The files of a dataset that are compared with others'."""

    def is_data(file: SourceFile) -> bool:
        return file.role in DATA_ROLES and file.size_bytes > 0

    return [
        Place(dataset.name, str(dataset.root), file.path, file.absolute, file.size_bytes)
        for file in dataset.files
        if is_data(file)
    ]


def find_duplicates(
    places: Iterable[Place],
    *,
    known: KnownDigest = lambda _path: None,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> list[Finding]:
    """Files of equal content, each after the first with where it was first.

    Args:
        places: of all datasets.
        known: digests that need not be made again.
        progress: told how many files of how many were compared.

    Files are read only where another one has the same size, and whole only where the beginning, middle and end are the
    same too. Names of one file (links, a path given twice) are no copies. What cannot be read is left out.
    """
    by_size = _groups(_distinct(places), lambda place: place.size_bytes)
    total = sum(len(group) for group in by_size)
    done = 0
    found: list[Finding] = []
    for group in by_size:
        for alike in _groups(group, _sample):
            for same in _groups(alike, lambda place: known(place.absolute) or _digest(place)):
                found += _told(same)
        done += len(group)
        progress(done, total)
    return sorted(found, key=lambda finding: (finding.dataset, finding.file))


def _distinct(places: Iterable[Place]) -> list[Place]:
    return list({place.absolute: place for place in reversed(list(places))}.values())[::-1]


def _groups(places: Sequence[Place], key: Callable[[Place], Hashable]) -> list[list[Place]]:
    """Those that share a key with another."""
    groups: dict[Hashable, list[Place]] = defaultdict(list)
    for place in places:
        value = key(place)
        if value is not None:
            groups[value].append(place)
    return [group for group in groups.values() if len(group) > 1]


def _sample(place: Place) -> bytes | None:
    try:
        with place.absolute.open("rb") as file:
            digest = hashlib.sha256()
            for at in (0, max(0, place.size_bytes // 2), max(0, place.size_bytes - _SAMPLE_BYTES)):
                file.seek(at)
                digest.update(file.read(_SAMPLE_BYTES))
            return digest.digest()
    except OSError:
        return None


def _digest(place: Place) -> bytes | None:
    try:
        with place.absolute.open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest()
    except OSError:
        return None


def _told(same: Sequence[Place]) -> Iterator[Finding]:
    first = same[0]
    for place in same[1:]:
        is_across = place.root != first.root or place.dataset != first.dataset
        where = f"{first.dataset}/{first.path}" if is_across else first.path
        told = Told(place.path, f"the same {place.size_bytes} bytes as {where}", {"other": where})
        yield (_ACROSS if is_across else _WITHIN).found(place.dataset, place.root, told)
