"""A draft as a `dataset.toml` that a person can correct and save.

What people said stands as it is. What files tell is read anew each time, so it stands behind a `#`, with its origin:
take the mark away to overrule the files.
"""

from __future__ import annotations

import datetime as dt
import json
from typing import Any, Final

import msgspec

from etdb.describe.draft import Draft
from etdb.describe.evidence import Evidence, Witness
from etdb.describe.rules import RULES
from etdb.sources import DatasetMetadata, SourceDataset

__all__ = ["encode_draft"]

# What only people know and readers look for.
ASKED_FOR: Final = (
    *("title", "description", "species", "ncbi_taxon_id", "strain", "sample_preparation", "microscope", "detector"),
    *("acquisition_software", "reconstruction_software", "microscopist", "institution", "lab", "licence", "authors"),
    *("publications", "tags"),
)
EXAMPLES: Final[dict[str, Any]] = {
    "ncbi_taxon_id": 562,
    "authors": ["First Author", "Second Author"],
    "publications": ["10.1000/example"],
    "tags": ["electron tomography"],
    "licence": "CC-BY-4.0",
}
WIDTH: Final = 44


def encode_draft(dataset: SourceDataset, draft: Draft) -> str:
    """The text; what is active in it is what people said before, and a title to fill in."""
    people = {"stated", "command"}
    names = [name for name in DatasetMetadata.__struct_fields__ if name not in ("extra", "files")]
    names.sort(key=_place)
    lines = [f"# {_comment(dataset.name)}: what its files tell stands behind a #, and is read anew each time.", ""]
    active, told, asked = [], [], []
    for name in names:
        evidence = draft.evidence.get(name)
        chosen = evidence.chosen if evidence is not None else None
        if evidence is not None and chosen is not None and chosen.authority in people:
            active.append(_line(name, _stated(chosen), "", _others(evidence)))
        elif evidence is not None and name not in draft.defaulted and (chosen is not None or evidence.witnesses):
            told += _told(name, evidence)
        elif name in ASKED_FOR:
            asked.append(name)
    if "title" not in draft.evidence:
        asked.remove("title")
        lines += ['title = ""   # every dataset needs one', ""]
    lines += active + ([""] if active else [])
    if asked:
        lines += [
            "# Not known yet; the values are examples:",
            *(f"# {name} = {_toml(_example(name))}" for name in asked),
            "",
        ]
    if told:
        lines += ["# What the files and settings tell:", *told, ""]
    lines += _extra(draft) + _files(dataset)
    return "\n".join(lines).rstrip() + "\n"


def _place(name: str) -> int:
    order = (*RULES, *ASKED_FOR)
    return order.index(name) if name in order else len(order)


def _stated(chosen: Witness) -> Any:
    return chosen.written or chosen.value


def _told(name: str, evidence: Evidence) -> list[str]:
    if evidence.chosen is not None:
        return ["# " + _line(name, evidence.value, _origin(evidence.chosen), _others(evidence))]
    usable = [one for one in evidence.witnesses if one.is_usable]
    heading = [f"# {evidence.label}: {evidence.rule}. Choose one:"] if usable else []
    return heading + ["# " + _line(name, one.value, _origin(one), "") for one in usable]


def _line(name: str, value: Any, origin: str, others: str) -> str:
    text = f"{name} = {_toml(value)}"
    remark = "; ".join(part for part in (origin, others) if part)
    return f"{text.ljust(WIDTH)}  # {_comment(remark)}" if remark else text


def _others(evidence: Evidence) -> str:
    said = [f"{_toml(one.value)} says {_origin(one)}" for one in evidence.disagreeing]
    return f"but {', '.join(said[:3])}" if said else ""


def _origin(witness: Witness) -> str:
    return f"{witness.source}, {witness.where}" if witness.where else witness.source


def _extra(draft: Draft) -> list[str]:
    lines = []
    for name, value in draft.tomogram.extra.items():
        evidence = draft.evidence.get(name)
        is_told = evidence is not None and evidence.chosen is not None and evidence.chosen.authority != "stated"
        if name.endswith("_as_written") or not _is_writable(value):
            continue
        origin = _origin(evidence.chosen) if evidence is not None and evidence.chosen is not None and is_told else ""
        lines.append(("# " if is_told else "") + _line(_key(name), value, origin, ""))
    return ["[extra]", *lines, ""] if lines else []


def _files(dataset: SourceDataset) -> list[str]:
    lines = []
    for path, note in dataset.file_notes.items():
        given = {name: value for name, value in msgspec.to_builtins(note).items() if value}
        if given:
            lines += [f"[files.{_toml(path)}]", *(f"{name} = {_toml(value)}" for name, value in given.items()), ""]
    return lines


def _example(name: str) -> Any:
    return EXAMPLES.get(name, "")


def _is_writable(value: Any) -> bool:
    """TOML has no null."""
    if isinstance(value, (dict, list, tuple)):
        return all(_is_writable(one) for one in (value.values() if isinstance(value, dict) else value))
    return value is not None


def _key(name: str) -> str:
    plain = name.replace("_", "").replace("-", "")
    return name if plain.isascii() and plain.isalnum() else _toml(name)


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (dt.date, int)):
        return str(value)
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_toml(one) for one in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_key(name)} = {_toml(one)}" for name, one in value.items()) + "}"
    # JSON's strings are TOML's basic strings; what a terminal would act on is escaped as TOML does it.
    return "".join(c if c.isprintable() else _escaped(c) for c in json.dumps(str(value), ensure_ascii=False))


def _escaped(letter: str) -> str:
    number = ord(letter)
    if 0xD800 <= number < 0xE000:  # half of a pair: TOML has no such thing
        number = 0xFFFD
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def _comment(text: str) -> str:
    """On one line, without what TOML forbids in comments."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)
