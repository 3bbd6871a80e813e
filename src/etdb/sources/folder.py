"""Datasets from a folder.

A path names one of three things: a single file (a dataset of that file), a dataset's folder, or a folder of dataset
folders. A folder is a dataset when it holds `dataset.toml`, or directly holds image data, or has no folder with files
in it; otherwise each of its folders that has files is a dataset, in the order of their names.

A Zarr folder is one image, whatever is in it. Hidden files are left out and counted, but for those of Zarr. A link to
a file inside the dataset's own folder is read as that file; a link to anything else is refused. Nothing is ever
written here.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from msgspec import UNSET, Struct

from etdb.counting import counted
from etdb.em import MrcLook
from etdb.errors import InputError, SourceFileError
from etdb.sources.dataset import Problem, ProblemKind, SourceDataset, SourceFile
from etdb.sources.forms import ZARR_NAMES, guess_media_type
from etdb.sources.looking import Looked, look_at, zarr_folders
from etdb.sources.metadata import DATASET_TOML, MAX_DATASET_TOML_BYTES, DatasetMetadata, FileNote, parse_dataset_toml
from etdb.sources.names import collision_key, name_problem, shown
from etdb.sources.roles import Seen, guess_roles

__all__ = ["FolderReading", "FolderSource", "refusal"]

MAX_FILES = 100_000
MAX_DEPTH = 32
MAX_PROBLEMS_SHOWN = 20
# The manifest goes there; see `etdb.manifest`.
RESERVED_NAME = "ro-crate-metadata.json"
# Files of these roles alone make no dataset of a folder.
DATA_ROLES_LEFT_OUT = frozenset({"metadata", "alignment", "notes", "other"})


class _Found(Struct, frozen=True, kw_only=True):
    path: str
    absolute: Path
    size_bytes: int


class FolderSource:
    """The datasets at a path of a disk.

    Args:
        path: a file, a dataset's folder or a folder of dataset folders.

    Raises:
        SourceFileError: there is nothing at the path.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        try:
            self._root = self.path.resolve(strict=True)
        except (OSError, RuntimeError, ValueError):
            raise SourceFileError(
                f"{shown(str(path))} does not exist or cannot be reached",
                hint="check the path",
                path=shown(str(path)),
            ) from None

    def datasets(self) -> Iterator[SourceDataset]:
        """The datasets in order; the first that is not right raises.

        Raises:
            SourceFileError: names every problem of that dataset.
            InputError: there is no dataset here.
        """
        for root in self.roots():
            yield self.read(root)

    def roots(self) -> list[Path]:
        """The file or the folders that are the datasets, in order.

        Raises:
            InputError: there is no dataset here.
            SourceFileError: the folder cannot be listed.
        """
        if not self._root.is_dir():
            return [self._root]
        entries = _list_folder(self._root)
        files = [e.name for e in entries if not e.is_dir(follow_symlinks=False)]
        # Not DirEntry.is_dir, which raises for a link to itself.
        folders = [e for e in entries if Path(e.path).is_dir() and _has_files(Path(e.path))]
        is_dataset = (
            DATASET_TOML in files
            or not DATA_ROLES_LEFT_OUT.issuperset(guess_roles(Seen(path=n) for n in files).values())
            or _is_zarr(self._root)
            or any(_is_zarr(Path(e.path)) for e in folders)
        )
        if is_dataset or (files and not folders):
            return [self._root]
        if not folders:
            raise InputError(
                f"there is no file to publish in {shown(str(self.path))}",
                hint="give a file, a dataset's folder, or a folder of dataset folders",
                path=shown(str(self.path)),
            )
        return [Path(e.path) for e in folders]

    def read(self, root: Path) -> SourceDataset:
        """Look at one dataset: all its files, and its `dataset.toml`.

        Raises:
            SourceFileError: `problems` in its fields holds every problem, a line each.
        """
        dataset, problems = self.survey(root)
        if problems:
            raise refusal(root.name, root, problems)
        return dataset

    def survey(self, root: Path) -> tuple[SourceDataset, tuple[Problem, ...]]:
        """Look at one dataset that may have problems: what can be read of it, and what keeps it from publication."""
        return FolderReading(root).run()


class FolderReading:
    """One look at one dataset; problems are collected, not raised one by one.

    ``run`` looks at all of a folder. Who knows the files from a table gives them to ``take``, then calls ``finish``.
    A file called `leave_out` is none of the dataset's.
    """

    def __init__(self, root: Path, *, leave_out: str = "") -> None:
        self.root = root
        self.leave_out = leave_out
        self.problems: list[Problem] = []
        self.notes: list[str] = []
        self.hidden = 0
        self.found: list[_Found] = []
        self.metadata = DatasetMetadata()

    def run(self) -> tuple[SourceDataset, tuple[Problem, ...]]:
        """Look at a folder, or a single file."""
        single = not self.root.is_dir()
        if self.root.is_symlink():
            self.refuse("link", self.root.name, "is a link: give the folder that it points to by its own path")
        elif single:
            self.take(PurePosixPath(self.root.name), self.root)
        else:
            if problem := name_problem(self.root.name):
                self.refuse("name", self.root.name, problem)
            self._walk(self.root, PurePosixPath())
        return self.finish(is_single_file=single)

    def finish(self, *, is_single_file: bool = False) -> tuple[SourceDataset, tuple[Problem, ...]]:
        """The dataset of what was taken, and what is wrong with it."""
        self.found.sort(key=lambda f: f.path.encode("utf-8"))
        if not self.found and not self.problems:
            self.refuse("nothing", "", "there is no file to publish in it")
        self._check_collisions()
        self._check_notes()
        files = self._look_at_all()
        if self.hidden:
            self.notes.append(f"{self.hidden} hidden files or folders were left out")
        dataset = SourceDataset(
            name=self.root.stem if is_single_file else self.root.name,
            root=self.root.parent if is_single_file else self.root,
            files=files,
            metadata=self.metadata.given(),
            file_notes=self.metadata.files,
            notes=tuple(self.notes),
            is_single_file=is_single_file,
        )
        return dataset, tuple(self.problems)

    def refuse(self, kind: ProblemKind, path: PurePosixPath | str, text: str) -> None:
        """Note what keeps it from being published."""
        self.problems.append(Problem(kind=kind, path=shown(str(path)), text=text))

    def _walk(self, folder: Path, inside: PurePosixPath) -> None:
        if len(inside.parts) > MAX_DEPTH:
            self.refuse("too-many", inside, f"is nested deeper than {MAX_DEPTH} folders")
            return
        try:
            entries = _list_folder(folder, hidden=True)
        except SourceFileError as error:
            self.refuse("unreadable", inside, error.message)
            return
        for entry in entries:
            relative = inside / entry.name
            if entry.name.startswith(".") and entry.name not in ZARR_NAMES:
                self.hidden += 1
            elif str(relative) == self.leave_out:
                continue
            elif problem := name_problem(entry.name):
                self.refuse("name", relative, problem)
            elif entry.is_dir(follow_symlinks=False):
                self._walk(Path(entry.path), relative)
            elif str(relative) == DATASET_TOML:
                self._read_metadata(Path(entry.path))
            elif str(relative) == RESERVED_NAME:
                self.refuse("manifest-name", relative, "is the name of the manifest that etdb writes: rename it")
            elif len(self.found) == MAX_FILES:
                self.refuse("too-many", relative, f"more than {MAX_FILES} files in one dataset")
                return
            else:
                self.take(relative, Path(entry.path))

    def take(self, relative: PurePosixPath, path: Path) -> None:
        """Take up one file, `relative` in the dataset and at `path` on the disk, or note why not."""
        try:
            target = path
            if path.is_symlink():
                target = path.resolve(strict=True)
                if not target.is_relative_to(self.root.resolve()):
                    self.refuse("link", relative, "is a link to outside of the dataset: put the file itself here")
                    return
                if target.is_dir():
                    self.refuse("link", relative, "is a link to a folder: put the folder itself here")
                    return
            found = target.stat()
            if not stat.S_ISREG(found.st_mode):
                self.refuse("special", relative, "is not a regular file (a pipe, socket or device): remove it")
                return
            if problem := name_problem(relative.name):
                self.refuse("name", relative, problem)
            elif found.st_size == 0:
                self.refuse("empty", relative, "is empty: complete or remove it")
            else:
                with target.open("rb"):
                    self.found.append(_Found(path=str(relative), absolute=target, size_bytes=found.st_size))
        except PermissionError:
            self.refuse("unreadable", relative, "cannot be read: allow this user to read it")
        except (FileNotFoundError, RuntimeError):
            self.refuse("link", relative, "is a link to nothing, or was removed just now")
        except OSError as error:
            if error.errno == errno.ELOOP:
                self.refuse("link", relative, "is a link to nothing")
            else:
                self.refuse("unreadable", relative, f"cannot be read: {error.strerror}")

    def _read_metadata(self, path: Path) -> None:
        try:
            if path.is_symlink() or not path.is_file():
                self.refuse("metadata", DATASET_TOML, "is not a regular file: put the file itself here")
                return
            self.metadata, problems = parse_dataset_toml(_read_beginning(path, MAX_DATASET_TOML_BYTES + 1))
        except OSError as error:
            problems = [f"cannot be read: {error.strerror}"]
        for problem in problems:
            self.refuse("metadata", DATASET_TOML, problem)

    def _check_collisions(self) -> None:
        seen: dict[str, str] = {}
        for file in self.found:
            key = collision_key(file.path)
            if key in seen:
                self.notes.append(f"{seen[key]} and {file.path} are one name on systems that ignore case")
            seen.setdefault(key, file.path)

    def _check_notes(self) -> None:
        paths = {f.path for f in self.found}
        for name in self.metadata.files:
            if name not in paths:
                self.refuse("metadata", DATASET_TOML, f'[files."{shown(name)}"]: there is no such file here')

    def _look_at_all(self) -> tuple[SourceFile, ...]:
        where = {file.path: file.absolute for file in self.found}
        looked = {file.path: self._first_look(file, where) for file in self.found}
        self._note_missing_part([one for one in looked.values() if one.is_missing_part])
        seen = [Seen(path=path, look=one.look) for path, one in looked.items()]
        roles = guess_roles(seen, zarr=[""] if _is_zarr(self.root) else zarr_folders(where))
        return tuple(self._file(file, looked[file.path], roles[file.path]) for file in self.found)

    def _file(self, found: _Found, looked: Looked, role: str) -> SourceFile:
        note = self.metadata.files.get(found.path, FileNote())
        return SourceFile(
            path=found.path,
            absolute=found.absolute,
            size_bytes=found.size_bytes,
            media_type=guess_media_type(found.path),
            role=role if note.role is UNSET else str(note.role),
            look=looked.look,
            unread=looked.unread,
            packing=looked.packing,
            is_missing_part=looked.is_missing_part,
            notes=note.notes,
            display_name=note.display_name,
            software=note.software,
        )

    def _first_look(self, found: _Found, where: dict[str, Path]) -> Looked:
        try:
            looked = look_at(found.path, found.absolute, found.size_bytes, where)
        except OSError as error:
            self.refuse("unreadable", found.path, f"cannot be read: {error.strerror}")
            return Looked()
        if looked.unread and not looked.is_missing_part:
            self.notes.append(f"{found.path}: {looked.unread}")
        header = looked.look
        if isinstance(header, MrcLook) and header.is_truncated:
            self.notes.append(
                f"{found.path} has {found.size_bytes} bytes, but its header tells of {header.expected_bytes}"
            )
        return looked

    def _note_missing_part(self, unread: list[Looked]) -> None:
        """Once for all files: a folder of frames has thousands."""
        if unread:
            self.notes.append(f"{counted(len(unread), 'file')} not looked into: {unread[0].unread}")


def refusal(name: str, root: Path, problems: Sequence[Problem]) -> SourceFileError:
    """The error of a dataset that cannot be published: every problem in its message, a line each."""
    name = shown(name)
    lines = [str(problem) for problem in problems[:MAX_PROBLEMS_SHOWN]]
    if rest := len(problems) - len(lines):
        lines.append(f"... and {rest} more")
    if len(problems) == 1:
        message = f"{name} cannot be published: {problems[0]}"
    else:
        message = f"{name} cannot be published, {len(problems)} problems:\n" + "\n".join(f"  {x}" for x in lines)
    return SourceFileError(
        message,
        hint="nothing was published of it; correct the files, then run the same command again",
        path=shown(str(root)),
        problems=tuple(str(problem) for problem in problems),
    )


def _list_folder(folder: Path, *, hidden: bool = False) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            found = [entry for entry in entries if hidden or not entry.name.startswith(".")]
    except OSError as error:
        raise SourceFileError(
            f"the folder {shown(str(folder))} cannot be listed: {error.strerror}",
            hint="allow this user to read it",
            path=shown(str(folder)),
        ) from error
    return sorted(found, key=lambda entry: os.fsencode(entry.name))


def _is_zarr(folder: Path) -> bool:
    """Whether a folder is an image of its own: it is then part of a dataset, never a folder of datasets."""
    return folder.suffix.lower() == ".zarr" and any((folder / name).is_file() for name in ZARR_NAMES)


def _has_files(folder: Path) -> bool:
    return any(not name.startswith(".") for _, _, names in os.walk(folder) for name in names)


def _read_beginning(path: Path, limit: int) -> bytes:
    with path.open("rb") as file:
        return file.read(limit)
