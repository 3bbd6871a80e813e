"""The first look at a file: which reader of `etdb.em` fits, and how much of the file it gets."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from msgspec import Struct

from etdb import em
from etdb.errors import ConfigurationError, EtdbError, FormatError
from etdb.oip.strict_json import load_json
from etdb.sources import forms

__all__ = ["Looked", "look_at", "zarr_folders"]

MAX_ZARR_JSON_BYTES = 1 << 20
# A model is read to its end: packed, it might never have one.
MAX_UNPACKED_MODEL_BYTES = 1 << 30
MOVIES_READ = frozenset({".mp4", ".m4v", ".mov", ".avi", ".flv"})
ZARR_GROUPS = frozenset({"zarr.json", ".zattrs"})


class Looked(Struct, frozen=True, kw_only=True):
    """What a look gave; `unread` says why it gave nothing, `is_missing_part` that a package would help."""

    look: em.Look | None = None
    unread: str = ""
    packing: em.Packing = ""
    is_missing_part: bool = False


def look_at(path: str, absolute: Path, size_bytes: int, files: Mapping[str, Path] | None = None) -> Looked:
    """Look at one file.

    Args:
        path: relative to the dataset.
        absolute: where it is.
        size_bytes: its size.
        files: all files of the dataset, for what consists of several (OME-Zarr).

    Raises:
        OSError: the disk fails.
    """
    packing = em.packing_of(path)
    try:
        if PurePosixPath(path).name in ZARR_GROUPS:
            return Looked(look=_zarr(path, files or {}))
        read = _reader(forms.form_of(path), size_bytes, is_packed=bool(packing))
        if read is None:
            return Looked()
        with absolute.open("rb") as file:
            return Looked(look=read(_unpacked(file, packing)), packing=packing)
    except ConfigurationError as error:
        return Looked(unread=f"{error.message}: {error.hint}", is_missing_part=True)
    except EtdbError as error:
        return Looked(unread=error.message, packing=packing)


def zarr_folders(paths: Iterable[str]) -> frozenset[str]:
    """The folders that are Zarr stores, each with a '/' at its end: by their name and what is in them."""
    found = set()
    for path in paths:
        *folders, name = path.split("/")
        if name in forms.ZARR_NAMES:
            depth = next((at for at, folder in enumerate(folders, 1) if folder.lower().endswith(".zarr")), 0)
            found |= {"/".join(folders[:depth]) + "/"} if depth else set()
    return frozenset(found)


def _reader(form: str, size_bytes: int, *, is_packed: bool) -> Callable[[Any], em.Look | None] | None:
    """The reader of a form. TIFF and movies are read here and there, which a packed file does not allow."""
    if form in forms.MRC_SUFFIXES:
        return lambda file: em.read_mrc(file, None if is_packed else size_bytes)
    if form == ".mdoc":
        return lambda file: em.parse_mdoc(file.read(em.MAX_MDOC_BYTES + 1))
    if form in forms.TILT_SUFFIXES:
        return lambda file: em.parse_tilt_angles(file.read(em.MAX_TILT_FILE_BYTES + 1), form)
    if form in forms.TRANSFORM_SUFFIXES:
        return lambda file: em.parse_transforms(file.read(em.MAX_TRANSFORM_FILE_BYTES + 1), form)
    if form in forms.CTF_SUFFIXES:
        return lambda file: em.parse_defocus(file.read(em.MAX_CTF_FILE_BYTES + 1))
    if form in forms.ANNOTATION_SUFFIXES:
        return em.read_annotations
    if form in forms.MODEL_SUFFIXES:
        return em.read_model
    if form in forms.IMAGES:
        return em.read_picture
    if form in forms.LOG_SUFFIXES:
        return _text
    if form in forms.NOTE_SUFFIXES:
        return lambda file: em.read_note(file.read(em.MAX_NOTE_BYTES))
    if form in forms.FRAME_SUFFIXES and not is_packed:
        return em.read_frames
    return em.read_movie if form in MOVIES_READ and not is_packed else None


def _unpacked(file: BinaryIO, packing: em.Packing) -> BinaryIO | em.PackedFile:
    return em.PackedFile(file, packing, MAX_UNPACKED_MODEL_BYTES) if packing else file


def _text(file: BinaryIO) -> em.Look:
    data = file.read(em.MAX_LOG_BYTES)
    if em.is_ctffind(data):
        return em.parse_ctffind(data)
    try:
        return em.parse_acquisition_log(data)
    except FormatError:
        return em.read_note(data)


def _zarr(path: str, files: Mapping[str, Path]) -> em.ZarrVolume | None:
    """A group's metadata, with those of the arrays that it names; None for what is no multiscale image."""
    pure = PurePosixPath(path)
    group = _json(files.get(path))
    try:
        levels = em.level_paths(group)
    except FormatError:
        return None  # an array, or a group that only holds others
    array = "zarr.json" if pure.name == "zarr.json" else ".zarray"
    arrays = {level: _json(files.get(str(pure.parent / level / array))) for level in levels}
    return em.parse_ome_zarr("" if pure.parent == PurePosixPath() else str(pure.parent), group, arrays)


def _json(path: Path | None) -> Any:
    if path is None:
        return None
    with path.open("rb") as file:
        data = file.read(MAX_ZARR_JSON_BYTES + 1)
    if len(data) > MAX_ZARR_JSON_BYTES:
        raise FormatError(f"metadata of a Zarr array above {MAX_ZARR_JSON_BYTES} bytes")
    try:
        return load_json(data)
    except FormatError as error:
        raise FormatError(error.message.replace("not a record", f"{path.name} is not the JSON of a Zarr")) from None
