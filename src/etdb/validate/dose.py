"""Checks of the dose: its sum against the record, and whether it can be."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Final

from etdb.validate.finding import Told, check
from etdb.validate.subject import Subject

LEAST_DOSE_E_PER_A2: Final = 5.0
# A room-temperature section may take thousands; frozen cells are destroyed long before this.
MOST_DOSE_E_PER_A2: Final = 1000.0
_SUM_TOLERANCE_E_PER_A2: Final = 1.0
_SUM_TOLERANCE: Final = 0.01


@check(
    "dose-low",
    "warning",
    "The total dose is too low for a tilt series",
    hint="it may be the dose of one image: give the sum over all tilts as dose_e_per_a2",
    better="below 5 electrons per square angstrom",
)
def low(subject: Subject) -> Iterator[Told]:
    """Less than a series of images can be seen with."""
    dose = subject.record.dose_e_per_a2
    if dose is not None and 0 <= dose < LEAST_DOSE_E_PER_A2:
        yield Told("", f"{dose:g} e/A2, below {LEAST_DOSE_E_PER_A2:g}", {"dose_e_per_a2": dose})


@check(
    "dose-high",
    "warning",
    "The total dose is too high",
    hint="it may be in electrons per square nanometre (divide by 100), or per pixel: give dose_e_per_a2",
    better="theirs has no upper end",
)
def high(subject: Subject) -> Iterator[Told]:
    """More than even plastic sections take."""
    dose = subject.record.dose_e_per_a2
    if dose is not None and dose > MOST_DOSE_E_PER_A2:
        yield Told("", f"{dose:g} e/A2, above {MOST_DOSE_E_PER_A2:g}", {"dose_e_per_a2": dose})


@check(
    "dose-sum",
    "warning",
    "The record's dose is not the sum of the images' doses",
    hint="leave it out of dataset.toml when the mdoc is right; correct it when the mdoc was not calibrated",
    curators="sum(exposure dose) == total flux (abs 1)",
    better="1 e/A2 or 1 %, what is more; all series of a dataset together or one of them",
)
def total(subject: Subject) -> Iterator[Told]:
    """ExposureDose over the sections; a record of two series may tell of one or of both."""
    said = subject.record.dose_e_per_a2
    sums = [(file, dose) for file, look in subject.mdocs if (dose := look.dose_e_per_a2) is not None]
    if said is None or not sums:
        return
    candidates = [dose for _, dose in sums] + [sum(dose for _, dose in sums)]
    reach = max(_SUM_TOLERANCE_E_PER_A2, _SUM_TOLERANCE * said)
    if min(abs(dose - said) for dose in candidates) > reach:
        file, dose = sums[0]
        text = f"{said:g} e/A2 in the record, the sections sum to {dose:g}"
        yield Told(file.path, text, {"record_e_per_a2": said, "sum_e_per_a2": dose})


@check(
    "dose-partial",
    "warning",
    "Some sections of an mdoc file have a dose, others have none",
    hint="the sum is too low: add the missing doses, or give dose_e_per_a2 in dataset.toml",
    better="theirs sums what is there",
)
def partial(subject: Subject) -> Iterator[Told]:
    """ExposureDose missing or zero in some sections only."""
    for file, look in subject.mdocs:
        without = [s.index for s in look.sections_facts if not s.dose_e_per_a2]
        if 0 < len(without) < len(look.sections_facts):
            text = f"{len(without)} of {len(look.sections_facts)} sections have none"
            yield Told(file.path, text, {"sections": without[:1000]})


@check(
    "dose-order",
    "warning",
    "The dose before an image does not grow with time",
    hint="PriorRecordDose or DateTime was edited, or two acquisitions were joined: correct the mdoc",
    curators="order of frames agrees with accumulated dose",
)
def dose_order(subject: Subject) -> Iterator[Told]:
    """PriorRecordDose in the order of DateTime."""
    for file, look in subject.mdocs:
        known = [
            (s.acquired_at, s.prior_dose_e_per_a2, s.index)
            for s in look.sections_facts
            if s.acquired_at is not None and s.prior_dose_e_per_a2 is not None
        ]
        if len(known) != len(look.sections_facts):
            continue
        known.sort(key=lambda one: one[:2])
        fallen = [b[2] for a, b in pairwise(known) if b[1] < a[1] - 0.01]
        if fallen:
            text = f"before section {fallen[0]} less dose is told than before the image taken just before it"
            yield Told(file.path, text, {"sections": fallen[:1000]})
