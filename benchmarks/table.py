"""The figures as a page of the documentation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

_HEAD = """\
# Benchmarks

Made by `make bench` (`python -m benchmarks`): every figure is the median of {turns} turns, ours and the
reference's one after the other on the same machine. Read the ratios; the rates are those of one machine: {processor},
{cores} cores, Python {python}, OpenSSL {openssl}.

| what | etdb | reference | ratio | aim | memory, MiB (at most) |
| --- | ---: | ---: | ---: | ---: | ---: |
"""


def write_table(document: dict[str, Any], path: Path) -> None:
    """Write `docs/benchmarks.md`."""
    text = _HEAD.format(turns=document["turns"], **document["machine"])
    notes: list[str] = []
    for case in document["cases"]:
        for figure in case.get("figures", ()):
            unit = figure["unit"]
            aim = "" if figure["aim"] is None else f"{figure['aim']:g}"
            peak, limit = figure.get("peak_mib"), figure.get("limit_mib")
            memory = "" if peak is None else f"{peak:.0f}" + ("" if limit is None else f" ({limit:.0f})")
            text += (
                f"| {figure['name']} | {_number(figure['ours'])} {unit} | {_number(figure['reference'])} {unit} "
                f"({figure['reference_name']}) | {figure['ratio']:.2f} | {aim} | {memory} |\n"
            )
            if figure["note"]:
                notes.append(f"- {figure['name']}: {figure['note']}.")
        if "peak_mib" in case:
            children = case["peak_children_mib"]
            more = f", its helpers {children:.0f} MiB" if children else ""
            notes.append(f"- memory at most, case `{case['case']}`: {case['peak_mib']:.0f} MiB{more}.")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text + "\n" + "\n".join(notes) + "\n", encoding="utf-8")


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
