"""Make docs/images/demo.png, the picture in the README, from what the demo left.

    .venv/bin/etdb demo --json > /tmp/demo.json
    .venv/bin/python docs/images/make_picture.py demo-workspace /tmp/demo.json

Needs the font DejaVu (Debian: fonts-dejavu-core).
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from etdb.demo.align import Alignment, align, normalise, straighten
from etdb.demo.mrc import read_stack
from etdb.demo.report import claim_words
from etdb.em.contrast import Levels, to_grey

WIDTH, HEIGHT = 1280, 784
PANEL, CARD, LINE = (17, 22, 29), (10, 14, 19), (45, 55, 68)
TEXT, DIM, GREEN, CYAN, AMBER = (226, 232, 240), (139, 152, 169), (116, 211, 134), (110, 196, 222), (240, 188, 99)
PLANE = 130
SHOWN_TILTS = (10, 24, 38, 52, 66)

Floats = NDArray[np.float32]


def font(size: int, *, mono: bool = False, bold: bool = False) -> ImageFont.FreeTypeFont:
    """DejaVu in one of its shapes."""
    return ImageFont.truetype(f"DejaVuSans{'Mono' if mono else ''}{'-Bold' if bold else ''}.ttf", size)


def grey(values: NDArray[Any], low: float = 1.0, high: float = 99.8) -> tuple[float, float]:
    """Grey levels for an array: the values at two percentiles, always apart."""
    bottom, top = (float(v) for v in np.percentile(values, [low, high]))
    return bottom, max(top, bottom + 1e-6)


def to_uint8(values: NDArray[Any], levels: tuple[float, float]) -> NDArray[np.uint8]:
    """Values as 8-bit grey, linear between two levels."""
    return to_grey(values, Levels(*levels))


def middle_of(volume: NDArray[Any]) -> tuple[int, int, int]:
    """The middle ``(z, y, x)`` of what is bright: sections through it show the specimen, wherever it lies."""
    bright = volume > 0.3 * float(volume.max())
    places = []
    for axis in range(3):
        weight = bright.sum(axis=tuple(other for other in range(3) if other != axis), dtype=np.float64)
        total = weight.sum()
        places.append(round(float((weight * np.arange(len(weight))).sum() / total)) if total else len(weight) // 2)
    return places[0], places[1], places[2]


def tinted(values: NDArray[Any], levels: tuple[float, float]) -> Image.Image:
    """Density as colour: dark, slate, warm white."""
    stops = np.array([(10, 14, 19), (42, 62, 84), (128, 140, 150), (238, 200, 140), (255, 246, 226)], dtype=np.float32)
    grey_values = to_uint8(values, levels).astype(np.float32) / 255 * (len(stops) - 1)
    low = np.minimum(grey_values.astype(int), len(stops) - 2)
    part = (grey_values - low)[..., None]
    return Image.fromarray((stops[low] * (1 - part) + stops[low + 1] * part).round().astype(np.uint8))


def cut_open(volume: NDArray[Any], size: tuple[int, int], levels: tuple[float, float]) -> Image.Image:
    """The specimen as a solid body with a quarter cut out, seen from the side: parallel rays, first hit, lit."""
    middle_z, middle_y, _ = middle_of(volume)
    body = volume.astype(np.float32)
    smooth = body
    for axis in range(3):
        smooth = (np.roll(smooth, 1, axis) + 2 * smooth + np.roll(smooth, -1, axis)) / 4
    turn, lift = np.deg2rad(28), np.deg2rad(24)
    ahead = np.array([np.sin(turn) * np.cos(lift), np.sin(lift), np.cos(turn) * np.cos(lift)])  # x, y, z of the view
    right = np.array([np.cos(turn), 0, -np.sin(turn)])
    down = np.cross(ahead, right)
    width, height = size
    scale = 0.47
    columns, rows = np.meshgrid(np.arange(width) - width / 2, np.arange(height) - height / 2)
    centre = np.array([88.0, middle_y, middle_z])
    start = centre + scale * (columns[..., None] * right + rows[..., None] * down)
    colour = np.zeros((height, width, 3), dtype=np.float32)
    open_ = np.ones((height, width), dtype=bool)
    limit = np.array(volume.shape[::-1]) - 2
    light = np.array([-0.45, -0.7, -0.55])
    # Each plane has its own threshold: the streaks of a bright one are as bright as the substrate in another.
    planes = np.percentile(body.reshape(-1, body.shape[2]), 99.8, axis=0)
    threshold = np.maximum(0.45 * planes, 0.07 * float(body.max()))
    skin = np.asarray(tinted(np.arange(256).reshape(16, 16), (0, 255)), dtype=np.float32).reshape(-1, 3)
    for step in np.arange(-130, 130, 0.6):
        at = (start + step * ahead).round().astype(int)
        inside = open_ & (at >= 1).all(axis=2) & (at <= limit).all(axis=2)
        x, y, z = (at[..., axis][inside] for axis in range(3))
        cut = (y < middle_y) & (z < middle_z)
        hit = (smooth[z, y, x] > threshold[x]) & ~cut
        places = np.argwhere(inside)[hit]
        if not len(places):
            continue
        x, y, z = x[hit], y[hit], z[hit]
        on_face = ((np.abs(y - middle_y) <= 1) & (z < middle_z)) | ((np.abs(z - middle_z) <= 1) & (y < middle_y))
        slope = np.stack([_slope(smooth, z, y, x, axis) for axis in (2, 1, 0)], axis=1)
        normal = -slope / np.maximum(np.linalg.norm(slope, axis=1, keepdims=True), 1e-6)
        lit = np.clip(normal @ light / np.linalg.norm(light), 0, 1)
        shade = np.where(on_face, np.where(np.abs(y - middle_y) <= 1, 0.85, 1.0), 0.25 + 0.75 * lit)
        density = to_uint8(volume[z, y, x], levels)
        base = np.where(on_face[:, None], skin[density], skin[np.clip(density.astype(int) + 20, 40, 170)])
        colour[places[:, 0], places[:, 1]] = base * shade[:, None]
        open_[places[:, 0], places[:, 1]] = False
    rgba = np.dstack([np.clip(colour, 0, 255), np.where(open_, 0, 255)]).astype(np.uint8)
    return Image.fromarray(rgba).resize((width // 2, height // 2), Image.Resampling.LANCZOS)


def _slope(body: Floats, z: NDArray[Any], y: NDArray[Any], x: NDArray[Any], axis: int) -> Floats:
    step = [0, 0, 0]
    step[axis] = 2
    after = tuple(np.clip(p + s, 0, n - 1) for p, s, n in zip((z, y, x), step, body.shape, strict=True))
    before = tuple(np.clip(p - s, 0, n - 1) for p, s, n in zip((z, y, x), step, body.shape, strict=True))
    return np.asarray(body[after] - body[before], dtype=np.float32)


def draw(lab: Path, facts: dict[str, Any]) -> Image.Image:
    """The picture."""
    needle = next(folder for folder in sorted(lab.iterdir()) if (folder / "needle_rec.mrc").exists())
    angles = np.loadtxt(needle / "HAADF.rawtlt")
    images = normalise(read_stack(needle / "HAADF.mrc"))
    alignment = align(images, np.deg2rad(angles))
    volume = read_stack(needle / "needle_rec.mrc")
    canvas = Image.new("RGB", (WIDTH, HEIGHT), PANEL)
    pen = ImageDraw.Draw(canvas)
    _series(canvas, images, angles)
    _sinogram(canvas, straighten(images, alignment.along, alignment.axis_turn_rad), alignment)
    _sections(canvas, volume)
    for left, text, more in (
        (36, "Tilt series", "77 images, -76° to +76°"),
        (356, "One plane", "all its tilts"),
        (560, "Tomogram", "256 x 256 x 256 voxels of 3.36 nm"),
        (1004, "The same, cut open", "a layered needle, 280 nm wide"),
    ):
        pen.text((left, 26), text, fill=TEXT, font=font(19, bold=True))
        pen.text((left, 52), more, fill=DIM, font=font(14))
    _terminal(canvas, facts)
    mask = Image.new("L", (WIDTH, HEIGHT), 0)
    ImageDraw.Draw(mask).rounded_rectangle((0, 0, WIDTH - 1, HEIGHT - 1), 18, fill=255)
    canvas = canvas.quantize(palette=_palette(canvas), dither=Image.Dither.NONE).convert("RGBA")
    canvas.putalpha(mask)
    return canvas


def _palette(canvas: Image.Image) -> Image.Image:
    """256 colours for the canvas, among them those of the text, which covers too little to be chosen by itself."""
    sample = canvas.copy()
    pen = ImageDraw.Draw(sample)
    for place, colour in enumerate((GREEN, CYAN, AMBER, TEXT, DIM)):
        for step in range(1, 9):
            blend = tuple(round(c + (t - c) * step / 8) for c, t in zip(CARD, colour, strict=True))
            pen.rectangle((place * 60, 420 + step * 30, place * 60 + 59, 449 + step * 30), fill=blend)
    return sample.quantize(256)


def _series(canvas: Image.Image, images: Floats, angles: NDArray[Any]) -> None:
    levels = (0.0, grey(images[38], 1, 99.7)[1])
    pen = ImageDraw.Draw(canvas)
    for place, number in enumerate(SHOWN_TILTS):
        frame = tinted(images[number][48:208], levels).resize((232, 145), Image.Resampling.LANCZOS)
        left, top = 36 + 15 * place, 88 + 40 * place
        canvas.paste(frame, (left, top))
        pen.rectangle((left, top, left + frame.width, top + frame.height), outline=LINE)
        pen.text((left + 8, top + 7), f"{angles[number]:+.0f}°", fill=TEXT, font=font(13))


def _sinogram(canvas: Image.Image, straight: Floats, alignment: Alignment) -> None:
    plane = straight[:, :, PLANE]
    rows = np.arange(plane.shape[1], dtype=np.float64)
    shift = alignment.across + alignment.axis_turn_rad * (PLANE - (straight.shape[2] - 1) / 2)
    aligned = np.array([np.interp(rows + s, rows, line) for s, line in zip(shift, plane, strict=True)])
    pen = ImageDraw.Draw(canvas)
    for picture, left, name in ((plane[:, 64:224], 356, "as recorded"), (aligned[:, 48:208], 440, "aligned")):
        scaled = tinted(picture.T, (0.0, grey(plane, 1, 99.7)[1])).resize((80, 305), Image.Resampling.BICUBIC)
        canvas.paste(scaled, (left, 88))
        pen.rectangle((left, 88, left + 80, 393), outline=LINE)
        pen.text((left + 5, 374), name, fill=TEXT, font=font(11))
    for left in (336, 535, 981):
        pen.polygon([(left, 232), (left + 12, 240), (left, 248)], fill=AMBER)


def _sections(canvas: Image.Image, volume: NDArray[Any]) -> None:
    z, y, _ = middle_of(volume)
    levels = (0.0, grey(volume[:, :, 108:113], 1, 99.9)[1])
    pen = ImageDraw.Draw(canvas)
    near, far = slice(y - 64, y + 64), slice(z - 64, z + 64)
    for name, section, (left, top, width) in (
        ("XY", volume[z, near, :220], (560, 88, 260)),
        ("XZ", volume[far, y, :220], (560, 243, 260)),
        ("YZ", volume[far, near, PLANE - 20], (825, 88, 150)),
        ("YZ", volume[far, near, PLANE + 20], (825, 243, 150)),
    ):
        picture = tinted(section, levels).resize((width, 150), Image.Resampling.LANCZOS)
        canvas.paste(picture, (left, top))
        pen.rectangle((left, top, left + width, top + 150), outline=LINE)
        pen.text((left + 8, top + 6), name, fill=TEXT, font=font(13))
    bar = 200 / 3.36 * 260 / 220
    pen.rectangle((570, 382, 570 + bar, 385), fill=TEXT)
    pen.text((570, 362), "200 nm", fill=TEXT, font=font(12))
    solid = cut_open(volume, (544, 610), levels)
    canvas.paste(solid, (992, 88), solid)


def _terminal(canvas: Image.Image, facts: dict[str, Any]) -> None:
    top = 420
    glow = Image.new("RGB", canvas.size, PANEL)
    ImageDraw.Draw(glow).rounded_rectangle((30, top, WIDTH - 30, HEIGHT - 26), 12, fill=(5, 8, 11))
    box = (20, top - 10, WIDTH - 20, HEIGHT - 16)
    canvas.paste(glow.filter(ImageFilter.GaussianBlur(5)).crop(box), box[:2])
    pen = ImageDraw.Draw(canvas)
    pen.rounded_rectangle((30, top, WIDTH - 30, HEIGHT - 26), 12, fill=CARD, outline=LINE)
    mono, bold = font(16, mono=True), font(16, mono=True, bold=True)
    line = top + 18
    hit = facts["found"]["results"][0]
    short = str(hit["dataset_id"])[:12]
    compared = facts["compared"]

    def write(*parts: tuple[str, tuple[int, int, int]], left: int = 54, strong: bool = False) -> None:
        nonlocal line
        for text, colour in parts:
            pen.text((left, line), text, fill=colour, font=bold if strong else mono)
            left += round(mono.getlength(text))
        line += 25

    write(("$ ", GREEN), (f'etdb search "{facts["query"]}"', TEXT), strong=True)
    write((short, CYAN), ("  " + str(hit["tomogram"]["title"]), TEXT))
    line += 6
    write(("$ ", GREEN), (f"etdb download {short}", TEXT), strong=True)
    size = compared["bytes"] / 1e6
    write((f"{compared['files']} files, {size:.1f} MB", TEXT), ("  each block checked by its address as it came", DIM))
    line += 6
    write(("$ ", GREEN), (f"etdb verify {Path(facts['received_folder']).name}", TEXT), strong=True)
    for claim in facts["claims"]:
        held = claim["outcome"] == "held"
        mark, colour = ("✔ held         ", GREEN) if held else (f"- {claim['outcome']:<13}", AMBER)
        write((mark, colour), (claim_words(claim), TEXT if held else DIM))


def main() -> None:
    """Make the picture."""
    parser = argparse.ArgumentParser(description="Make the README's picture from what the demo left.")
    parser.add_argument("workspace", type=Path)
    parser.add_argument("facts", type=Path, help="what `etdb demo --json` printed")
    parser.add_argument("--output", type=Path, default=Path(__file__).with_name("demo.png"))
    options = parser.parse_args()
    facts = json.loads(options.facts.read_text(encoding="utf-8"))
    draw(options.workspace / "lab", facts).save(options.output, optimize=True)


if __name__ == "__main__":
    main()
