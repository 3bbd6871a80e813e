"""Datasets from a folder.

A path names one of three things: a single file (a dataset of that file), a dataset's folder, or a folder of dataset
folders. A folder is a dataset when it holds `dataset.toml`, or directly holds image data, or has no folder with files
in it; otherwise each of its folders that has files is a dataset, in the order of their names.

Hidden files are left out and counted. A link to a file inside the dataset's own folder is read as that file; a link to
anything else is refused. Nothing is ever written here.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from msgspec import UNSET, Struct

from etdb.em import (
    FEI1_HEADER_BYTES,
    MAX_MDOC_BYTES,
    MRC_HEADER_BYTES,
    MdocLook,
    MrcLook,
    parse_mdoc,
    parse_mrc_header,
    parse_tilt_file,
)
from etdb.errors import FormatError, InputError, SourceFileError
from etdb.sources.dataset import SourceDataset, SourceFile
from etdb.sources.metadata import DATASET_TOML, MAX_DATASET_TOML_BYTES, DatasetMetadata, FileNote, parse_dataset_toml
from etdb.sources.names import collision_key, name_problem, shown
from etdb.sources.roles import MRC_SUFFIXES, guess_media_type, guess_role

__all__ = ["FolderReading", "FolderSource"]

MAX_FILES = 100_000
MAX_DEPTH = 32
MAX_PROBLEMS_SHOWN = 20
# The manifest goes there; see `etdb.manifest`.
RESERVED_NAME = "ro-crate-metadata.json"
DATA_ROLES_LEFT_OUT = frozenset({"metadata", "other"})


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
        is_dataset = DATASET_TOML in files or any(guess_role(n, files) not in DATA_ROLES_LEFT_OUT for n in files)
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
        return FolderReading(root).run()


class FolderReading:
    """One look at one dataset; problems are collected, not raised one by one.

    ``run`` looks at all of a folder. Who knows the files from a table gives them to ``take``, then calls ``finish``.
    """

    def __init__(self, root: Path, *, name: str = "", leave_out: str = "") -> None:
        self.root = root
        self.name = name or root.name
        self.leave_out = leave_out
        self.problems: list[str] = []
        self.notes: list[str] = []
        self.hidden = 0
        self.found: list[_Found] = []
        self.metadata = DatasetMetadata()

    def run(self) -> SourceDataset:
        """Look at a folder, or a single file.

        Raises:
            SourceFileError: names every problem.
        """
        single = not self.root.is_dir()
        if self.root.is_symlink():
            self.problems.append(
                f"{shown(self.root.name)}: is a link: give the folder that it points to by its own path"
            )
        elif single:
            self.take(PurePosixPath(self.root.name), self.root)
        else:
            if problem := name_problem(self.root.name):
                self.problems.append(f"{shown(self.root.name)}: {problem}")
            self._walk(self.root, PurePosixPath())
        return self.finish(is_single_file=single)

    def finish(self, *, is_single_file: bool = False) -> SourceDataset:
        """The dataset of what was taken.

        Raises:
            SourceFileError: names every problem.
        """
        self.found.sort(key=lambda f: f.path.encode("utf-8"))
        if not self.found and not self.problems:
            self.problems.append("there is no file to publish in it")
        self._check_collisions()
        self._check_notes()
        paths = {f.path for f in self.found}
        files = tuple(self._look(f, paths) for f in self.found)
        if self.problems:
            raise self._error()
        if self.hidden:
            self.notes.append(f"{self.hidden} hidden files or folders were left out")
        return SourceDataset(
            name=self.root.stem if is_single_file else self.root.name,
            root=self.root.parent if is_single_file else self.root,
            files=files,
            metadata=self.metadata.given(),
            notes=tuple(self.notes),
            is_single_file=is_single_file,
        )

    def _walk(self, folder: Path, inside: PurePosixPath) -> None:
        if len(inside.parts) > MAX_DEPTH:
            self.problems.append(f"{shown(str(inside))}: is nested deeper than {MAX_DEPTH} folders")
            return
        try:
            entries = _list_folder(folder, hidden=True)
        except SourceFileError as error:
            self.problems.append(f"{shown(str(inside))}: {error.message}")
            return
        for entry in entries:
            relative = inside / entry.name
            if entry.name.startswith("."):
                self.hidden += 1
            elif str(relative) == self.leave_out:
                continue
            elif problem := name_problem(entry.name):
                self.problems.append(f"{shown(str(relative))}: {problem}")
            elif entry.is_dir(follow_symlinks=False):
                self._walk(Path(entry.path), relative)
            elif str(relative) == DATASET_TOML:
                self._read_metadata(Path(entry.path))
            elif str(relative) == RESERVED_NAME:
                self.problems.append(f"{RESERVED_NAME}: is the name of the manifest that etdb writes: rename it")
            elif len(self.found) == MAX_FILES:
                self.problems.append(f"{shown(str(relative))}: more than {MAX_FILES} files in one dataset")
                return
            else:
                self.take(relative, Path(entry.path))

    def take(self, relative: PurePosixPath, path: Path) -> None:
        """Take up one file, or note why not.

        Args:
            relative: its path in the dataset.
            path: where it is.
        """
        name = shown(str(relative))
        try:
            target = path
            if path.is_symlink():
                target = path.resolve(strict=True)
                if not target.is_relative_to(self.root.resolve()):
                    self.problems.append(f"{name}: is a link to outside of the dataset: put the file itself here")
                    return
                if target.is_dir():
                    self.problems.append(f"{name}: is a link to a folder: put the folder itself here")
                    return
            found = target.stat()
            if not stat.S_ISREG(found.st_mode):
                self.problems.append(f"{name}: is not a regular file (a pipe, socket or device): remove it")
                return
            if problem := name_problem(relative.name):
                self.problems.append(f"{name}: {problem}")
            elif found.st_size == 0:
                self.problems.append(f"{name}: is empty: complete or remove it")
            else:
                with target.open("rb"):
                    self.found.append(_Found(path=str(relative), absolute=target, size_bytes=found.st_size))
        except PermissionError:
            self.problems.append(f"{name}: cannot be read: allow this user to read it")
        except (FileNotFoundError, RuntimeError):
            self.problems.append(f"{name}: is a link to nothing, or was removed just now")
        except OSError as error:
            looped = error.errno == errno.ELOOP
            self.problems.append(f"{name}: {'is a link to nothing' if looped else f'cannot be read: {error.strerror}'}")

    def _read_metadata(self, path: Path) -> None:
        try:
            if path.is_symlink() or not path.is_file():
                self.problems.append(f"{DATASET_TOML}: is not a regular file: put the file itself here")
                return
            self.metadata, problems = parse_dataset_toml(_read_beginning(path, MAX_DATASET_TOML_BYTES + 1))
        except OSError as error:
            problems = [f"cannot be read: {error.strerror}"]
        self.problems += [f"{DATASET_TOML}: {problem}" for problem in problems]

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
                self.problems.append(f'{DATASET_TOML}: [files."{shown(name)}"]: there is no such file here')

    def _look(self, found: _Found, paths: set[str]) -> SourceFile:
        header, mdoc, tilts = self._first_look(found)
        note = self.metadata.files.get(found.path, FileNote())
        return SourceFile(
            path=found.path,
            absolute=found.absolute,
            size_bytes=found.size_bytes,
            media_type=guess_media_type(found.path),
            role=guess_role(found.path, paths, header) if note.role is UNSET else str(note.role),
            header=header,
            mdoc=mdoc,
            tilt_angles_deg=tilts,
            notes=note.notes,
            display_name=note.display_name,
            software=note.software,
        )

    def _first_look(self, found: _Found) -> tuple[MrcLook | None, MdocLook | None, tuple[float, ...]]:
        suffix = PurePosixPath(found.path).suffix.lower()
        nothing: tuple[Any, Any, tuple[float, ...]] = (None, None, ())
        try:
            if suffix in MRC_SUFFIXES:
                data = _read_beginning(found.absolute, MRC_HEADER_BYTES + FEI1_HEADER_BYTES)
                header = parse_mrc_header(data, found.size_bytes)
                if header.is_truncated:
                    self.notes.append(
                        f"{found.path} has {found.size_bytes} bytes, but its header tells of {header.expected_bytes}"
                    )
                return header, None, ()
            if suffix == ".mdoc":
                return None, parse_mdoc(_read_beginning(found.absolute, MAX_MDOC_BYTES + 1)), ()
            if suffix in {".rawtlt", ".tlt"}:
                return None, None, parse_tilt_file(_read_beginning(found.absolute, (1 << 20) + 1))
        except FormatError as error:
            self.notes.append(f"{found.path}: {error.message}")
        except OSError as error:
            self.problems.append(f"{found.path}: cannot be read: {error.strerror}")
        return nothing

    def _error(self) -> SourceFileError:
        name = shown(self.name)
        lines = self.problems[:MAX_PROBLEMS_SHOWN]
        if rest := len(self.problems) - len(lines):
            lines.append(f"... and {rest} more")
        if len(self.problems) == 1:
            message = f"{name} cannot be published: {self.problems[0]}"
        else:
            message = f"{name} cannot be published, {len(self.problems)} problems:\n" + "\n".join(
                f"  {x}" for x in lines
            )
        return SourceFileError(
            message,
            hint="nothing was published of it; correct the files, then run the same command again",
            path=shown(str(self.root)),
            problems=tuple(self.problems),
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


def _has_files(folder: Path) -> bool:
    return any(not name.startswith(".") for _, _, names in os.walk(folder) for name in names)


def _read_beginning(path: Path, limit: int) -> bytes:
    with path.open("rb") as file:
        return file.read(limit)
