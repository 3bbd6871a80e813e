"""Checks of what the record says: title, species, dates, voltage, defocus, magnification."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Final

from etdb.describe import UNKNOWN_SPECIES
from etdb.validate.finding import Told, check
from etdb.validate.subject import Subject

# From the tungsten microscopes of teaching laboratories to the million-volt ones of Osaka and Boulder.
PLAUSIBLE_KV: Final = (40.0, 3000.0)
MOST_DEFOCUS_UM: Final = 50.0
PLAUSIBLE_MAGNIFICATION: Final = (200.0, 5_000_000.0)
# De Rosier and Klug, Nature 217, 1968, 130: the first three-dimensional reconstruction from electron micrographs.
FIRST_DAY: Final = dt.date(1968, 1, 1)


@check(
    "title-missing",
    "error",
    "A dataset has no title",
    hint='add a line such as title = "..." to its dataset.toml, or give --title TITLE',
    curators="required metadata",
)
def title(subject: Subject) -> Iterator[Told]:
    """No title from anywhere."""
    if not subject.has_title:
        yield Told("", "no title in dataset.toml or on the command line")


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
    curators="none: a person looks",
    better="name against number, synonyms too",
)
def species_taxonomy(subject: Subject) -> Iterator[Told]:
    """A name that has another number, or a number that is none; names that nobody knows tell nothing."""
    taxonomy, record = subject.taxonomy, subject.record
    if taxonomy is None or record.ncbi_taxon_id is None:
        return
    name = taxonomy.name(record.ncbi_taxon_id)
    known = taxonomy.taxon_id(record.species) if record.species else None
    numbers = {
        "species": record.species,
        "ncbi_taxon_id": record.ncbi_taxon_id,
        "name_of_id": name,
        "id_of_name": known,
    }
    if known is not None and known != record.ncbi_taxon_id:
        text = f"{record.species} is {known}, not {record.ncbi_taxon_id}" + (f" ({name})" if name else "")
        yield Told("", text, numbers)


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
    "date-differs",
    "warning",
    "The record's date is not that of the microscope's files",
    hint="leave acquired_on out of dataset.toml, or correct it",
)
def date_differs(subject: Subject) -> Iterator[Told]:
    """More than a day from every mdoc."""
    said = subject.record.acquired_on
    days = [(file.path, look.acquired_on) for file, look in subject.mdocs if look.acquired_on is not None]
    if said is None or not days or any(abs((said - day).days) <= 1 for _, day in days):
        return
    path, day = days[0]
    text = f"{said.isoformat()} in the record, {day.isoformat()} here"
    yield Told(path, text, {"record": said.isoformat(), "file": day.isoformat()})


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
    "voltage-differs",
    "warning",
    "The files' voltage is not the record's",
    hint="one of them is wrong: the microscope's own file usually knows",
)
def voltage_differs(subject: Subject) -> Iterator[Told]:
    """The mdoc's voltage against the record's."""
    said = subject.record.voltage_kv
    for file, look in subject.mdocs:
        if said is not None and look.voltage_kv is not None and abs(said - look.voltage_kv) > 1:
            text = f"{said:g} kV in the record, {look.voltage_kv:g} here"
            yield Told(file.path, text, {"record": said, "file": look.voltage_kv})


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


def _days(subject: Subject) -> Iterator[tuple[str, dt.date]]:
    if subject.record.acquired_on is not None:
        yield "", subject.record.acquired_on
    for file, look in subject.mdocs:
        if look.acquired_on is not None:
            yield file.path, look.acquired_on
