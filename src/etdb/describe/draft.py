"""From a dataset on disk to a draft of its record.

Whoever is closest to the data wins: what the command line says, then `dataset.toml` or the lab's database, then what
the files tell, then the workspace's settings, then defaults. Of every field all statements are kept as evidence.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from etdb.describe.evidence import Evidence, Witness, weigh
from etdb.describe.looks import shown_files
from etdb.describe.rules import RULES, Authority, rule_of
from etdb.describe.told import Statements, told_by_files, weighed, worked_out
from etdb.errors import InputError
from etdb.oip.tomogram import FileEntry, Tomogram
from etdb.sources import DATASET_TOML, DatasetMetadata, SourceDataset
from etdb.vocabulary import complete_species, taxonomy, unify
from etdb.workspace import CONFIG_NAME, Settings

__all__ = ["UNKNOWN_SPECIES", "Draft", "describe"]

UNKNOWN_SPECIES = "not stated"
COMMAND_LINE = "the command line"
DEFAULT = "default"
TAXONOMY = "NCBI taxonomy"
AS_WRITTEN = "_as_written"
STATED = ("command", "stated", "settings")
OF_PUBLISHER = ("institution", "lab", "microscopist", "licence", "authors")
OF_DESCRIBE = ("description", "species", "microscope", "acquisition_software", "reconstruction_software", "tags")


class Draft(Struct, frozen=True, kw_only=True):
    """A record before it has a publisher, a time and a location.

    `origins` says of each field that is set where it came from: a file's path, `dataset.toml` (or what else the
    source's metadata came from), `etdb.toml`, the command line, NCBI's taxonomy or a default; `evidence` has all
    statements on it, also on fields that stay empty because nothing decides. `defaulted` names the fields that hold a
    default: show them before they are published. `notes` are sentences for people.
    """

    tomogram: Tomogram
    origins: dict[str, str]
    defaulted: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    evidence: dict[str, Evidence] = {}

    @property
    def derived(self) -> frozenset[str]:
        """The fields of the record that nobody stated: told by files, worked out, completed, in dispute, default.

        One of `extra` has `extra.` before its name.
        """
        names = set()
        for field, told in self.evidence.items():
            if told.chosen is None or told.chosen.authority not in STATED:
                names.add(f"extra.{field}" if _stands_in_extra(field) else field)
            names.add(f"extra.{field}{AS_WRITTEN}")
        return frozenset(names | ({"year"} if "acquired_on" in names else set()))

    @property
    def respelt(self) -> dict[str, str]:
        """The fields that hold another spelling than was stated, with that which was stated."""
        chosen = {field: told.chosen for field, told in self.evidence.items() if told.chosen is not None}
        return {
            field: one.written
            for field, one in chosen.items()
            if one.authority in STATED and one.written not in {"", one.value}
        }


def describe(
    dataset: SourceDataset,
    defaults: Settings,
    given: Mapping[str, Any] | None = None,
    *,
    title: str | None = None,
    needs_title: bool = True,
) -> Draft:
    """Make the draft of a dataset's record.

    Args:
        dataset: what a source found.
        defaults: the workspace's settings.
        given: fields from the command line.
        title: the commonest of them.
        needs_title: without it a draft may have none; such a draft is to look at, it cannot be published.

    Raises:
        InputError: the title is missing, or `given` has an unknown field or a value of the wrong type.
    """
    said = dict(given or {}) if title is None else {**(given or {}), "title": title}
    statements, series = told_by_files(dataset)
    extra: dict[str, Any] = {}
    for group, names in ((defaults.publisher, OF_PUBLISHER), (defaults.describe, OF_DESCRIBE)):
        _add(statements, {name: getattr(group, name) for name in names}, "settings", CONFIG_NAME)
    people: tuple[tuple[Mapping[str, Any], Authority, str], ...] = (
        (dataset.metadata, "stated", dataset.metadata_origin),
        (said, "command", COMMAND_LINE),
    )
    for told, authority, source in people:
        values = _checked(told, dataset)
        own = values.pop("extra", {})
        extra |= own
        _add(statements, {**values, **{k: v for k, v in own.items() if _stands_in_extra(k)}}, authority, source)
    statements = {field: [_spelt(field, one) for one in heard] for field, heard in statements.items()}
    evidence = weighed(statements)
    for field, witness in worked_out(dataset, series, evidence):
        statements.setdefault(field, []).append(witness)
        evidence[field] = weigh(rule_of(field), statements[field])
    remarks = _complete_species(evidence)
    remarks += _senseless(evidence)

    if not (evidence["title"].value if "title" in evidence else "").strip():
        evidence.pop("title", None)
        if needs_title:
            raise _title_missing(dataset)
    defaulted = []
    # Old readers of the index refuse a record without description and species; the sid is what the journal knows a
    # dataset by.
    plain = (("description", _plain_description(dataset)), ("species", UNKNOWN_SPECIES), ("sid", dataset.name))
    for name, value in plain:
        if name not in evidence or not str(evidence[name].value or "").strip():
            evidence[name] = weigh(rule_of(name), [Witness(value=value, authority="default", source=DEFAULT)])
            defaulted.append(name)
    fields, origins = _taken(evidence, extra)
    tomogram = Tomogram(publisher="", timestamp_s=0, **fields, files=_entries(dataset, fields))
    return Draft(
        tomogram=tomogram,
        origins=origins,
        defaulted=tuple(defaulted),
        notes=(*dataset.notes, *remarks),
        evidence=_in_order(evidence),
    )


def _add(statements: Statements, values: Mapping[str, Any], authority: Authority, source: str) -> None:
    for name, value in values.items():
        if value is not None and value not in ("", ()):
            statements.setdefault(name, []).append(Witness(value=value, authority=authority, source=source))


def _stands_in_extra(name: str) -> bool:
    return name in RULES and RULES[name].in_extra


def _spelt(field: str, witness: Witness) -> Witness:
    kind = rule_of(field).vocabulary
    if not kind or not isinstance(witness.value, str):
        return witness
    value = unify(kind, witness.value)
    return replace(witness, value=value, written=witness.written or (witness.value if value != witness.value else ""))


def _complete_species(evidence: dict[str, Evidence]) -> list[str]:
    """Fill in what is missing of species and taxon; the remarks say what is unknown or contradicts."""
    name = evidence["species"].value if "species" in evidence else ""
    number = evidence["ncbi_taxon_id"].value if "ncbi_taxon_id" in evidence else None
    if not str(name or "").strip() and number is None:
        return []
    answer = complete_species(name or "", number, taxonomy())
    for field, old, new, what in (
        ("species", name or "", answer.species, f"taxon {number}"),
        ("ncbi_taxon_id", number, answer.ncbi_taxon_id, f"the species {name}"),
    ):
        if new == old or new in ("", None):
            continue
        if old in ("", None):
            completed = Witness(value=new, authority="taxonomy", source=TAXONOMY, where=what)
            evidence[field] = weigh(rule_of(field), [*(evidence[field].witnesses if old else ()), completed])
            continue
        chosen = evidence[field].chosen
        heard = [
            replace(one, value=new, written=one.written or str(one.value))
            if chosen is not None and one.value == chosen.value
            else one
            for one in evidence[field].witnesses
        ]
        evidence[field] = weigh(rule_of(field), heard)
    return list(answer.remarks)


def _senseless(evidence: Mapping[str, Evidence]) -> list[str]:
    """A sentence for each header whose spacing makes no sense, with what other files say."""
    remarks = []
    for field in ("pixel_spacing_angstrom", "voxel_spacing_angstrom"):
        told = evidence.get(field)
        if told is None:
            continue
        taken = told.chosen
        if taken is None:
            instead = "nothing else tells it"
        else:
            # Another volume's header says how large that one's voxels are, and supports nothing about this one.
            verb = "told by" if taken.authority == "header" else "what the evidence supports:"
            instead = f"{taken.value:g} {told.unit} is {verb} {taken.source} ({taken.where or 'as stated'})"
        remarks += [
            f"{one.source}: the {told.label} in its header, {one.value}, {one.remark}; {instead}"
            for one in told.unusable
        ]
    return remarks


def _taken(evidence: Mapping[str, Evidence], extra: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """The fields of the record and where each came from; `extra` of what has no field, and of original spellings."""
    fields: dict[str, Any] = {}
    origins: dict[str, str] = {}
    kept = dict(extra)
    for field, told in evidence.items():
        if told.chosen is None:
            continue
        origins[field] = told.chosen.source
        if _stands_in_extra(field):
            kept.setdefault(field, told.value)
            continue
        fields[field] = told.value
        if told.chosen.written and told.chosen.written != told.value:
            kept.setdefault(field + AS_WRITTEN, told.chosen.written)
    if "acquired_on" in fields:
        fields["year"], origins["year"] = fields["acquired_on"].year, origins["acquired_on"]
    if kept:
        fields["extra"] = kept
    fields.setdefault("title", "")
    return fields, origins


def _in_order(evidence: Mapping[str, Evidence]) -> dict[str, Evidence]:
    order = {name: place for place, name in enumerate(RULES)}
    return dict(sorted(evidence.items(), key=lambda pair: order.get(pair[0], len(order))))


def _checked(values: Mapping[str, Any], dataset: SourceDataset) -> dict[str, Any]:
    try:
        return msgspec.convert(dict(values), DatasetMetadata, strict=True).given()
    except msgspec.ValidationError as error:
        raise InputError(
            f"{dataset.name}: {error}", hint="see the fields that dataset.toml can have", dataset=dataset.name
        ) from None


def _title_missing(dataset: SourceDataset) -> InputError:
    if dataset.is_single_file:
        hint = "give one: --title TITLE"
    else:
        hint = f'add a line such as title = "..." to {dataset.root / DATASET_TOML}, or give --title TITLE'
    return InputError(f"{dataset.name} has no title", hint=hint, dataset=dataset.name, field="title")


def _plain_description(dataset: SourceDataset) -> str:
    counts: dict[str, int] = {}
    for one in shown_files(dataset.files):
        counts[one.role] = counts.get(one.role, 0) + 1
    words = ", ".join(f"{n} {role.replace('_', ' ')}" for role, n in counts.items())
    return f"Electron tomography data ({words})"


def _entries(dataset: SourceDataset, fields: Mapping[str, Any]) -> tuple[FileEntry, ...]:
    software = {
        "tilt_series": fields.get("acquisition_software", ""),
        "reconstruction": fields.get("reconstruction_software", ""),
    }
    return tuple(
        FileEntry(
            path=file.path,
            display_name=file.display_name or PurePosixPath(file.path).name,
            size_bytes=file.size_bytes,
            role=file.role,
            media_type=file.media_type,
            notes=file.notes,
            software=file.software or software.get(file.role, ""),
        )
        for file in dataset.files
    )
