"""IMOD's binary models (`.mod`, `.fid`): objects, contours, points.

Chunks of a four-letter name in big-endian numbers, after a header of 240 bytes
(https://bio3d.colorado.edu/imod/doc/binspec.html). The reader takes the file front to back, holds one contour at a
time, and passes over what it does not know.
"""

from __future__ import annotations

import math
import struct
import sys
from array import array
from collections.abc import Iterator
from typing import BinaryIO, Literal

from msgspec import Struct
from msgspec.structs import replace

from etdb.errors import FormatError

__all__ = ["ImodContour", "ImodModel", "ImodObject", "read_model", "walk_model"]

MODEL_ID = b"IMODV1.2"
MAX_OBJECTS = 10_000
MAX_CONTOURS = 2_000_000
MAX_CONTOUR_POINTS = 20_000_000
MAX_MODEL_POINTS = 100_000_000
MAX_CHUNKS = 10_000_000
# A chunk's length is believed only so far: a gigabyte of one is no model.
MAX_CHUNK_BYTES = 1 << 30
HEADER = struct.Struct(">128s3iiI4i3f3f3i2ifii3f")
OBJECT = struct.Struct(">64s64siI2i3fi8B2i")
OPEN, SCATTERED = 1 << 3, 1 << 9
# IMOD's unit codes: the exponent of ten of metres.
UNIT_ANGSTROM = {3: 1e13, 1: 1e10, -2: 1e8, -3: 1e7, -6: 1e4, -9: 10.0, -10: 1.0, -12: 0.01}

Form = Literal["closed", "open", "scattered"]
Point = tuple[float, float, float]


class ImodContour(Struct, frozen=True, kw_only=True):
    """A contour with its points.

    `points` holds x, y, z of each point in turn, as 32-bit floats; `point_sizes` a radius of each, where there are any
    (-1 stands for the object's default).
    """

    points: array[float]
    surface: int = 0
    time: int = 0
    point_sizes: array[float] | None = None

    def __len__(self) -> int:
        """How many points it has."""
        return len(self.points) // 3

    def triples(self) -> Iterator[Point]:
        """Its points as (x, y, z)."""
        return zip(self.points[::3], self.points[1::3], self.points[2::3], strict=True)


class ImodObject(Struct, frozen=True, kw_only=True):
    """One object of a model, without its points.

    `form` is `closed`, `open` or `scattered` (points without lines between them). `colour` is red, green, blue from
    0 to 1. `point_size` is the default radius of its points in pixels.
    """

    name: str
    form: Form
    colour: tuple[float, float, float]
    contours: int = 0
    points: int = 0
    meshes: int = 0
    point_size: int = 0
    has_point_sizes: bool = False


class ImodModel(Struct, frozen=True, kw_only=True):
    """What a model file holds. Coordinates are pixels of the image it was drawn on, x, y, z.

    `pixel_spacing_angstrom` is None where the model says pixels. `z_scale` is how much thicker a section is than a
    pixel is wide. `low` and `high` bound all points.
    """

    name: str
    image_size: tuple[int, int, int]
    pixel_spacing_angstrom: float | None
    z_scale: float
    objects: tuple[ImodObject, ...] = ()
    contours: int = 0
    points: int = 0
    meshes: int = 0
    low: Point | None = None
    high: Point | None = None


def read_model(file: BinaryIO) -> ImodModel:
    """Read a model from an open file: what is in it, counted, without its points.

    Raises:
        FormatError: not a model, cut off, or beyond the limits.
    """
    model: ImodModel | None = None
    objects: list[ImodObject] = []
    low, high = [math.inf] * 3, [-math.inf] * 3
    for step in walk_model(file):
        if isinstance(step, ImodModel):
            model = step
        elif isinstance(step, ImodObject):
            objects.append(step)
        elif isinstance(step, _Mesh):
            objects[-1] = replace(objects[-1], meshes=objects[-1].meshes + 1)
        else:
            one = objects[-1]
            objects[-1] = replace(
                one,
                contours=one.contours + 1,
                points=one.points + len(step),
                has_point_sizes=one.has_point_sizes or step.point_sizes is not None,
            )
            for axis in range(3) if len(step) else ():
                least, most = min(step.points[axis::3]), max(step.points[axis::3])
                low[axis], high[axis] = min(low[axis], least), max(high[axis], most)
    assert model is not None
    points = sum(one.points for one in objects)
    return replace(
        model,
        objects=tuple(objects),
        contours=sum(one.contours for one in objects),
        points=points,
        meshes=sum(one.meshes for one in objects),
        low=(low[0], low[1], low[2]) if points else None,
        high=(high[0], high[1], high[2]) if points else None,
    )


class _Mesh(Struct, frozen=True, kw_only=True):
    vertices: int


def walk_model(file: BinaryIO) -> Iterator[ImodModel | ImodObject | ImodContour | _Mesh]:
    """Take a model apart: first the model (without counts), then each object, followed by its contours and meshes.

    Args:
        file: at the model's beginning; read front to back and left open.

    Raises:
        FormatError: not a model, cut off, or beyond the limits.
    """
    head = _exactly(file, len(MODEL_ID) + HEADER.size)
    if not head.startswith(MODEL_ID):
        raise FormatError("this is not a binary IMOD model: it does not begin with IMODV1.2", offset=0)
    model, announced = _header(head[len(MODEL_ID) :])
    yield model
    reading = _Reading(file, announced)
    yield from reading.steps()


class _Reading:
    """One walk over the chunks after the header, with what is counted of them."""

    def __init__(self, file: BinaryIO, announced: int) -> None:
        self.file = file
        self.announced = announced
        self.objects = self.contours = self.points = 0
        self.waiting: ImodContour | None = None  # its point sizes may follow

    def steps(self) -> Iterator[ImodObject | ImodContour | _Mesh]:
        for _ in range(MAX_CHUNKS):
            name = _up_to(self.file, 4)
            # Some programs leave the end mark out; nothing else may be missing.
            ended = name == b"IEOF" or (not name and self.objects == self.announced)
            if self.waiting is not None and (ended or name in {b"OBJT", b"CONT", b"MESH"}):
                yield self.waiting
                self.waiting = None
            if ended:
                return
            if len(name) < 4:
                raise _cut_off()
            if name == b"OBJT":
                yield self._object()
            elif name == b"CONT":
                self.waiting = self._contour()
            elif name == b"MESH":
                yield self._mesh()
            else:
                self._other(name)
        raise FormatError(f"more than {MAX_CHUNKS} chunks in a model")

    def _object(self) -> ImodObject:
        self.objects += 1
        if self.objects > min(self.announced, MAX_OBJECTS):
            raise FormatError(f"more objects in a model than its header says ({self.announced}) or {MAX_OBJECTS}")
        fields = OBJECT.unpack(_exactly(self.file, OBJECT.size))
        flags, colour, size = fields[3], fields[6:9], fields[9]
        form: Form = "scattered" if flags & SCATTERED else "open" if flags & OPEN else "closed"
        red, green, blue = (min(1.0, max(0.0, c)) if math.isfinite(c) else 0.0 for c in colour)
        return ImodObject(name=_text(fields[0]), form=form, colour=(red, green, blue), point_size=max(0, size))

    def _contour(self) -> ImodContour:
        self.contours += 1
        count, _, time, surface = struct.unpack(">iIii", _exactly(self.file, 16))
        self.points += max(0, count)
        if not self.objects or not 0 <= count <= MAX_CONTOUR_POINTS or self.contours > MAX_CONTOURS:
            raise FormatError("a contour of a model that cannot be: its length, its number, or no object before it")
        if self.points > MAX_MODEL_POINTS:
            raise FormatError(f"more than {MAX_MODEL_POINTS} points in a model")
        points = _floats(_exactly(self.file, 12 * count))
        if not all(map(math.isfinite, points)):
            raise FormatError("a point of a model that is not a number")
        return ImodContour(points=points, surface=surface, time=time)

    def _mesh(self) -> _Mesh:
        vertices, indices = struct.unpack(">2i", _exactly(self.file, 16)[:8])
        length = 12 * vertices + 4 * indices
        if not self.objects or min(vertices, indices) < 0 or length > MAX_CHUNK_BYTES:
            raise FormatError("a mesh of a model that cannot be: its length, or no object before it")
        _pass_over(self.file, length)
        return _Mesh(vertices=vertices)

    def _other(self, name: bytes) -> None:
        if not all(32 <= b < 127 for b in name):
            raise FormatError("a chunk of a model whose name is not text")
        (length,) = struct.unpack(">i", _exactly(self.file, 4))
        if not 0 <= length <= MAX_CHUNK_BYTES:
            raise FormatError("a chunk of a model whose length cannot be")
        if name == b"SIZE" and self.waiting is not None and length == 4 * len(self.waiting):
            self.waiting = replace(self.waiting, point_sizes=_floats(_exactly(self.file, length)))
        else:
            _pass_over(self.file, length)


def _header(head: bytes) -> tuple[ImodModel, int]:
    fields = HEADER.unpack(head)
    size, announced = fields[1:4], fields[4]
    z_scale = fields[15]
    pixel, unit = fields[21], fields[22]
    if announced < 0 or announced > MAX_OBJECTS:
        raise FormatError(f"a model of {announced} objects")
    spacing = pixel * UNIT_ANGSTROM.get(unit, math.nan)
    sane = math.isfinite(spacing) and 1e-3 <= spacing <= 1e9
    model = ImodModel(
        name=_text(fields[0]),
        image_size=(size[0], size[1], size[2]),
        pixel_spacing_angstrom=float(f"{spacing:.7g}") if sane else None,
        z_scale=z_scale if math.isfinite(z_scale) and z_scale > 0 else 1.0,
    )
    return model, announced


def _floats(data: bytes) -> array[float]:
    values = array("f", data)
    if sys.byteorder == "little":
        values.byteswap()
    return values


def _text(raw: bytes) -> str:
    return "".join(chr(b) for b in raw.partition(b"\0")[0] if 32 <= b < 127).strip()


def _up_to(file: BinaryIO, count: int) -> bytes:
    """Memory follows what is there, not what a length claims."""
    parts = []
    while count and (part := file.read(min(count, 1 << 20))):
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


def _exactly(file: BinaryIO, count: int) -> bytes:
    data = _up_to(file, count)
    if len(data) < count:
        raise _cut_off()
    return data


def _pass_over(file: BinaryIO, count: int) -> None:
    while count:
        part = file.read(min(count, 1 << 20))
        if not part:
            raise _cut_off()
        count -= len(part)


def _cut_off() -> FormatError:
    return FormatError("this model is cut off: it ends before its end mark")
