"""Planes of image files on a disk, one strip of rows at a time: MRC, MRC behind gzip or bzip2, TIFF.

Memory is bounded by the strip, not by the file. Nothing is written.
"""

from __future__ import annotations

import bz2
import gzip
import os
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any, Final, Protocol

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from etdb.em import (
    FEI1_HEADER_BYTES,
    MRC_HEADER_BYTES,
    MrcLook,
    PlaneLayout,
    decode_planes,
    parse_mrc_header,
    plane_layout,
)
from etdb.errors import FormatError, SourceFileError
from etdb.media.extras import import_extra

__all__ = ["MAX_READ_BYTES", "MAX_TIFF_PLANE_BYTES", "Planes", "StackFacts", "open_planes"]

MAX_READ_BYTES: Final = 1 << 27
"""No more of a plane is read at once: headers may tell of rows that no memory holds."""
MAX_TIFF_PLANE_BYTES: Final = 1 << 28
"""A plane of a TIFF file is decoded whole: none larger than this is read."""
_UNPACK: Final[dict[str, Callable[[Path], IO[bytes]]]] = {".gz": gzip.open, ".bz2": bz2.open}  # type: ignore[dict-item]
_TIFF = (".tif", ".tiff")
_HEADERS_BYTES: Final = MRC_HEADER_BYTES + FEI1_HEADER_BYTES


class StackFacts(Struct, frozen=True, kw_only=True):
    """What a stack of planes is: arrays are `(z, y, x)`.

    Attributes:
        shape: sections, rows, columns.
        dtype: numpy's name of what ``Planes.read`` gives.
        spacing_angstrom: between columns, as the file says it; None when it does not.
        rows_upwards: whether the first row belongs at the bottom of a picture, as in MRC.
        is_sequential: whether going back means reading from the beginning again.
        tilt_angles_deg: of the sections, when an extended header has them; else empty.
        depth_angstrom: between sections, as the file says it.
    """

    shape: tuple[int, int, int]
    dtype: str
    spacing_angstrom: float | None
    rows_upwards: bool
    is_sequential: bool
    tilt_angles_deg: tuple[float, ...] = ()
    depth_angstrom: float | None = None


class Planes(Protocol):
    """An open stack."""

    @property
    def facts(self) -> StackFacts:
        """What it is."""

    def read(self, section: int, first_row: int, rows: int) -> NDArray[Any]:
        """Some rows of a plane, `(y, x)`; may be called from several threads.

        Raises:
            SourceFileError: the file ends before, or cannot be read.
        """


@contextmanager
def open_planes(path: Path, look: MrcLook | None = None) -> Iterator[Planes]:
    """Open a stack for reading.

    Args:
        path: an MRC file, one behind `.gz` or `.bz2`, or a TIFF file.
        look: what its MRC header says, where that was read already; else the header is read here.

    Raises:
        FormatError: it is none of these, or of a kind that cannot be shown.
        SourceFileError: it cannot be read.
        MissingExtraError: TIFF is read with a library that is not installed.
    """
    suffix = path.suffix.lower()
    with ExitStack() as stack:
        with _reading(path):
            if suffix in _TIFF:
                planes: Planes = stack.enter_context(_open_tiff(path))
            elif suffix in _UNPACK:
                planes = _Packed(path, stack.enter_context(_UNPACK[suffix](path)), look)
            else:
                planes = _Plain(path, stack.enter_context(path.open("rb")), look)
        yield planes


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise FormatError(
            f"{path} cannot be unpacked: {error}", hint="the file is damaged: copy it anew", path=str(path)
        ) from error
    except OSError as error:
        raise SourceFileError(
            f"{path} cannot be read: {error.strerror or error}", hint="look at the disk", path=str(path)
        ) from error


class _Mrc:
    """What the two readers of MRC share."""

    def __init__(self, path: Path, look: MrcLook, *, sequential: bool) -> None:
        if look.is_truncated:
            raise FormatError(
                f"{path} is cut off: its header tells of {look.expected_bytes} bytes",
                hint="copy it anew, or complete it",
            )
        self._path = path
        self._layout: PlaneLayout = plane_layout(look)
        spacing = look.voxel_spacing_angstrom
        tilts = [section.tilt_deg for section in look.per_section]
        self.facts = StackFacts(
            shape=(look.sections, look.rows, look.columns),
            dtype=self._layout.dtype.name,
            spacing_angstrom=spacing[0] if spacing else _pixel_of_sections(look),
            rows_upwards=True,
            is_sequential=sequential,
            tilt_angles_deg=tuple(tilt for tilt in tilts if tilt is not None) if None not in tilts else (),
            depth_angstrom=spacing[2] if spacing else None,
        )

    def _length(self, rows: int) -> int:
        length = rows * self._layout.row_bytes
        if length > MAX_READ_BYTES:
            raise FormatError(f"{self._path}: {rows} rows of it take {length} bytes, above {MAX_READ_BYTES}")
        return length

    def _place(self, section: int, first_row: int) -> int:
        return self._layout.plane_offset(section) + first_row * self._layout.row_bytes

    def _decode(self, data: bytes | bytearray, rows: int) -> NDArray[Any]:
        if len(data) < rows * self._layout.row_bytes:
            raise SourceFileError(
                f"{self._path} ended while it was read", hint="it may have been changed", path=str(self._path)
            )
        strip = PlaneLayout(
            columns=self._layout.columns,
            rows=rows,
            mode=self._layout.mode,
            byte_order=self._layout.byte_order,
            unsigned_bytes=self._layout.unsigned_bytes,
        )
        values: NDArray[Any] = decode_planes(data, strip)[0]
        return values


def _pixel_of_sections(look: MrcLook) -> float | None:
    """What the extended header says of all sections alike."""
    told = {section.pixel_spacing_angstrom for section in look.per_section}
    return told.pop() if len(told) == 1 else None


class _Plain(_Mrc):
    def __init__(self, path: Path, file: IO[bytes], look: MrcLook | None) -> None:
        self._descriptor = file.fileno()
        found = look or parse_mrc_header(
            os.pread(self._descriptor, _HEADERS_BYTES, 0), os.fstat(self._descriptor).st_size
        )
        super().__init__(path, found, sequential=False)

    def read(self, section: int, first_row: int, rows: int) -> NDArray[Any]:
        """See :class:`Planes`."""
        data = bytearray(self._length(rows))
        view = memoryview(data)
        done, place = 0, self._place(section, first_row)
        with _reading(self._path):
            while done < len(data) and (count := os.preadv(self._descriptor, [view[done:]], place + done)):
                done += count
        if done < len(data):
            del view
            return self._decode(data[:done], rows)
        return self._decode(data, rows)


class _Packed(_Mrc):
    """Behind a compression that can only be read onwards; going back begins anew."""

    def __init__(self, path: Path, file: IO[bytes], look: MrcLook | None) -> None:
        self._file = file
        self._lock = threading.Lock()
        super().__init__(path, look or parse_mrc_header(file.read(_HEADERS_BYTES)), sequential=True)

    def read(self, section: int, first_row: int, rows: int) -> NDArray[Any]:
        """See :class:`Planes`."""
        with self._lock, _reading(self._path):
            self._file.seek(self._place(section, first_row))
            return self._decode(self._file.read(self._length(rows)), rows)


class _Tiff:
    """A TIFF file: pages of one size and one grey value a pixel. The last page is kept."""

    def __init__(self, path: Path, pages: Any) -> None:
        self._path = path
        self._pages = pages
        self._lock = threading.Lock()
        self._kept: tuple[int, NDArray[Any]] | None = None
        first = pages[0]
        shape = tuple(int(n) for n in first.shape)
        kind = np.dtype(first.dtype) if first.dtype is not None else None
        if len(shape) != 2 or kind is None or kind.kind not in "iuf":
            raise FormatError(f"{path}: only TIFF with one grey value a pixel can be shown, here is {shape} of {kind}")
        if shape[0] * shape[1] * kind.itemsize > MAX_TIFF_PLANE_BYTES:
            raise FormatError(f"{path}: a plane of a TIFF file above {MAX_TIFF_PLANE_BYTES} bytes")
        self.facts = StackFacts(
            shape=(len(pages), shape[0], shape[1]),
            dtype=kind.newbyteorder("=").name,
            spacing_angstrom=None,
            rows_upwards=False,
            is_sequential=False,
        )

    def read(self, section: int, first_row: int, rows: int) -> NDArray[Any]:
        """See :class:`Planes`."""
        with self._lock, _reading(self._path):
            if self._kept is None or self._kept[0] != section:
                self._kept = (section, self._page(section))
            return self._kept[1][first_row : first_row + rows]

    def _page(self, section: int) -> NDArray[Any]:
        page = self._pages[section]
        if tuple(page.shape) != self.facts.shape[1:] or np.dtype(page.dtype).name != self.facts.dtype:
            raise FormatError(f"{self._path}: page {section} is of another size or type than the first")
        try:
            values: NDArray[Any] = page.asarray()
        except (ValueError, RuntimeError, KeyError, TypeError, ImportError, IndexError) as error:
            raise FormatError(f"{self._path}: page {section} cannot be decoded: {error}") from error
        return values


@contextmanager
def _open_tiff(path: Path) -> Iterator[_Tiff]:
    tifffile = import_extra("tifffile", "formats", what="reading TIFF files")
    try:
        opened = tifffile.TiffFile(path)
    except (tifffile.TiffFileError, ValueError, IndexError, KeyError, OverflowError) as error:
        raise FormatError(f"{path} is not a TIFF file that can be read: {error}") from error
    with opened as file:
        yield _Tiff(path, file.pages)
