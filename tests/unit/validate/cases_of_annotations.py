"""What the checks of gain references, CTF, OME-Zarr twins, points and segmentations must find, and what not."""

from __future__ import annotations

import json

import numpy as np
from tests.unit.validate.cases import both, case, gone, put, toml, volume, zarr
from tests.unit.validate.lab import CTF_LINE, Change, Lab, ctffind, images, mrc, points

# -- gain references
GAIN = put("gain.mrc", lambda: mrc(images(1, "float32")))
DM4 = b"\0\0\0\4" + bytes(20)
case("gain-slices", "frames under a wrong name", put("gain.mrc", lambda: mrc(images(3, "float32"))), GAIN)
case(
    "gain-forms",
    "two forms",
    both(GAIN, put("gain.dm4", DM4)),
    both(GAIN, put("gain_2.MRC", lambda: mrc(images(1, "float32", seed=7)))),
)
case("gain-content", "renamed", put("gain.dm4", lambda: mrc(images(1, "float32"))), put("gain.dm4", DM4))
case("gain-content", "text", put("x.gain", "hello"), put("x.gain", b"II\x2a\0" + bytes(20)))


def gain_of(rows: int, columns: int) -> Change:
    return put("gain.mrc", lambda: mrc(images(1, "float32", shape=(rows, columns))))


case("gain-size", "of another camera", gain_of(6, 9), gain_of(8, 6))
case("gain-size", "not twice", gain_of(12, 17), gain_of(12, 16))

# -- one series
SECOND = lambda: mrc(images(seed=5))  # noqa: E731 a short name for a stack
NOTES = {"[files.'raw/TS_02.mrc']\nnotes": '"of TS_02.rec"', "[files.'raw/TS_01.mrc']\nnotes": '"of TS_01.rec"'}
case(
    "series-several",
    "two names",
    put("raw/TS_02.mrc", SECOND),
    both(gone("raw/TS_01.mrc"), put("raw/TS_01a.mrc", SECOND), put("raw/TS_01b.mrc", lambda: mrc(images(seed=6)))),
)
case("series-several", "said", put("raw/TS_02.mrc", SECOND), both(put("raw/TS_02.mrc", SECOND), toml(**NOTES)))

# -- CTF
FIVE = [(n, *CTF_LINE) for n in range(1, 6)]


def estimates(at: int | None = None, value: float = 0.0, *, count: int = 5, **head) -> Change:
    """CTFFIND's file of the series, with one value of its second line replaced."""
    lines = [list(line) for line in [*FIVE, (6, *CTF_LINE)][:count]]
    if at is not None:
        lines[1][at] = value
    return put("TS_01_ctf.txt", ctffind(*map(tuple, lines), announced=head.pop("announced", count), **head))


def defocus(*lines: str, version: str = "1 0 0. 0. 0 3") -> Change:
    return put("TS_01.defocus", "\n".join([version, *lines]) + "\n")


GOOD = "1 5 -60.0 60.0 4500.0 4400.0 -30.5"
case("ctf-count", "one more", estimates(count=6), estimates())
case("ctf-count", "one less", estimates(count=6), estimates(count=4))
case("ctf-count", "a view that is not there", defocus("4 6 0 60 4500 4400 3"), defocus(GOOD))
case("ctf-count", "of an mdoc", both(gone(Lab.STACK), estimates(count=6)), both(gone(Lab.STACK), estimates()))
case("ctf-index", "twice", estimates(0, 3), estimates())
case("ctf-index", "fewer than announced", estimates(count=4, announced=5), estimates(count=4, announced=4))
case("ctf-index", "backwards", defocus("3 2 0 0 4500 4400 3"), defocus("1 3 0 0 4500 4400 3", "2 4 0 0 4500 4400 3"))
case("ctf-defocus", "micrometres", estimates(1, 1.03), estimates(1, -30000))
case("ctf-defocus", "no number", estimates(1, float("nan")), estimates(1, 501))
case("ctf-defocus", "angstrom for nanometres", defocus("1 5 0 0 60000 60000 3"), defocus("1 5 0 0 4900 4900 3"))
case("ctf-astigmatism", "beyond", estimates(3, 180.1), estimates(3, -180.0))
case(
    "ctf-astigmatism",
    "radians that are degrees",
    defocus("1 5 0 0 4500 4400 30", version="3 0 0. 0. 0 3"),
    defocus("1 5 0 0 4500 4400 3.1", version="3 0 0. 0. 0 3"),
)
case("ctf-phase-shift", "degrees for radians", estimates(4, 90.0), estimates(4, 3.141593))
case("ctf-phase-shift", "of IMOD", defocus("1 5 0 0 4500 181", version="4 0 0 0 0 3"), defocus(GOOD))
case("ctf-resolution", "zero", estimates(6, 0.0), estimates(6, float("inf")))
case("ctf-resolution", "finer than two pixels", estimates(6, 5.3), estimates(6, 5.4))
case("ctf-resolution", "than the series'", estimates(6, 5.3, pixel=0), estimates(6, 5.4, pixel=0))

# -- OME-Zarr beside MRC
case("zarr-type", "rounded", zarr(dtype="<i2"), both(volume(images(4, "int16")), zarr()))
case("zarr-type", "halves", zarr(dtype="<f2"), zarr(dtype="<f8"))
case("zarr-only", "without MRC", both(gone(Lab.VOLUME), zarr()), zarr())
OTHER = put("TS_02.rec", lambda: mrc(images(4, "float32", seed=9), 10.8, ispg=1))
case("zarr-partly", "one of two", both(zarr(), OTHER), OTHER)
case("zarr-partly", "both", both(zarr(), OTHER), both(zarr(), zarr(name="TS_02"), OTHER))

# -- points
case(
    "file-not-understood",
    "a line that is no point",
    put("a_point.ndjson", points((1, 1, 1)) + '\n{"type": "point"}\n'),
    put("a_point.ndjson", points((1, 1, 1)) + "\n\n"),
)
case(
    "file-not-understood", "no JSON", put("a.ndjson", "x,y,z\n1,2,3\n"), put("a.ndjson", '{"event": "start"}\nhello\n')
)
case(
    "annotation-outside",
    "beyond the last section",
    put("100-ribosome_point.ndjson", points((1, 1, 1), (7, 5, 4.6))),
    put("100-ribosome_point.ndjson", points((0, 0, 0), (8, 6, 4))),
)
case(
    "annotation-outside",
    "of the OME-Zarr",
    both(gone(Lab.VOLUME), zarr(), put("a_point.ndjson", points((10, 1, 1)))),
    both(put("TS_02.rec", lambda: mrc(images(40, "float32"), 10.8, ispg=1)), put("a.ndjson", points((10, 1, 1)))),
)
TURN = [[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]


def oriented(*rows: list[float]) -> Change:
    return put("a_orientedpoint.ndjson", points((1, 1, 1), (2, 2, 2), xyz_rotation_matrix=[TURN, list(rows)]))


case("annotation-rotation", "mirrored", oriented([1, 0, 0], [0, 1, 0], [0, 0, -1]), oriented(*TURN))
case("annotation-rotation", "enlarged", oriented([1.01, 0, 0], [0, 1.01, 0], [0, 0, 1.01]), oriented(*TURN))
case(
    "annotation-rotation",
    "skewed, and four digits",
    oriented([1, 0.1, 0], [0, 1, 0], [0, 0, 1]),
    oriented([0.7071, -0.7071, 0], [0.7071, 0.7071, 0], [0, 0, 1]),
)
case("annotation-rotation", "two rows", oriented([1, 0, 0], [0, 1, 0]), oriented(*TURN))


def counted(count: object) -> Change:
    three = points(*[(1, 1, 1)] * 3, instance_id=[4, 4, 9])
    return both(
        put("9-actin-1.0_instancesegmentation.ndjson", three),
        put("9-actin-1.0.json", json.dumps({"object_count": count})),
    )


case("annotation-count", "points for instances", counted(3), counted(2))
case("annotation-count", "no number", counted(1), counted("three"))

# -- segmentations
MEMBRANE, FILAMENTS = "TS_01_seg.mrc", "100-actin-1.0_instancesegmentationmask.mrc"


def mask(*labels: float, path: str = FILAMENTS, dtype: str = "uint16", shape: tuple[int, int] = (6, 8)) -> Change:
    """A segmentation whose last plane holds these labels."""
    planes = np.zeros((4, *shape))
    planes[:, 0, 0] = 1
    planes[-1, -1, : len(labels)] = labels
    return put(path, lambda: mrc(planes.astype(dtype), 10.8, ispg=1))


def ids(*values: int) -> Change:
    places = [(1, 1, 1)] * len(values)
    return put("100-actin-1.0_instancesegmentation.ndjson", points(*places, instance_id=list(values)))


def full(lab: Lab) -> None:
    lab.full = True


case("segmentation-size", "cut", mask(1, path=MEMBRANE, shape=(6, 7)), mask(1, path=MEMBRANE))
case(
    "segmentation-values", "a half", mask(0.5, path=MEMBRANE, dtype="float32"), mask(2, path=MEMBRANE, dtype="float32")
)
case("segmentation-labels", "twice", zarr(labels=[1, 2, 2]), zarr(labels=[1, 2, 3]))
case("segmentation-labels", "the background", zarr(labels=[0, 1]), zarr(labels=[1]))
case("segmentation-instances", "a label of nothing", both(mask(2, 3), ids(1, 2)), both(mask(2), ids(1, 2, 3)))
case(
    "segmentation-instances",
    "an instance of nothing",
    both(full, mask(2), ids(1, 2, 3)),
    both(full, mask(2), ids(0, 1, 2)),
)
case("segmentation-instances", "all of one class", both(mask(2), ids(1, 3)), both(full, mask(1), ids(1, 2, 3)))
case(
    "segmentation-instances",
    "of another annotation",
    both(mask(2, 3), ids(1, 2)),
    both(mask(2, 3, path="7-cells_segmentationmask.mrc"), ids(1, 2)),
)
case(
    "segmentation-instances",
    "in the list of an OME-Zarr",
    both(zarr(name=FILAMENTS[:-4], labels=[1, 2]), ids(1, 3)),
    both(zarr(name=FILAMENTS[:-4], labels=[1, 2]), ids(1, 2)),
)


everything = both(
    GAIN,
    estimates(),
    defocus(GOOD),
    zarr(),
    put("9-ribosome-1.0_point.ndjson", points((0, 0, 0), (7, 5, 3))),
    put("9-ribosome-1.0.json", json.dumps({"object_count": 2})),
    put("9-ribosome-2.0_orientedpoint.ndjson", points((1, 1, 1), xyz_rotation_matrix=[TURN])),
    mask(1, path=MEMBRANE),
    mask(1, 2, 3),
    ids(1, 2, 2, 3),
)
"""A dataset of all kinds of files, and all of them good."""
