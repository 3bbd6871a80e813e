"""Previews on the way to publication: planned with the rest, made after the consent, kept in the workspace."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import msgspec

from etdb.blocks import FilesInPlace
from etdb.cli.output import Output, printable, size_text
from etdb.counting import counted
from etdb.describe import Draft
from etdb.errors import FormatError, InputError, SourceFileError
from etdb.media import MovieError, has_modules, import_extra
from etdb.preview import (
    MadeFile,
    PreviewKeeper,
    PreviewPlan,
    entry_of,
    guess_sizes,
    kept_files,
    plan_previews,
    planned_entries,
)
from etdb.publish import SENT_STATES, DatasetEntry, Journal, Submission, decode_draft
from etdb.sources import SourceDataset
from etdb.workspace import Workspace

__all__ = ["PublishPreviews", "choose_previews", "previews_option"]

_PREVIEWS = ("PIL", "imageio_ffmpeg")
_NAMED = 3

previews_option = click.option(
    "--previews/--no-previews",
    default=None,
    help="Make key image, thumbnail and movie of datasets without; by default where etdb[previews] is installed.",
)


def choose_previews(wanted: bool | None, *, zarr: bool, revises: bool = False) -> PublishPreviews:
    """What the options mean: by default previews are made where the libraries are there.

    With `revises` a published dataset whose files have changed gets new ones.

    Raises:
        MissingExtraError: they are asked for and are not there.
        InputError: the options contradict each other.
    """
    if zarr and wanted is False:
        raise InputError("--zarr is a preview: leave out --no-previews, or --zarr")
    needed = [*(_PREVIEWS if wanted or zarr else ()), *(("zarr",) if zarr else ())]
    for module in needed:
        import_extra(module, "previews", what="making previews")
    are_wanted = bool(wanted or zarr) or (wanted is None and has_modules(*_PREVIEWS))
    return PublishPreviews(wanted=are_wanted, zarr=zarr, revises=revises)


class PublishPreviews:
    """The previews of one run of ``etdb publish`` or ``etdb sync``.

    A dataset whose record is on its way keeps the previews that its record names, whatever the options say now: those
    bytes are in the content folder. Of every other dataset they are made, or taken up again when they were made before.
    """

    def __init__(self, *, wanted: bool, zarr: bool, revises: bool = False) -> None:
        self._wanted = wanted
        self._zarr = zarr
        self._revises = revises
        self._plans: dict[str, PreviewPlan] = {}

    def consider(self, dataset: SourceDataset, draft: Draft) -> None:
        """Plan those of one dataset."""
        if self._wanted:
            plan = plan_previews(dataset, draft.tomogram, draft.origins, zarr=self._zarr)
            self._plans[draft.tomogram.sid] = plan

    def planned(
        self,
        submissions: Sequence[Submission],
        journal: Journal | None,
        address: str,
        content_folder: Path,
        *,
        progress: Callable[[str, int, int], None],
    ) -> list[Submission]:
        """The submissions as they will be about, for the plan: sizes of what is not made yet are guesses."""
        ready = []
        for number, submission in enumerate(submissions, 1):
            entry = _under_way(journal, address, submission)
            if entry is not None:
                if not self._revises:  # else it is not known yet whether its files have changed
                    self._plans.pop(submission.tomogram.sid, None)
                ready.append(_with_kept(submission, entry, content_folder))
                continue
            plan = self._plans.get(submission.tomogram.sid)
            if plan is not None:
                plan = self._plans[submission.tomogram.sid] = guess_sizes(plan)
                progress("guess", number, len(submissions))
            rows = planned_entries(plan) if plan is not None else ()
            files = (*submission.tomogram.files, *rows)
            ready.append(
                msgspec.structs.replace(submission, tomogram=msgspec.structs.replace(submission.tomogram, files=files))
            )
        return ready

    def make(
        self,
        workspace: Workspace,
        submissions: Sequence[Submission],
        *,
        journal: Journal,
        address: str,
        blocks: FilesInPlace,
        sha256: bool,
        progress: Callable[[str, int, int], None],
        note: Callable[[str], None],
    ) -> list[Submission]:
        """Make what is missing; the submissions with all their previews.

        What cannot be made is told, and the dataset is published without it.

        Raises:
            SourceFileError: a file of the lab cannot be read now.
            StorageError: the workspace cannot be written.
        """
        keeper = PreviewKeeper(
            blocks, notes_folder=workspace.previews_folder, scratch_folder=workspace.cache_folder, sha256=sha256
        )
        ready, done = [], 0
        total = sum(len(plan.products) for plan in self._plans.values())
        for submission in submissions:
            entry = _under_way(journal, address, submission)
            if entry is not None and not (self._revises and _has_other_files(submission, entry, blocks, sha256=sha256)):
                ready.append(_with_kept(submission, entry, blocks.content_folder))
                continue
            plan = self._plans.get(submission.tomogram.sid)
            made: list[MadeFile] = []
            for product in plan.products if plan is not None else ():
                try:
                    made += keeper.keep(product, lambda part, of: progress("make", part, of))
                except SourceFileError:
                    raise  # a disk may read again tomorrow, and what is published stays without them for good
                except (FormatError, InputError, MovieError) as error:
                    note(f"{submission.tomogram.sid} is published without its {product.kind}: {error.message}")
                done += 1
                progress("preview", done, total)
            ready.append(_with_made(submission, made))
        return ready

    def document(self) -> list[dict[str, Any]]:
        """What will be made, for programs."""
        return [
            {
                "sid": plan.sid,
                "files": [file.path for product in plan.products for file in product.files],
                "about_bytes": sum(file.about_bytes or 0 for product in plan.products for file in product.files),
                "zarr_files": plan.zarr.files if plan.zarr is not None else 0,
                "zarr_max_bytes": plan.zarr.max_bytes if plan.zarr is not None else 0,
                "why_not": plan.why_not,
            }
            for plan in self._plans.values()
        ]

    def show(self, out: Output) -> None:
        """What will be made, for people."""
        files = [file for plan in self._plans.values() for product in plan.products for file in product.files]
        datasets = sum(bool(plan.products) for plan in self._plans.values())
        if files:
            size = size_text(sum(file.about_bytes or 0 for file in files))
            what = f"{counted(len(files), 'file')} for {counted(datasets, 'dataset')}"
            out.say(f"previews: {what}, about {size}; those made before are kept")
        copies = [plan.zarr for plan in self._plans.values() if plan.zarr is not None]
        if copies:
            count, size = sum(copy.files for copy in copies), size_text(sum(copy.max_bytes for copy in copies))
            out.say(
                f"OME-Zarr copies: {len(copies)}, at most {counted(count, 'file')} and {size}, kept in the workspace"
            )
        without = [plan for plan in self._plans.values() if not plan.products]
        for plan in without[:_NAMED]:
            out.remark(f"{printable(plan.sid)}: no previews, {printable(plan.why_not)}")
        if len(without) > _NAMED:
            out.remark(f"and {len(without) - _NAMED} more without previews")


def _under_way(journal: Journal | None, address: str, submission: Submission) -> DatasetEntry | None:
    """Its entry, when what it consists of can change no more."""
    entry = journal.find(address, submission.tomogram.sid) if journal is not None else None
    if journal is None or entry is None:
        return None
    return entry if entry.state in SENT_STATES or journal.parts(entry.id) else None


def _has_other_files(submission: Submission, entry: DatasetEntry, blocks: FilesInPlace, *, sha256: bool) -> bool:
    """Whether the lab's files are not those of the record; files that are as they were are not read for it."""
    added = blocks.add_files(list(submission.paths.values()), sha256=sha256)
    return any(entry.files.get(path) != str(one.cid) for path, one in zip(submission.paths, added, strict=True))


def _with_kept(submission: Submission, entry: DatasetEntry, content_folder: Path) -> Submission:
    ours: Mapping[str, str] = {path: cid for path, cid in entry.files.items() if path not in submission.paths}
    places = kept_files(ours, content_folder)
    rows = [row for row in decode_draft(entry).files if row.path in places]
    return _with(submission, rows, places)


def _with_made(submission: Submission, made: Sequence[MadeFile]) -> Submission:
    return _with(submission, [entry_of(one) for one in made], {one.path: one.file for one in made})


def _with(submission: Submission, rows: Sequence[Any], places: Mapping[str, Path]) -> Submission:
    tomogram = msgspec.structs.replace(submission.tomogram, files=(*submission.tomogram.files, *rows))
    return msgspec.structs.replace(submission, tomogram=tomogram, paths={**submission.paths, **places})
