"""The demo's report: what happened, for someone who has never seen any of it."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table

from etdb.counting import counted
from etdb.trust import Claim

__all__ = ["claim_words", "show_report"]

_OUTCOME_MARKS = {
    "held": "[bold green]✔ held[/bold green]",
    "failed": "[bold red]✘ failed[/bold red]",
    "not checked": "[yellow]· not checked[/yellow]",
    "not possible": "[cyan]- not possible[/cyan]",
}
_SHOWN_FIELDS = (
    *("acquired_on", "voltage_kv", "magnification", "pixel_spacing_angstrom", "voxel_spacing_angstrom"),
    *("tilt_scheme", "tilt_count", "tilt_min_deg", "tilt_max_deg", "tilt_step_deg", "exposure_s"),
)
_MEGA = 1e6
_ID_SHOWN = 12


def show_report(console: Console, facts: dict[str, Any]) -> None:
    """Print the report of a demo."""
    console.print()
    console.print(
        Panel.fit(
            "[bold]Real tomograms: published, indexed, found, fetched back, every byte checked[/bold]",
            border_style="green",
        )
    )
    _described(console, facts)
    _published(console, facts)
    _found(console, facts)
    _received(console, facts)
    _claims(console, facts)
    _next(console, facts)


def _described(console: Console, facts: dict[str, Any]) -> None:
    """Of the first dataset, some of what no person typed, and who says otherwise."""
    evidence = facts["described"]["datasets"][0]["evidence"]
    console.print("\n[bold]1  Described[/bold] from the files themselves; whoever disagrees is named")
    table = Table(box=None, show_header=False, pad_edge=False)
    for name in _SHOWN_FIELDS:
        if name not in evidence:
            continue
        one = evidence[name]
        table.add_row(one["label"], _with_unit(one["value"], one["unit"]), f"[dim]{_witness(one['chosen'])}[/dim]")
        for other in one["witnesses"]:
            if other["is_usable"] and not other["agrees"]:
                value = _with_unit(other["value"], one["unit"])
                table.add_row("", f"[yellow]≠ {value}[/yellow]", f"[dim]{_witness(other)}[/dim]")
    console.print(Padding(table, (0, 3)))


def _with_unit(value: Any, unit: str) -> str:
    number = f"{value:g}" if isinstance(value, float) else str(value)
    return escape(f"{number}{'' if unit == '°' else ' '}{unit}".rstrip())


def _witness(witness: dict[str, Any]) -> str:
    return escape(", ".join(filter(None, (witness["source"], witness["where"]))))


def _published(console: Console, facts: dict[str, Any]) -> None:
    report = facts["published"]
    ledger = escape(str(facts["ledger"]))
    console.print(f"\n[bold]2  Published[/bold] by an address of its own, on {ledger}, files left in place")
    table = Table(
        "dataset", "record", "transactions", "in block", "root CID", box=None, header_style="dim", pad_edge=False
    )
    for dataset in report["datasets"]:
        table.add_row(
            escape(str(dataset["sid"])),
            str(dataset["dataset_id"])[:_ID_SHOWN],
            str(dataset["transactions"]),
            str(facts["heights"].get(dataset["dataset_id"], "")),
            str(dataset["root_cid"])[:20] + "…",
        )
    console.print(Padding(table, (0, 3)))
    console.print(
        f"   tomogram of 256 x 256 x 256 voxels reconstructed in {facts['reconstruction_seconds']:.1f} s; "
        f"{counted(report['transactions_sent'], 'transaction')} sent in {facts['publish_seconds']:.1f} s"
    )
    if facts["pictures"]:
        console.print(f"   made and published with it: {escape(', '.join(facts['pictures']))}")


def _found(console: Console, facts: dict[str, Any]) -> None:
    results = facts["found"]["results"]
    console.print(
        "\n[bold]3  Found[/bold] in another process, with a fresh workspace that knows only the ledger and a gateway"
    )
    console.print(f"   search [bold]{escape(facts['query'])}[/bold]: {counted(len(results), 'dataset')}")
    for hit in results:
        console.print(
            f"   [green]{str(hit['dataset_id'])[:_ID_SHOWN]}[/green]  {escape(str(hit['tomogram']['title']))}"
        )


def _received(console: Console, facts: dict[str, Any]) -> None:
    compared = facts["compared"]
    rate = compared["bytes"] / _MEGA / max(facts["download_seconds"], 1e-3)
    console.print(f"\n[bold]4  Fetched back[/bold] from {escape(facts['gateway'])}, each block checked by its address")
    console.print(
        f"   {compared['files']} files, {compared['bytes'] / _MEGA:.1f} MB in {facts['download_seconds']:.1f} s "
        f"({rate:.0f} MB/s with start-up), [green]equal to the originals by SHA-256[/green]"
    )


def _claims(console: Console, facts: dict[str, Any]) -> None:
    console.print("\n[bold]5  Verified[/bold], claim by claim")
    table = Table(box=None, show_header=False, pad_edge=False)
    for claim in facts["claims"]:
        table.add_row(_OUTCOME_MARKS.get(claim["outcome"], claim["outcome"]), escape(claim_words(claim)))
        if claim["outcome"] != "held" and claim.get("detail"):
            table.add_row("", f"[dim]{escape(str(claim['detail']))}[/dim]")
    console.print(Padding(table, (0, 3)))


def _next(console: Console, facts: dict[str, Any]) -> None:
    folder = facts["folder"]
    first = str(facts["found"]["results"][0]["dataset_id"])[:_ID_SHOWN]
    etdb = f"{_program()} --workspace {folder}"
    console.print(f"\n[bold]Try next[/bold]  [dim](all done in {facts['seconds']:.0f} s)[/dim]")
    for line, what in (
        (f"{etdb} search SerialEM", "the other dataset"),
        (f"{etdb} search --help", "filters, ranges, facets"),
        (f"{etdb} show {first}", "one record in full"),
        (f"{etdb} verify {first}", "its claims again"),
        (f"{etdb} serve", "look at it in a browser: the web site, the API, the gateway"),
    ):
        console.print(f"   {escape(line)}   [dim]# {what}[/dim]")
    console.print()


def _program() -> str:
    """How the user calls this program: by its name where the PATH finds it, else by where it is."""
    program = Path(sys.argv[0])
    if program.name != "etdb":
        return f"{Path(sys.executable)} -m etdb"
    return "etdb" if shutil.which("etdb") == str(program.absolute()) else str(program)


def claim_words(claim: dict[str, Any]) -> str:
    """A claim of a verification's document as a sentence."""
    try:
        return Claim(claim["claim"]).meaning
    except ValueError:
        return str(claim["claim"]).replace("_", " ")
