"""``etdb search`` and ``etdb show``."""

from __future__ import annotations

from pathlib import Path

import click
from msgspec import structs

from etdb.catalogue import (
    FACETS,
    FIELDS,
    SORTS,
    AsideMessage,
    OrphanedParts,
    OtherRecord,
    Page,
    parse_query,
)
from etdb.cli.app import Context, command
from etdb.cli.dataset_shown import show_dataset
from etdb.cli.opening import find_workspace, open_catalogue
from etdb.cli.output import Output, printable, size_text
from etdb.cli.tables import Table
from etdb.errors import InputError
from etdb.web.complexfilter import load_filter

__all__ = ["filter_option", "search", "show"]

filter_option = click.option(
    "--filter",
    "filter_file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Conditions joined by AND, OR, NOT: the JSON of complex-filter.",
)
"""The same file for every command that chooses datasets."""


@command(
    "search",
    examples="""
    etdb search chemoreceptor array            words; the last one may be a beginning
    etdb search '"storage granule"' -- -phage  a phrase, and without a word
    etdb search --where species='Caulobacter crescentus' --where tilt_max_deg=60..
    etdb search --where acquired_on=2014-01-01..2014-12-31 --sort date
    etdb search --facet species --facet microscope --limit 5
    etdb search --filter query.json            AND, OR, NOT, as the portal's advanced search saves it
    etdb search --withdrawn                    datasets that their owners have withdrawn
    etdb search --fields                       everything that can be asked for""",
)
@click.argument("words", nargs=-1)
@click.option("--where", multiple=True, metavar="FIELD=VALUE", help="A filter: a whole value, or a range MIN..MAX.")
@filter_option
@click.option(
    "--sort",
    type=click.Choice([one.name for one in SORTS]),
    help="The order; by default what fits best, and without words the newest.",
)
@click.option("--limit", default=20, show_default=True, help="Results a page.")
@click.option("--after", default="", metavar="CURSOR", help="Go on behind a page; it ends with its cursor.")
@click.option("--facet", multiple=True, type=click.Choice(FACETS), metavar="FIELD", help="Count a field's values.")
@click.option("--withdrawn", is_flag=True, help="Look among the datasets that were withdrawn.")
@click.option("--fields", is_flag=True, help="List the fields, and stop.")
def search(
    context: Context,
    words: tuple[str, ...],
    where: tuple[str, ...],
    filter_file: Path | None,
    sort: str | None,
    limit: int,
    after: str,
    facet: tuple[str, ...],
    withdrawn: bool,
    fields: bool,
) -> None:
    """Find datasets by words, values and ranges."""
    if fields:
        _show_fields(context.out)
        return
    pairs = []
    for one in where:
        name, equals, value = one.partition("=")
        if not equals:
            raise InputError(f"--where {one!r} is not FIELD=VALUE", hint="see: etdb search --fields")
        pairs.append((name, value))
    query = parse_query(
        pairs, text=" ".join(words), sort=sort or "", limit=limit, cursor=after, facets=facet, withdrawn=withdrawn
    )
    if filter_file is not None:
        query = structs.replace(query, condition=load_filter(filter_file))
    with open_catalogue(find_workspace(context)) as catalogue:
        page = catalogue.search(query)
    context.out.document(page)
    _show_page(context.out, page)


def _show_fields(out: Output) -> None:
    out.document(FIELDS)
    table = Table("field", "takes", "")
    for field in FIELDS:
        takes = " or ".join(["a value"] * field.terms + ["MIN..MAX"] * bool(field.column))
        table.add_row(field.name, takes, field.help + (f" ({field.unit})" if field.unit else ""))
    out.table(table)


def _show_page(out: Output, page: Page) -> None:
    if not page.results:
        out.say("Nothing found. Fewer words find more; etdb search alone lists everything.")
    else:
        table = Table("id", "title", "species", "taken", "size")
        for one in page.results:
            tomogram = one.tomogram
            table.add_row(
                one.dataset_id[:12],
                printable(tomogram.title),
                printable(tomogram.species),
                str(tomogram.acquired_on or ""),
                size_text(tomogram.size_bytes),
            )
        out.table(table)
        out.say(f"[dim]{len(page.results)} of {page.total}. Look at one: etdb show ID; get it: etdb download ID[/dim]")
    for name, values in page.facets.items():
        out.say(f"\n[bold]{name}[/bold]  " + ", ".join(f"{printable(one.value)} ({one.count})" for one in values))
    if page.next_cursor:
        out.say(f"[dim]more with: --after {page.next_cursor}[/dim]")


@command(
    "show",
    examples="""
    etdb show 3fa9c1                 a dataset, by the beginning of its id
    etdb show 3fa9c1 --revision 1    as it was before it was corrected; see: etdb history
    etdb show --aside                what was put aside by the index, and why""",
)
@click.argument("dataset_id", required=False)
@click.option("--revision", type=click.IntRange(min=1), metavar="N", help="As this revision left it.")
@click.option("--aside", "listing", flag_value="aside", help="List messages that made no record or do not count.")
@click.option("--orphans", "listing", flag_value="orphans", help="List parts that wait for others.")
@click.option("--other", "listing", flag_value="other", help="List records that are not of tomograms.")
def show(context: Context, dataset_id: str | None, revision: int | None, listing: str | None) -> None:
    """Everything about one dataset: its fields, files and claims."""
    if (dataset_id is None) == (listing is None):
        raise InputError(
            "say which dataset, by its id", hint="etdb search finds ids; or give --aside, --orphans, --other"
        )
    with open_catalogue(find_workspace(context)) as catalogue:
        if listing is not None:
            found = catalogue.listed(listing)
            context.out.document(found)
            for item in found.items:
                context.out.say(_listed(item))
            if not found.items:
                context.out.say("None.")
            return
        view = catalogue.get(str(dataset_id), revision=revision)
    context.out.document(view)
    show_dataset(context.out, view)


def _listed(item: AsideMessage | OrphanedParts | OtherRecord) -> str:
    if isinstance(item, AsideMessage):
        told = f"{item.reason}: {item.detail}" if item.detail else item.reason
        return f"{item.txid}  block {item.height}  {printable(told)}"
    if isinstance(item, OtherRecord):
        told = f"{item.protocol} {item.kind}, {item.title or 'without a title'}, by {item.publisher}"
        return f"{item.txid}  block {item.height}  {printable(told)}"
    waits = f"{len(item.present)} of {item.count} parts, of {item.publisher}"
    return f"{printable(item.reference)}  block {item.height}  {printable(waits)}"
