"""From a source to what can be published of it: each dataset read, described and checked, or held back with why."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec

from etdb.describe import Draft, describe
from etdb.errors import EtdbError, InputError
from etdb.publish import Submission, verify_submission
from etdb.sources import Listing, Source, SourceDataset
from etdb.workspace import Settings

__all__ = ["Check", "Reader", "Ready", "fingerprint_of"]

Check = Callable[[SourceDataset, Draft], Sequence[str]]
"""Says why a dataset must not be published as it is; nothing when it may."""


class Ready(msgspec.Struct, frozen=True, kw_only=True):
    """A dataset that can be published. ``fingerprint`` changes when its record or one of its files does."""

    submission: Submission
    fingerprint: bytes


class Reader:
    """Reads what a source releases.

    Args:
        settings: the workspace's.
        publisher: the address that will sign.
        check: asked of each dataset that is not as it was.
        refuse: why a dataset of this sid cannot be published or edited at all, or "".
        is_settled: whether a dataset's newest record is final and has this fingerprint.
    """

    def __init__(
        self,
        settings: Settings,
        publisher: str,
        *,
        check: Check,
        refuse: Callable[[str], str],
        is_settled: Callable[[str, bytes], bool],
    ) -> None:
        self._settings = settings
        self._publisher = publisher
        self._check = check
        self._refuse = refuse
        self._is_settled = is_settled
        self._taken: dict[str, str] = {}

    def read(
        self, name: str, source: Source, listing: Listing, *, progress: Callable[[int, int], None]
    ) -> tuple[list[Ready], list[str], dict[str, str]]:
        """Look at every dataset that is released.

        Args:
            name: the source's.
            source: asked for each dataset.
            listing: what it released a moment ago.
            progress: told how many are done, and of how many.

        Returns:
            What is new or not as it was; the sids of what is as it was; what is held back, with the reason.
        """
        ready: list[Ready] = []
        settled: list[str] = []
        held: dict[str, str] = {}
        for number, sid in enumerate(listing.released):
            progress(number, len(listing.released))
            try:
                if sid in self._taken:
                    raise InputError(f"source {self._taken[sid]} has a dataset of this sid too")
                self._taken[sid] = name
                if reason := self._refuse(sid):
                    raise InputError(reason)
                one = self._one(sid, source)
            except EtdbError as error:
                held[sid] = "; ".join(error.fields.get("problems", ())) or error.message
                continue
            if one is None:
                settled.append(sid)
            else:
                ready.append(one)
        progress(len(listing.released), len(listing.released))
        return ready, settled, held

    def _one(self, sid: str, source: Source) -> Ready | None:
        dataset = source.read(sid)
        draft = describe(dataset, self._settings)
        if draft.tomogram.sid != sid:
            raise InputError(f"it calls itself {draft.tomogram.sid}: its sid must be that of the source")
        paths = {file.path: file.absolute for file in dataset.files}
        submission = Submission(
            tomogram=draft.tomogram,
            paths=paths,
            source=f"{source.name}: {sid}",
            derived=draft.derived,
            respelt=draft.respelt,
        )
        fingerprint = fingerprint_of(submission)
        if self._is_settled(sid, fingerprint):
            return None
        verify_submission(submission, self._publisher)
        reasons = self._check(dataset, draft)
        if reasons:
            raise InputError("; ".join(reasons))
        return Ready(submission=submission, fingerprint=fingerprint)


def fingerprint_of(submission: Submission) -> bytes:
    """Of the record as it would be written, and of the files as the file system knows them; nothing is read whole.

    Raises:
        InputError: a file is gone.
    """
    digest = hashlib.sha256(msgspec.json.encode(submission.tomogram, order="sorted"))
    for path, state in sorted(_states(submission.paths).items()):
        digest.update(msgspec.json.encode((path, *state)))
    return digest.digest()


def _states(paths: Mapping[str, Path]) -> dict[str, tuple[str, int, int, int]]:
    found = {}
    for name, path in paths.items():
        try:
            seen = path.stat()
        except OSError as error:
            raise InputError(f"{name} cannot be read: {error.strerror}", path=str(path)) from error
        found[name] = (str(path), seen.st_size, seen.st_mtime_ns, seen.st_ino)
    return found
