"""For each check what it must find, and the nearest that it must not."""

from __future__ import annotations

import gzip
import math
import os
from collections.abc import Callable

import numpy as np
from tests.unit.validate.lab import ANGLES, Change, Lab, images, mdoc, model, mrc, ome_zarr, serialem

from etdb.vocabulary import taxonomy

CASES: dict[str, list[tuple[str, Change, Change]]] = {}
"""Of each id: what it is about, what is found, and the near miss."""


def case(ident: str, what: str, found: Change, near: Change) -> None:
    CASES.setdefault(ident, []).append((what, found, near))


def put(path: str, data: bytes | str | Callable[[], bytes | str]) -> Change:
    return lambda lab: lab.write(path, data() if callable(data) else data)


def stack(**fields) -> Change:
    """The raw stack with other fields in its header."""
    return put(Lab.STACK, lambda: mrc(images(), **fields))


def volume(planes: np.ndarray | None = None, spacing: float = 10.8, **fields) -> Change:
    """The reconstruction with other values or another header."""
    data = images(4, "float32", seed=3) if planes is None else planes
    return put(Lab.VOLUME, lambda: mrc(data, spacing, **{"ispg": 1, **fields}))


def text(angles=ANGLES, **keys) -> Change:
    """The mdoc with other keys."""
    return put(Lab.MDOC, lambda: mdoc(angles, **keys))


def toml(**values) -> Change:
    return lambda lab: lab.toml(**values)


def raw(*angles: float) -> Change:
    return lambda lab: lab.angles(Lab.RAW, angles)


def tlt(*angles: float) -> Change:
    return lambda lab: lab.angles(Lab.TLT, angles)


def both(*changes: Change) -> Change:
    def run(lab: Lab) -> None:
        for change in changes:
            change(lab)

    return run


def gone(*paths: str) -> Change:
    def run(lab: Lab) -> None:
        for path in paths:
            lab.remove(path)

    return run


def link(path: str, target: str) -> Change:
    return lambda lab: (lab.root / path).symlink_to(target)


def fill(planes: np.ndarray, section: int, value: float, at: object = slice(None)) -> np.ndarray:
    """A plane (or one value of it) set to a value."""
    changed = planes.copy()
    changed[section][at] = value
    return changed


def nothing(_lab: Lab) -> None:
    """The good dataset is the near miss."""


# -- names and files
case("name-unsafe", "text that turns round", put("a\u202egpj.exe", "x"), put("é ü.txt", "x"))
case("name-unsafe", "a control character", put("a\x1b[31m.txt", "x"), put("a [31m.txt", "x"))
case("name-unsafe", "a backslash", put("a\\b.txt", "x"), put("a-b.txt", "x"))
case("name-of-manifest", "the manifest's", put("ro-crate-metadata.json", "{}"), put("sub/ro-crate-metadata.json", "{}"))
case("file-empty", "nothing in it", put("notes.txt", ""), put("notes.txt", "\n"))
case("file-link", "out of the dataset", link("out.txt", "/etc/hostname"), link("in.txt", Lab.VOLUME))
case("file-link", "to nothing", link("in.txt", "nowhere"), link("in.txt", "TS_01.tlt"))
case("file-special", "a pipe", lambda lab: os.mkfifo(lab.root / "pipe"), put("pipe", "x"))
case(
    "dataset-empty", "nothing but a description", lambda lab: empty(lab, keep=False), lambda lab: empty(lab, keep=True)
)
case("metadata-invalid", "a misspelt key", toml(titel='"x"'), toml(notes='"x"'))
case("metadata-invalid", "a file that is not there", toml(**{"[files.'x.mrc']\nnotes": '"x"'}), nothing)
case("name-not-portable", "a device of Windows", put("aux.txt", "x"), put("auxiliary.txt", "x"))
case("name-not-portable", "a folder with a colon", put("10:30/a.txt", "x"), put("10.30/a.txt", "x"))
case("name-not-portable", "a dot at the end", put("notes.", "x"), put("notes.a", "x"))
case(
    "name-collision", "capitals", both(put("a.txt", "x"), put("A.TXT", "y")), both(put("a.txt", "x"), put("b.txt", "x"))
)
case(
    "name-collision",
    "folders",
    both(put("D/a.txt", "x"), put("d/b.txt", "y")),
    both(put("D/a.txt", "x"), put("D/b.txt", "y")),
)
case("file-not-understood", "no angles", put("b.tlt", "sixty\n"), put("b.txt", "sixty\n"))


def empty(lab: Lab, *, keep: bool) -> None:
    for path in sorted(lab.root.rglob("*"), reverse=True):
        if path.is_dir():
            path.rmdir()
        elif path.name != "dataset.toml" and not (keep and path.name == "TS_01.rec"):
            path.unlink()


# -- headers
case("mrc-unreadable", "text", put(Lab.VOLUME, "hello " * 300), put("hello.txt", "hello " * 300))
case("mrc-unreadable", "a header only half there", put(Lab.VOLUME, lambda: mrc(images())[:1023]), nothing)
case("mrc-truncated", "one byte", lambda lab: lab.cut(Lab.STACK, 1), nothing)
case("mrc-truncated", "a plane", lambda lab: lab.cut(Lab.VOLUME, 6 * 8 * 4), lambda lab: lab.cut(Lab.VOLUME, -1))
case("mrc-surplus", "one byte", lambda lab: lab.cut(Lab.STACK, -1), nothing)
case("mrc-map-id", "an old file", stack(map=b"\0\0\0\0"), stack(map=b"MAP\0"))
case(
    "mrc-machine-stamp",
    "the other order",
    stack(stamp=b"\x11\x11\0\0"),
    put(Lab.STACK, lambda: mrc(images(), order=">")),
)
case("mrc-machine-stamp", "none", stack(stamp=bytes(4)), stack(stamp=b"DA\0\0"))
case("mrc-mode", "a transform", volume(images(4, "complex64")), volume(images(4, "float16")))
case("mrc-mode", "32-bit integers", put(Lab.VOLUME, lambda: mrc(images(4, "float32"), 10.8, ispg=1, mode=7)), nothing)
case("mrc-axes", "z, x, y", volume(axes=(3, 1, 2)), volume(axes=(0, 0, 0)))
case("mrc-version", "none", stack(version=0), stack(version=20141))
case("mrc-labels", "fewer than there are", stack(nlabl=0, label=b"newstack"), stack(nlabl=1, label=b"newstack"))
case("mrc-labels", "eleven", stack(nlabl=11), stack(nlabl=10))
case("mrc-extended-type", "nobody knows", stack(extended=b"\x81" * 64), stack(**serialem()))
case("mrc-start", "at 3", stack(start=(3, 0, 0)), nothing)
case("mrc-origin", "of a volume", volume(origin=(1.5, 0, 0)), stack(origin=(1.5, 0, 0)))
case("mrc-space-group", "a stack as a volume", stack(ispg=1), nothing)
case("mrc-space-group", "a volume as a stack", volume(ispg=0), volume(ispg=401))
case("mrc-grid", "of a cut", volume(grid=(9, 6, 4), cell=(9 * 10.8, 6 * 10.8, 4 * 10.8)), stack(grid=(8, 6, 1)))
case("mrc-cell", "skewed", volume(angles=(90, 94.3, 90)), volume(angles=(0, 0, 0)))
case("mrc-cell", "no number", volume(cell=(math.nan, 64.8, 43.2)), volume(ispg=4, angles=(90, 94.3, 90)))


# -- planes
def blank(value: float, section: int = 4, dtype: str = "int16") -> Change:
    return put(Lab.STACK, lambda: mrc(fill(images(dtype=dtype), section, value)))


def packed(cut: int = 0, *, full: bool = True) -> Change:
    def run(lab: Lab) -> None:
        data = gzip.compress((lab.root / Lab.VOLUME).read_bytes(), mtime=0)
        lab.remove(Lab.VOLUME)
        lab.write(Lab.VOLUME + ".gz", data[: len(data) - cut])
        lab.full = full

    return run


CORNER = (-1, -1)
case(
    "plane-not-finite",
    "one NaN",
    volume(fill(images(4, "float32"), 0, math.nan, CORNER)),
    volume(fill(images(4, "float32"), 0, 3e38, CORNER)),
)
case(
    "plane-not-finite",
    "infinity in halves",
    volume(fill(images(4, "float16"), 3, math.inf, CORNER)),
    volume(fill(images(4, "float16"), 3, 65504, CORNER)),
)
case("plane-zero", "the last plane", blank(0), put(Lab.STACK, lambda: mrc(fill(fill(images(), 4, 0), 4, 1, CORNER))))
case("plane-constant", "one value", blank(7), put(Lab.STACK, lambda: mrc(fill(fill(images(), 4, 7), 4, 8, CORNER))))
case("data-damaged", "a packed file that breaks off", packed(20), packed())

# -- mdoc
PATHS = [rf"D:\DATA\frames\TS_01_{n:03}.mrc" for n in range(5)]


def without_mdoc(lab: Lab) -> None:
    lab.remove(Lab.MDOC)


def no_frames(lab: Lab) -> None:
    for n in range(5):
        lab.remove(f"frames/TS_01_{n:03}.mrc")


case("mdoc-missing", "none", without_mdoc, nothing)
case("mdoc-sections-missing", "one less", text(ANGLES[:4]), nothing)
case("mdoc-sections-left-over", "one more", text((*ANGLES, 59.0)), nothing)
case("mdoc-image-size", "binned", text(ImageSize="4 3"), text(ImageSize="6 8"))
case(
    "mdoc-other-series",
    "a copy",
    put("copy/TS_02.mrc.mdoc", lambda: mdoc(ImageFile="ts_01.MRC")),
    put("copy/TS_02.mrc.mdoc", lambda: mdoc(ImageFile="TS_02.mrc")),
)
case("frames-missing", "one of five", gone("frames/TS_01_003.mrc"), no_frames)
case(
    "frames-not-in-mdoc", "one that nobody names", put("frames/TS_01_007.mrc", lambda: mrc(images(3, seed=99))), nothing
)
case(
    "frames-doubled",
    "the same twice",
    text(SubFramePath=[*PATHS[:4], PATHS[3]]),
    text(SubFramePath=[path.replace("\\", "/").upper() for path in PATHS]),
)
case("mdoc-path-missing", "one section", text(SubFramePath=[*PATHS[:4], None]), text(SubFramePath=None))
case("frames-count", "four said, three held", text(NumSubFrames=[3, 3, 4, 3, 3]), text(NumSubFrames=None))
case(
    "gain-missing",
    "not here",
    put(Lab.MDOC, lambda: mdoc().replace("[ZValue = 0]", "[ZValue = 0]\nGainReference = ref.dm4")),
    both(
        put("ref.dm4", "gain"),
        put(Lab.MDOC, lambda: mdoc().replace("[ZValue = 0]", "[ZValue = 0]\nGainReference = ref.dm4")),
    ),
)
case("tilt-axis-rotation", "11 degrees", text(axis=85.3, RotationAngle=164.0), text(axis=85.3, RotationAngle=165.5))
case(
    "tilt-axis-rotation", "half a turn is none", text(axis=85.3, RotationAngle=120), text(axis=85.3, RotationAngle=-4.7)
)


def turned(axis: float) -> Change:
    c, s = math.cos(math.radians(-axis)), math.sin(math.radians(-axis))
    return put("TS_01.xf", f"{c:.7f} {-s:.7f} {s:.7f} {c:.7f} 1.0 2.0\n" * 5)


case("tilt-axis-alignment", "15 degrees", turned(70.3), turned(76.3))


# -- angles
def moved(by: float, n: int = 1) -> tuple[float, ...]:
    return tuple(angle + by if at == n else angle for at, angle in enumerate(ANGLES))


case("tilt-out-of-limits", "beyond", both(tlt(*ANGLES[:4], 90.01)), both(tlt(*ANGLES[:4], 90.0)))
case(
    "rawtlt-missing",
    "no angles",
    lambda lab: (without_mdoc(lab), lab.remove(Lab.RAW), lab.remove(Lab.TLT)),
    both(gone(Lab.RAW, Lab.TLT)),
)
case("tilt-count", "one less", raw(*ANGLES[:4]), nothing)
case("tilt-count", "one more in .tlt", tlt(*ANGLES, 61.0), nothing)
case("tilt-mdoc-rawtlt", "0.011 degree", raw(*moved(0.011)), raw(*moved(0.01)))
case("tilt-mdoc-rawtlt", "one angle for two", raw(-60.0, -60.0, 0.0, 29.99, 60.0), raw(*reversed(ANGLES)))
case(
    "tilt-mdoc-rawtlt",
    "rounding parts neighbours",
    both(text((-60.0, -30.01, 0.0, 30.02, 60.0)), raw(-60, -30.01, 0, 30.0049, 60)),
    both(text((-60.0, -30.01, 0.0, 30.005001, 60.0)), raw(-60, -30.01, 0, 30.0049, 60)),
)
case(
    "tilt-mdoc-rawtlt",
    "who takes the first takes another's",
    both(text((0.0, 0.008, 0.016, 30.0, 60.0)), raw(0.0, 0.001, 0.002, 30.0, 60.0)),
    both(text((0.0, 0.008, 0.016, 30.0, 60.0)), raw(0.008, 0.0, 0.018, 30.0, 60.0)),
)
case(
    "tilt-header-rawtlt",
    "another series'",
    both(without_mdoc, stack(**serialem(moved(1.0)))),
    both(without_mdoc, stack(**serialem())),
)
case("tilt-header-mdoc", "another series'", stack(**serialem(moved(0.02))), stack(**serialem(moved(0.01))))
case("tilt-order", "turned round", raw(*reversed(ANGLES)), raw(*moved(0.01)))
case("tilt-refined", "by half a degree", tlt(*moved(0.5)), tlt(*moved(0.01)))
case("tilt-tlt", "by three", tlt(*moved(3.0)), tlt(*(angle + 3.0 for angle in ANGLES)))
case("record-tilt-range", "a step less", toml(tilt_max_deg=57), toml(tilt_max_deg=60.4))
case("record-tilt-step", "2 for 30", toml(tilt_step_deg=2), toml(tilt_step_deg=29))

# -- dose
case(
    "dose-low",
    "of one image",
    both(text(ExposureDose=0), toml(dose_e_per_a2=4.99)),
    both(text(ExposureDose=0), toml(dose_e_per_a2=5.0)),
)
case(
    "dose-high",
    "in square nanometres",
    both(text(ExposureDose=0), toml(dose_e_per_a2=10000)),
    both(text(ExposureDose=0), toml(dose_e_per_a2=1000)),
)
case("dose-sum", "three less", toml(dose_e_per_a2=97), toml(dose_e_per_a2=99))
case("dose-partial", "one without", text(ExposureDose=[20, 20, 0, 20, 20]), text(ExposureDose=0))
case(
    "dose-order",
    "falls",
    text(PriorRecordDose=[0, 40, 20, 60, 80]),
    text(PriorRecordDose=[40, 20, 0, 60, 80], DateTime=[f"08-Oct-21  07:{n:02}:00" for n in (2, 1, 0, 3, 4)]),
)


# -- spacing
def scaled(spacing: float, pixel: float | None = None) -> Change:
    """The stack's spacing, with an mdoc that says another (or nothing)."""
    return both(put(Lab.STACK, lambda: mrc(images(), spacing)), text(PixelSpacing=pixel), gone(Lab.VOLUME), no_frames)


case("spacing-missing", "zeros", stack(cell=(0, 0, 0)), nothing)
case("spacing-placeholder", "exactly 1", stack(cell=(8, 6, 5)), scaled(2.7))
case("spacing-placeholder", "exactly 10", scaled(10.0), scaled(10.0, 2.5))
case("spacing-placeholder", "13.999", scaled(13.999), scaled(13.99))
case("spacing-placeholder", "13.999 without and with evidence", scaled(13.999, 2.7), scaled(13.999, 3.49975))
case(
    "spacing-placeholder",
    "in dataset.toml",
    both(scaled(2.7), toml(pixel_spacing_angstrom=1.0)),
    both(scaled(2.7), toml(pixel_spacing_angstrom=2.7)),
)
case(
    "spacing-placeholder",
    "in dataset.toml, and confirmed there",
    both(scaled(2.7), toml(voxel_spacing_angstrom=10.0)),
    both(put(Lab.VOLUME, lambda: mrc(images(4, "float32", seed=3), 10.0, ispg=1)), toml(voxel_spacing_angstrom=10.0)),
)
case(
    "spacing-missing",
    "said of another kind",
    both(stack(cell=(0, 0, 0)), toml(voxel_spacing_angstrom=10.8)),
    both(stack(cell=(0, 0, 0)), toml(pixel_spacing_angstrom=2.7)),
)
case(
    "spacing-placeholder",
    "said of another kind",
    both(stack(cell=(8, 6, 5)), toml(voxel_spacing_angstrom=10.8)),
    both(stack(cell=(8, 6, 5)), toml(pixel_spacing_angstrom=2.7)),
)
case("spacing-implausible", "in metres", scaled(2.7e-10 * 1e8), scaled(0.11))
case("spacing-implausible", "coarser than any", scaled(200.5), scaled(199.5))
case(
    "spacing-not-square", "thick slices", volume(cell=(8 * 10.8, 6 * 10.8, 4 * 12.0)), stack(cell=(8 * 2.7, 6 * 2.7, 5))
)
case("spacing-binning", "three and a half", volume(spacing=2.7 * 3.5), volume(spacing=2.7 * 4.01))
case("spacing-record", "another", toml(voxel_spacing_angstrom=10.9), toml(voxel_spacing_angstrom=10.805))
case("spacing-mdoc", "scaled", put(Lab.STACK, lambda: mrc(images(), 3.3)), put(Lab.STACK, lambda: mrc(images(), 5.4)))


# -- record
class AllTaxa:
    """The table of the package, taken for all of NCBI's."""

    is_complete = True
    by_id = staticmethod(lambda taxon_id: taxonomy().by_id(taxon_id))
    by_name = staticmethod(lambda name: taxonomy().by_name(name))


def all_taxa(lab: Lab) -> None:
    lab.taxa = AllTaxa()


case("title-missing", "none", toml(title=None), toml(title='"x"'))
case("species-missing", "none", toml(species=None, ncbi_taxon_id=None), toml(species=None))
case("species-taxonomy", "another's number", toml(ncbi_taxon_id=562), toml(ncbi_taxon_id=264462))
case(
    "species-unknown",
    "a letter is wrong",
    both(all_taxa, toml(species='"Bdellovibrio bacteriovoris"', ncbi_taxon_id=None)),
    both(all_taxa, toml(species='"bdellovibrio  Bacteriovorus"')),
)
case("statements-differ", "voltage", toml(voltage_kv=200), toml(voltage_kv=300.5))
case("statements-differ", "date", toml(acquired_on="2021-10-18"), toml(acquired_on="2021-10-09"))
TITAN = put(
    Lab.MDOC,
    lambda: mdoc().replace("[T =  ", "[T = SerialEM: NIST Titan D3094    31-Mar-23  16:24:14    ]\n\n[T =  ", 1),
)
case(
    "statements-differ",
    "a longer name holds the shorter",
    both(TITAN, toml(microscope='"Polara"')),
    both(TITAN, toml(microscope='"NIST Titan D3094"')),
)
case("date-future", "in two days", toml(acquired_on="2026-12-02"), toml(acquired_on="2026-12-01"))
case("date-too-early", "a clock never set", text(DateTime="01-Jan-1900  00:00:00"), toml(acquired_on="1968-01-01"))
case("voltage-implausible", "in volts", toml(voltage_kv=300000), toml(voltage_kv=3000))
case("defocus-implausible", "in nanometres", toml(defocus_um=-5000), toml(defocus_um=-50))
case("magnification-implausible", "in thousands", toml(magnification=33), toml(magnification=200))

# -- volumes and models
SHAPES = [(4, 6, 8), (2, 3, 4)]


def zarr(shapes: list[tuple[int, int, int]] = SHAPES, spacings=(10.8, 21.6), **words) -> Change:
    return both(*(put(path, data) for path, data in ome_zarr(shapes, list(spacings), **words).items()))


case("zarr-size", "another", zarr([(4, 6, 9), (2, 3, 4)]), zarr())
case("zarr-spacing", "nanometres forgotten", zarr(spacings=(1.08, 2.16)), zarr(spacings=(1.08, 2.16), unit="nanometer"))
case("zarr-axes", "x, y, z", zarr(axes="xyz"), zarr())
case("zarr-scales", "not doubled", zarr(spacings=(10.8, 10.8)), zarr([(5, 7, 9), (2, 3, 4)]))
case(
    "model-outside",
    "beyond the last section",
    put("TS_01.mod", lambda: model([(1, 1, 1), (7, 5, 4.6)])),
    put("TS_01.mod", lambda: model([(0, 0, 0), (8, 6, 4)])),
)
case(
    "model-size",
    "of the volume before it was trimmed",
    put("TS_01.mod", lambda: model([(1, 1, 1)], (16, 6, 4))),
    put("TS_01.mod", lambda: model([(1, 1, 1)])),
)
