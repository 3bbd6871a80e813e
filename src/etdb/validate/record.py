"""Checks of what the record says: title, tilt series, species, dates, voltage, defocus, magnification."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Final

from etdb.describe import FALLBACKS, UNKNOWN_SPECIES, find_series
from etdb.validate.finding import Told, check, some
from etdb.validate.subject import Subject
from etdb.vocabulary import complete_species

# From the tungsten microscopes of teaching laboratories to the million-volt ones of Osaka and Boulder.
PLAUSIBLE_KV: Final = (40.0, 3000.0)
MOST_DEFOCUS_UM: Final = 50.0
PLAUSIBLE_MAGNIFICATION: Final = (200.0, 5_000_000.0)
# De Rosier and Klug, Nature 217, 1968, 130: the first three-dimensional reconstruction from electron micrographs.
FIRST_DAY: Final = dt.date(1968, 1, 1)
_HAVE_CHECKS: Final = ("tilt_", "dose_", "pixel_spacing", "voxel_spacing", "species", "ncbi_taxon_id")
_SHOWN: Final = 4


@check(
    "title-missing",
    "error",
    "A dataset has no title",
    hint='add a line such as title = "..." to its dataset.toml, or give --title TITLE',
    curators="required metadata",
)
def title(subject: Subject) -> Iterator[Told]:
    """No title from anywhere."""
    if not subject.record.title.strip():
        yield Told("", "no title in dataset.toml or on the command line")


@check(
    "series-several",
    "info",
    "A dataset has several tilt series that are not two axes of one",
    hint="a dataset each is found and cited by itself; else say in the notes of each series which tomogram is of it",
    curators="at most one tilt series a run",
    better="the two axes of one series are one; not told where every series has a note",
)
def several_series(subject: Subject) -> Iterator[Told]:
    """Raw stacks of different names, but for second axes (`ts1b` of `ts1a`)."""
    second = find_series(subject.dataset).second_axis
    stacks = [one.stack for one in subject.series if one.stack is not None and one.stack.path not in second]
    if len(stacks) > 1 and not all(stack.notes for stack in stacks):
        paths = [stack.path for stack in stacks]
        yield Told("", f"{len(paths)}: {some(paths)}", {"files": paths[:1000]})


@check(
    "species-missing",
    "info",
    "A dataset does not say its species",
    hint="add species and ncbi_taxon_id to its dataset.toml; for what is no organism say what it is",
    curators="required metadata",
)
def species_missing(subject: Subject) -> Iterator[Told]:
    """Neither a name nor a number."""
    record = subject.record
    if record.species in {"", UNKNOWN_SPECIES} and record.ncbi_taxon_id is None:
        yield Told("", "neither a name nor a number of NCBI's taxonomy")


@check(
    "species-taxonomy",
    "warning",
    "The species and its number in NCBI's taxonomy do not fit",
    hint="look it up in NCBI's taxonomy and correct the one that is wrong in dataset.toml",
    better="name against number; strains, species above them, former and common names are known",
)
def species_taxonomy(subject: Subject) -> Iterator[Told]:
    """A name and a number of different organisms."""
    record = subject.record
    answer = complete_species(_species(subject), record.ncbi_taxon_id, subject.taxa)
    if answer.agrees is False:
        numbers = {"species": record.species, "ncbi_taxon_id": record.ncbi_taxon_id}
        yield Told("", "; ".join(answer.remarks), numbers)


@check(
    "species-unknown",
    "info",
    "The species is not in NCBI's taxonomy, or has another name there today",
    hint="look at the spelling; strains go into strain",
    better="told only where all of the taxonomy is installed (etdb[taxonomy])",
)
def species_unknown(subject: Subject) -> Iterator[Told]:
    """Names and numbers that nobody knows, and former names."""
    if not subject.taxa.is_complete:
        return
    answer = complete_species(_species(subject), subject.record.ncbi_taxon_id, subject.taxa)
    if answer.agrees is not False and answer.remarks:
        yield Told("", "; ".join(answer.remarks), {"species": subject.record.species})


@check(
    "statements-differ",
    "warning",
    "Files and people say different things of one field",
    hint="look which is right; dataset.toml decides what is published",
    curators="metadata against mdoc, field by field, for a few of them",
    better="every field, with who says what",
)
def statements_differ(subject: Subject) -> Iterator[Told]:
    """What describing found, but for angles, dose and spacings, which have checks of their own."""
    for field, told in subject.draft.evidence.items():
        against = [
            one for one in told.disagreeing if one.authority not in FALLBACKS and not _is_within(one.value, told.value)
        ]
        if not against or field.startswith(_HAVE_CHECKS):
            continue
        said = [f"{one.value} ({one.source})" for one in ([told.chosen] if told.chosen else []) + against]
        files = [one.source for one in against if one.source in subject.paths]
        numbers = {"field": field, "statements": said[:100]}
        yield Told(files[0] if files else "", f"{told.label}: {', '.join(said[:_SHOWN])}", numbers)


@check(
    "date-future",
    "error",
    "A date lies in the future",
    hint="correct the date, or this machine's clock",
    better="theirs takes any date",
)
def date_future(subject: Subject) -> Iterator[Told]:
    """Later than tomorrow here: the microscope may stand further east."""
    latest = subject.today + dt.timedelta(days=1)
    for file, day in _days(subject):
        if day > latest:
            yield Told(file, f"{day.isoformat()}, and today is {subject.today.isoformat()}", {"date": day.isoformat()})


@check(
    "date-too-early",
    "warning",
    "A date lies before electron tomography",
    hint="the clock of the microscope's computer was not set: give acquired_on in dataset.toml",
    better="theirs takes any date",
)
def date_too_early(subject: Subject) -> Iterator[Told]:
    """Before 1968, which is also what 1 January of year 1, 1900 or 1904 is."""
    for file, day in _days(subject):
        if day < FIRST_DAY:
            yield Told(file, day.isoformat(), {"date": day.isoformat()})


@check(
    "voltage-implausible",
    "warning",
    "A voltage that no electron microscope has",
    hint="give it in kilovolts: 300, not 300000",
    curators="acceleration voltage (schema)",
)
def voltage(subject: Subject) -> Iterator[Told]:
    """Of the record, which has it from the files or from people."""
    value = subject.record.voltage_kv
    low, high = PLAUSIBLE_KV
    if value is not None and not low <= value <= high:
        yield Told("", f"{value:g} kV", {"voltage_kv": value})


@check(
    "defocus-implausible",
    "warning",
    "A defocus beyond what is used",
    hint="give it in micrometres, under focus negative: -5, not -5000 (nanometres) or -50000 (angstrom)",
    curators="defocus (schema)",
)
def defocus(subject: Subject) -> Iterator[Told]:
    """More than 50 micrometres to either side."""
    value = subject.record.defocus_um
    if value is not None and abs(value) > MOST_DEFOCUS_UM:
        yield Told("", f"{value:g} micrometres", {"defocus_um": value})


@check(
    "magnification-implausible",
    "warning",
    "A magnification beyond what electron microscopes have",
    hint="give it as a plain number: 42000, not 42 (thousand)",
    curators="magnification (schema)",
)
def magnification(subject: Subject) -> Iterator[Told]:
    """Outside of 200 to 5,000,000."""
    value = subject.record.magnification
    low, high = PLAUSIBLE_MAGNIFICATION
    if value is not None and not low <= value <= high:
        yield Told("", f"{value:g} times", {"magnification": value})


def _is_within(one: object, other: object) -> bool:
    """A longer name holds the shorter: `NIST Titan D3094` is a Titan."""
    if not isinstance(one, str) or not isinstance(other, str):
        return False
    return one.casefold() in other.casefold() or other.casefold() in one.casefold()


def _species(subject: Subject) -> str:
    return subject.record.species if subject.record.species != UNKNOWN_SPECIES else ""


def _days(subject: Subject) -> Iterator[tuple[str, dt.date]]:
    if subject.record.acquired_on is not None:
        yield "", subject.record.acquired_on
    for file, look in subject.mdocs:
        if look.acquired_on is not None:
            yield file.path, look.acquired_on
