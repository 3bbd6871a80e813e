"""Volumes for the viewer's tests: every value known, a bright cube, a tilt series, a model, and a large one."""

import gzip
import struct

import numpy as np

from etdb.media.omezarr import plan_zarr, write_zarr
from etdb.media.planes import open_planes

SHAPE = (48, 96, 128)
CUBE = (slice(10, 20), slice(60, 76), slice(20, 40))


def ramps():
    """Values rise along x, y and z; a cube near the left, high in y and low in z is bright."""
    z, y, x = np.indices(SHAPE)
    values = (40 * x + 20 * y + 60 * z).astype(np.int16)
    values[CUBE] = 20_000
    return values


def mrc_header(shape, mode, spacing, extended=b"", *, is_seri=False):
    """An MRC2014 header for an isotropic volume, with an extended header of SerialEM if asked for."""
    sections, rows, columns = shape
    head = bytearray(1024)
    struct.pack_into("<10i", head, 0, columns, rows, sections, mode, 0, 0, 0, columns, rows, sections)
    struct.pack_into("<6f", head, 40, columns * spacing, rows * spacing, sections * spacing, 90, 90, 90)
    struct.pack_into("<3i", head, 64, 1, 2, 3)
    struct.pack_into("<2i", head, 88, 1, len(extended))
    if is_seri:
        head[104:108] = b"SERI"
        struct.pack_into("<2h", head, 128, 2, 1)  # two bytes a section, which are its tilt angle
    head[208:216] = b"MAP \x44\x44\0\0"
    return bytes(head) + extended


def write_mrc(path, values, spacing=10.0, tilts=()):
    modes = {"int8": 0, "int16": 1, "float32": 2, "uint16": 6, "float16": 12}
    extended = b"".join(struct.pack("<h", round(100 * tilt)) for tilt in tilts)
    head = mrc_header(values.shape, modes[values.dtype.name], spacing, extended, is_seri=bool(tilts))
    path.write_bytes(head + values.tobytes())
    return path


def write_model(path):
    """A closed square in section 15 around the cube, and two balls of radius 6."""
    z, y, x = SHAPE

    def chunk_object(name, flags, colour, count, size):
        return b"OBJT" + struct.pack(
            ">64s64siI2i3fi8B2i", name, b"", count, flags, 0, 0, *colour, size, *([0] * 8), 0, 0
        )

    def contour(points):
        return (
            b"CONT" + struct.pack(">iIii", len(points), 0, 0, 0) + struct.pack(f">{3 * len(points)}f", *sum(points, ()))
        )

    head = struct.pack(
        ">128s3iiI4i3f3f3i2ifii3f",
        *(b"squares", x, y, z, 2, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 0, 0, 0, 0, 0, 1.0, -9, 0, 0, 0, 0)[:27],
    )
    square = contour([(20.0, 60.0, 15.0), (40.0, 60.0, 15.0), (40.0, 76.0, 15.0), (20.0, 76.0, 15.0)])
    balls = contour([(90.0, 30.0, 15.0), (90.0, 70.0, 24.0)])
    path.write_bytes(
        b"IMODV1.2" + head + chunk_object(b"cube", 0, (0, 1, 0), 1, 0) + square
        + chunk_object(b"balls", 1 << 9, (1, 0, 1), 1, 6) + balls + b"IEOF"
    )  # fmt: skip
    return path


def known_dataset(folder):
    """A tomogram, its annotations, a tilt series, an OME-Zarr, and what cannot be shown."""
    folder.mkdir()
    write_mrc(folder / "ramps.mrc", ramps())
    write_mrc(folder / "small.mrc", (ramps()[:12, :30, :40] / 7).astype(np.float32))
    rng = np.random.default_rng(4)
    write_mrc(folder / "tilts.st", rng.normal(0, 300, (5, 64, 64)).astype(np.int16), tilts=(-60, -30, 0, 30, 60.5))
    write_model(folder / "ramps.mod")
    with open_planes(folder / "ramps.mrc") as planes:
        spacing = (10.0, 10.0, 10.0)
        write_zarr(planes, plan_zarr(SHAPE, "int16"), folder / "zcopy.ome.zarr", name="copy", spacing_angstrom=spacing)
    (folder / "packed.mrc.gz").write_bytes(gzip.compress(b"1"))
    return folder


def write_large(path, shape=(400, 1024, 1024)):
    """A volume of 840 MB of noise around structure; one noisy section is written again and again, moved."""
    rng = np.random.default_rng(5)
    rows, columns = shape[1:]
    y, x = np.indices((rows, columns))
    noise = rng.normal(0, 400, (rows, columns))
    with path.open("wb") as out:
        out.write(mrc_header(shape, 1, 13.5))
        for z in range(shape[0]):
            shape_there = 900 * ((x - 512) ** 2 + (y - 512) ** 2 < (300 + z / 2) ** 2)
            out.write((np.roll(noise, (37 * z, 91 * z), (0, 1)) - shape_there).astype("<i2").tobytes())
    return path
