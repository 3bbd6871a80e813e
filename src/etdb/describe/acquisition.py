"""What the files tell of the microscope and of how it was used."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

from etdb.counting import counted
from etdb.describe.evidence import Witness
from etdb.describe.rules import Authority, rule_of
from etdb.describe.sectionwise import mean_of, spread
from etdb.describe.series import Series
from etdb.em import AcquisitionLog, FrameStack, MdocLook, MdocSection, MrcLook, SectionFacts
from etdb.sources import SourceDataset, SourceFile
from etdb.vocabulary import find_microscope

__all__ = ["EXTENDED_NAMES", "tell_acquisition"]

EXTENDED_NAMES: Final = {
    "fei-old": "FEI extended header",
    "fei1": "FEI1 extended header",
    "fei2": "FEI2 extended header",
    "serialem": "SerialEM extended header",
    "agard": "Agard extended header",
}
MAX_TITLE_LETTERS: Final = 400
_CAMERAS: Final = re.compile(r"Camera\s*->\s*(.*)")
_CAMERA: Final = re.compile(r"(\d+)\s*:\s*(\S+)")
_SERIALEM_TITLE: Final = re.compile(
    r"SerialEM:\s*(?:Digitized on\s+)?(.*?)\s*(?:Camera\s*->.*|\d{1,2}-[A-Za-z]{3}-\d{2,4}.*)?"
)
# Of one value all sections should agree; a dose and an exposure may grow with the tilt.
_CONSTANT: Final = ("voltage_kv", "magnification")
_VARYING: Final = ("exposure_s",)

Told = Iterator[tuple[str, Witness]]


def tell_acquisition(dataset: SourceDataset, series: Series) -> Told:
    """Statements on the field's own terms: pairs of a field's name and a witness."""
    for file in series.mdocs:
        assert file.mdoc is not None
        yield from _mdoc(file, file.mdoc, "mdoc")
        yield from _mdoc_dose(file, file.mdoc, is_one_of_two=series.axes == 2)
    yield from _dose_of_both(series)
    for file in series.frame_mdocs:
        assert file.mdoc is not None
        yield from _mdoc(file, file.mdoc, "frames" if series.mdocs else "mdoc")
    for file in series.stacks:
        assert file.header is not None
        yield from _extended(file, file.header)
    for file in series.logs:
        assert isinstance(file.look, AcquisitionLog)
        yield from _log(file, file.look)
    for file in dataset.files:
        if isinstance(file.look, FrameStack) and file.role in ("frames", "tilt_series"):
            yield from _frames(file, file.look)


def _mdoc(file: SourceFile, look: MdocLook, authority: Authority) -> Told:
    sections = look.sections_facts
    for field in _CONSTANT:
        for value, where in _agreed(field, getattr(look, field), sections, "mdoc"):
            yield field, Witness(value=value, authority=authority, source=file.path, where=where)
    for value, where in _agreed("defocus_um", look.target_defocus_um, sections, "mdoc", "target_defocus_um"):
        yield (
            "defocus_um",
            Witness(value=value, authority=authority, source=file.path, where=f"{where}, target defocus"),
        )
    for field in _VARYING:
        for value, where in mean_of(rule_of(field), [getattr(one, field) for one in sections], "mdoc"):
            yield field, Witness(value=value, authority=authority, source=file.path, where=where)
    slits = [_slit(one) for one in sections]
    for value, where in spread(rule_of("energy_filter_slit_ev"), slits, "mdoc"):
        if value > 0:
            yield "energy_filter_slit_ev", Witness(value=value, authority=authority, source=file.path, where=where)
    if look.tilt_axis_deg is not None:
        yield (
            "tilt_axis_angle_deg",
            Witness(value=look.tilt_axis_deg, authority=authority, source=file.path, where="mdoc title"),
        )
    if look.software:
        yield (
            "acquisition_software",
            Witness(value=look.software, authority=authority, source=file.path, where="mdoc, version"),
        )
    if look.acquired_on is not None:
        where = "mdoc, earliest section"
        yield "acquired_on", Witness(value=look.acquired_on, authority=authority, source=file.path, where=where)
    yield from _titles(file, look, authority)


def _titles(file: SourceFile, look: MdocLook, authority: Authority) -> Told:
    """SerialEM writes the microscope's own title, and in newer versions its cameras, before the date."""
    for title in (one.strip()[:MAX_TITLE_LETTERS] for one in look.titles):
        named = _SERIALEM_TITLE.fullmatch(title)
        if named is None:
            continue
        if model := find_microscope(named[1]):
            yield (
                "microscope",
                Witness(value=model, authority=authority, source=file.path, where="mdoc title", written=named[1]),
            )
        cameras = _CAMERAS.search(title)
        used = {one.camera_index for one in look.sections_facts} - {None}
        listed = dict(_CAMERA.findall(cameras[1])) if cameras else {}
        if len(used) == 1 and (camera := listed.get(str(used.pop()))):
            yield "detector", Witness(value=camera, authority=authority, source=file.path, where="mdoc title")
        return


def _mdoc_dose(file: SourceFile, look: MdocLook, *, is_one_of_two: bool) -> Told:
    doses = [one.dose_e_per_a2 or None for one in look.sections_facts]
    for value, where in mean_of(rule_of("dose_per_tilt_e_per_a2"), doses, "mdoc"):
        yield "dose_per_tilt_e_per_a2", Witness(value=value, authority="mdoc", source=file.path, where=where)
    if look.dose_e_per_a2 is not None:
        where = f"mdoc, sum of {counted(look.sections, 'section')}"
        yield (
            "dose_e_per_a2",
            Witness(
                value=look.dose_e_per_a2,
                authority="mdoc",
                source=file.path,
                where=where,
                remark="one of two axes" if is_one_of_two else "",
                is_usable=not is_one_of_two,
            ),
        )


def _dose_of_both(series: Series) -> Told:
    """The specimen bears the dose of both axes."""
    doses = [f.mdoc.dose_e_per_a2 for f in series.mdocs if f.mdoc is not None and f.mdoc.dose_e_per_a2 is not None]
    if series.axes == 2 and len(doses) == len(series.mdocs) == 2:
        where = f"sum of both axes, with {series.mdocs[1].path}"
        value = round(sum(doses), 3)
        yield "dose_e_per_a2", Witness(value=value, authority="derived", source=series.mdocs[0].path, where=where)


def _extended(file: SourceFile, header: MrcLook) -> Told:
    name, facts = EXTENDED_NAMES.get(header.extended_form, "extended header"), header.per_section
    for field in (*_CONSTANT, "tilt_axis_angle_deg"):
        values = [getattr(one, "tilt_axis_deg" if field == "tilt_axis_angle_deg" else field) for one in facts]
        for value, where in spread(rule_of(field), values, name):
            yield field, Witness(value=value, authority="extended-header", source=file.path, where=where)
    for field, attribute in (("exposure_s", "exposure_s"), ("dose_per_tilt_e_per_a2", "dose_e_per_a2")):
        # A zero is a dose that was not measured.
        values = [getattr(one, attribute) or None for one in facts]
        for value, where in mean_of(rule_of(field), values, name):
            yield field, Witness(value=value, authority="extended-header", source=file.path, where=where)
    doses = [one.dose_e_per_a2 or None for one in facts]
    if doses and None not in doses:
        total = round(sum(dose for dose in doses if dose is not None), 3)
        where = f"{name}, sum of {counted(len(doses), 'section')}"
        yield "dose_e_per_a2", Witness(value=total, authority="extended-header", source=file.path, where=where)
    if (first := _earliest(facts)) is not None:
        where = f"{name}, earliest section"
        yield "acquired_on", Witness(value=first, authority="extended-header", source=file.path, where=where)
    instrument = header.instrument
    if instrument is None:
        return
    for field, text in (
        ("microscope", instrument.microscope),
        ("detector", instrument.camera),
        ("acquisition_software", instrument.software),
    ):
        if text:
            yield field, Witness(value=text, authority="extended-header", source=file.path, where=name)


def _log(file: SourceFile, look: AcquisitionLog) -> Told:
    told: dict[str, Any] = {
        "voltage_kv": look.voltage_kv,
        "magnification": look.magnification,
        "defocus_um": look.defocus_um,
        "exposure_s": look.exposure_s,
        "tilt_axis_angle_deg": look.tilt_axis_deg,
        "acquired_on": look.started_at.date() if look.started_at is not None else None,
    }
    for field, value in told.items():
        if value is not None:
            yield field, Witness(value=value, authority="log", source=file.path, where="acquisition log")


def _frames(file: SourceFile, look: FrameStack) -> Told:
    told: dict[str, Any] = {"detector": look.camera, "exposure_s": look.exposure_s}
    if file.role == "frames":
        told["dose_per_tilt_e_per_a2"] = look.dose_e_per_a2
    for field, value in told.items():
        if value:
            yield field, Witness(value=value, authority="frames", source=file.path, where=f"{look.form.upper()} header")


def _agreed(
    field: str, summary: float | None, sections: Sequence[MdocSection], what: str, attribute: str = ""
) -> list[tuple[float, str]]:
    found = spread(rule_of(field), [getattr(one, attribute or field) for one in sections], what)
    return found or ([(summary, what)] if summary is not None else [])


def _slit(section: MdocSection) -> float | None:
    text = section.other.get("FilterSlitAndLoss", "").split()
    try:
        return float(text[0])
    except (IndexError, ValueError):
        return None


def _earliest(facts: Sequence[SectionFacts]) -> dt.date | None:
    days = [one.acquired_at.date() for one in facts if one.acquired_at is not None]
    return min(days, default=None)
