"""Checks of names and of what lies in the folder: what a source refuses, told as findings."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import PurePosixPath

from etdb.sources import ProblemKind, collision_key, portability_problem
from etdb.sources.forms import MRC_SUFFIXES, form_of
from etdb.validate.finding import Told, check
from etdb.validate.subject import Subject


def _refused(ident: str, title: str, hint: str, *kinds: ProblemKind, better: str = "") -> None:
    """Enter a check of what the source refuses for one of these reasons."""

    def run(subject: Subject) -> Iterator[Told]:
        for problem in subject.problems:
            if problem.kind in kinds:
                yield Told(problem.path, problem.text)

    enter: Callable[[Callable[[Subject], Iterator[Told]]], object] = check(
        ident, "error", title, hint=hint, better=better
    )
    enter(run)


_refused(
    "name-unsafe",
    "A name cannot be published",
    "rename it: no control or direction-turning characters, no backslash, UTF-8, at most 255 bytes",
    "name",
    better="theirs does not look at names",
)
_refused("name-of-manifest", "A file has the name of the manifest that etdb writes", "rename it", "manifest-name")
_refused("file-empty", "A file is empty", "complete or remove it", "empty", better="every file, not only images")
_refused("file-unreadable", "A file or folder cannot be read", "allow this user to read it", "unreadable")
_refused("file-link", "A link leads out of the dataset, or nowhere", "put the file itself here", "link")
_refused("file-special", "Something is neither a file nor a folder", "remove it", "special")
_refused("dataset-too-large", "A dataset has too many files or levels", "divide it", "too-many")
_refused("dataset-empty", "A dataset has no file", "put the files there, or remove the folder", "nothing")
_refused(
    "metadata-invalid",
    "dataset.toml is not right",
    "correct the line that is named",
    "metadata",
    better="misspelt keys are found, the nearest known one is named",
)


@check(
    "name-not-portable",
    "warning",
    "A name cannot be written on every system",
    hint="rename it, or people get it under another name when they download it on Windows",
    better="theirs does not look at names",
)
def not_portable(subject: Subject) -> Iterator[Told]:
    """Reserved names and letters, of files and folders."""
    seen: set[str] = set()
    for file in subject.dataset.files:
        pure = PurePosixPath(file.path)
        for at, part in enumerate(pure.parts):
            whole = "/".join(pure.parts[: at + 1])
            if whole not in seen and (problem := portability_problem(part)):
                yield Told(file.path, f"{part!a} {problem}")
            seen.add(whole)


@check(
    "name-collision",
    "warning",
    "Two names differ only in capitals or in how accents are written",
    hint="rename one of them: on macOS and Windows one would overwrite the other",
    better="theirs does not look at names",
)
def collision(subject: Subject) -> Iterator[Told]:
    """Files, and folders that would become one."""
    seen: dict[str, str] = {}
    for file in subject.dataset.files:
        parts = PurePosixPath(file.path).parts
        for at in range(len(parts)):
            whole = "/".join(parts[: at + 1])
            other = seen.setdefault(collision_key(whole), whole)
            if other != whole:
                yield Told(file.path, f"{other} and {whole}", {"names": [other, whole]})
                break


@check(
    "file-not-understood",
    "warning",
    "A file could not be read as what its name says it is",
    hint="open it with the program that wrote it; a cut-off or renamed file is of no use to anybody",
    curators="each kind of file can be opened",
)
def not_understood(subject: Subject) -> Iterator[Told]:
    """Looks that failed, of all but MRC files, which have their own check."""
    for file in subject.dataset.files:
        if file.unread and not file.is_missing_part and form_of(file.path) not in MRC_SUFFIXES:
            yield Told(file.path, file.unread)
