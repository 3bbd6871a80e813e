"""IMOD models of the store, drawn over slices: what is in each, and its contours up to a limit."""

from __future__ import annotations

import io
import threading
from collections import OrderedDict
from typing import Final

from msgspec import Struct

from etdb.blocks import DagReader
from etdb.em import ImodContour, ImodModel, ImodObject, read_model, walk_model
from etdb.errors import FormatError, InputError
from etdb.ipfs import Cid

__all__ = ["MAX_MODEL_BYTES", "MAX_SENT_POINTS", "ModelContour", "ModelDrawing", "ModelObject", "ModelShelf"]

MAX_MODEL_BYTES: Final = 16 << 20
MAX_SENT_POINTS: Final = 200_000
"""Of one model, as JSON some megabytes; what is beyond is counted, not sent."""
_KEPT: Final = 64
Triple = tuple[float, float, float]


class ModelContour(Struct, frozen=True, kw_only=True):
    """Points in pixels of the image that was drawn on: x, y, z, where the middle of the first pixel is (0.5, 0.5, 0).

    ``sizes`` holds a radius of each point where they have their own; -1 stands for the object's.
    """

    points: tuple[Triple, ...]
    sizes: tuple[float, ...] = ()


class ModelObject(Struct, frozen=True, kw_only=True):
    """An object of a model. ``form`` is closed, open or scattered; ``colour`` is ``#rrggbb``; radii are in pixels."""

    name: str
    form: str
    colour: str
    point_size: int
    contours: tuple[ModelContour, ...] = ()
    contour_count: int = 0
    point_count: int = 0


class ModelDrawing(Struct, frozen=True, kw_only=True):
    """A model. ``image_size`` is (x, y, z) of the image it was drawn on; ``is_cut`` tells that points are left out."""

    name: str
    image_size: tuple[int, int, int]
    pixel_spacing_angstrom: float | None
    objects: tuple[ModelObject, ...]
    point_count: int
    is_cut: bool = False


class ModelShelf:
    """Reads models and keeps what is in those that were asked for last. Can be used from several threads."""

    def __init__(self, reader: DagReader) -> None:
        self._reader = reader
        self._known: OrderedDict[Cid, ModelDrawing] = OrderedDict()
        self._lock = threading.Lock()

    def look(self, cid: Cid) -> ModelDrawing:
        """What is in a model, without its points.

        Raises:
            NotFoundError: it is not here.
            InputError: it is no model, or too large.
        """
        with self._lock:
            if cid in self._known:
                self._known.move_to_end(cid)
                return self._known[cid]
        try:
            found = read_model(self._file(cid))
        except FormatError as error:
            raise InputError(f"this is not a model that can be shown: {error.message}") from error
        made = ModelDrawing(
            name=found.name,
            image_size=found.image_size,
            pixel_spacing_angstrom=found.pixel_spacing_angstrom,
            objects=tuple(_counted(one) for one in found.objects),
            point_count=found.points,
        )
        with self._lock:
            self._known[cid] = made
            while len(self._known) > _KEPT:
                self._known.popitem(last=False)
        return made

    def drawing(self, cid: Cid) -> ModelDrawing:
        """A model with its contours, up to ``MAX_SENT_POINTS`` points.

        Raises:
            NotFoundError: it is not here.
            InputError: it is no model, or too large.
        """
        model, objects = ImodModel(name="", image_size=(0, 0, 0), pixel_spacing_angstrom=None, z_scale=1), []
        contours: list[list[ModelContour]] = []
        counted = sent = 0
        try:
            for step in walk_model(self._file(cid)):
                if isinstance(step, ImodModel):
                    model = step
                elif isinstance(step, ImodObject):
                    objects.append(step)
                    contours.append([])
                elif isinstance(step, ImodContour):
                    counted += len(step)
                    if sent + len(step) <= MAX_SENT_POINTS:
                        sent += len(step)
                        contours[-1].append(_contour(step))
        except FormatError as error:
            raise InputError(f"this is not a model that can be shown: {error.message}") from error
        return ModelDrawing(
            name=model.name,
            image_size=model.image_size,
            pixel_spacing_angstrom=model.pixel_spacing_angstrom,
            objects=tuple(
                ModelObject(
                    name=one.name,
                    form=one.form,
                    colour=_colour(one),
                    point_size=one.point_size,
                    contours=tuple(drawn),
                    contour_count=len(drawn),
                    point_count=sum(len(contour.points) for contour in drawn),
                )
                for one, drawn in zip(objects, contours, strict=True)
            ),
            point_count=counted,
            is_cut=sent < counted,
        )

    def _file(self, cid: Cid) -> io.BytesIO:
        size = self._reader.file_size(cid)
        if size > MAX_MODEL_BYTES:
            raise InputError(f"models up to {MAX_MODEL_BYTES >> 20} MiB are drawn; this one has {size >> 20}")
        return io.BytesIO(b"".join(self._reader.content(cid)))


def _counted(one: ImodObject) -> ModelObject:
    return ModelObject(
        name=one.name,
        form=one.form,
        colour=_colour(one),
        point_size=one.point_size,
        contour_count=one.contours,
        point_count=one.points,
    )


def _contour(one: ImodContour) -> ModelContour:
    points = tuple((round(x, 2), round(y, 2), round(z, 2)) for x, y, z in one.triples())
    return ModelContour(points=points, sizes=tuple(round(n, 2) for n in one.point_sizes or ()))


def _colour(one: ImodObject) -> str:
    return "#" + "".join(f"{round(255 * c):02x}" for c in one.colour)
