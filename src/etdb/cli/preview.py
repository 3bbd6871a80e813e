"""``etdb preview``: pictures, movies and a contact sheet of datasets, to look at before anything is published."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import click
import msgspec
from msgspec import Struct

from etdb.cli.app import Context, command
from etdb.cli.opening import find_workspace
from etdb.cli.output import Output, printable, size_text
from etdb.cli.tables import Table
from etdb.counting import counted
from etdb.describe import Draft, describe
from etdb.durable import write_durably
from etdb.errors import EtdbError, FormatError, InputError
from etdb.media import MissingExtraError, MovieError, import_extra
from etdb.preview import (
    MadeFile,
    PreviewPlan,
    SheetEntry,
    SheetNote,
    encode_sheet,
    guess_sizes,
    make_product,
    plan_previews,
    thumbnail_jpeg,
)
from etdb.sources import FolderSource, SourceDataset
from etdb.workspace import NoWorkspaceError, Settings

__all__ = ["preview"]

_LABELS = {"look": "datasets", "make": "a preview"}
_SHEET_SIDE = 384
_MOST_FAULTS = 50
_UNSAFE = re.compile(r"[^0-9A-Za-z._+-]+")


class _Shown(Struct, kw_only=True):
    """One dataset on its way through."""

    name: str
    source: str
    dataset: SourceDataset | None = None
    draft: Draft | None = None
    plan: PreviewPlan | None = None
    made: list[MadeFile] = []
    fault: EtdbError | None = None


@command(
    "preview",
    examples="""
    etdb preview /data/2026-11-20                       what would be made of each dataset
    etdb preview ts_01 --output /tmp/look               key image, thumbnail and movie, to look at
    etdb preview ts_01 --output /tmp/look --zarr        also a multiscale copy for viewers
    etdb preview /data --contact-sheet sheet.html       all datasets on one page, with what is wrong with each""",
)
@click.argument("paths", nargs=-1, required=True, type=click.Path(), metavar="PATH...")
@click.option("--output", type=click.Path(file_okay=False), metavar="FOLDER", help="Make previews in folders below it.")
@click.option(
    "--contact-sheet",
    "sheet",
    type=click.Path(dir_okay=False),
    metavar="FILE",
    help="Write one HTML page with a picture, the key facts and the findings of every dataset.",
)
@click.option("--zarr", is_flag=True, help="Also plan or make a multiscale copy of each reconstruction (OME-Zarr).")
def preview(context: Context, paths: tuple[str, ...], output: str | None, sheet: str | None, zarr: bool) -> None:
    """Make pictures and movies of datasets to look at, without publishing anything.

    `etdb publish` makes the same previews and makes them part of the dataset. Here they go into a folder, to see what
    they will be like; without --output it is only told what would be made, and about how large it is. Nothing is
    written into the datasets' own folders. What cannot be shown is named, the others are made, and the status is 3.
    """
    out = context.out
    if output is not None or sheet is not None:
        import_extra("PIL", "previews", what="making previews")
    settings = _settings(context)
    roots = _roots(paths)
    for place in (output, sheet):
        _refuse_inside(place, [root for _, root in roots])
    shown: list[_Shown] = []
    entries: list[SheetEntry] = []
    folders: set[str] = set()
    with out.progress(_LABELS) as progress:
        for number, (source, root) in enumerate(roots, 1):
            one = _look(source, root, settings, zarr=zarr, is_made=output is not None)
            if output is not None and one.plan is not None and one.fault is None:
                folder = Path(output) / _folder_name(one, folders)
                one.fault = _make(one, folder, lambda done, total: progress("make", done, total))
            if sheet is not None:
                entries.append(_sheet_entry(one, settings))
            shown.append(one)
            progress("look", number, len(roots))
    if sheet is not None:
        title = f"{', '.join(Path(path).resolve().name for path in paths[:3])}{' and more' * (len(paths) > 3)}"
        write_durably(Path(sheet), encode_sheet(entries, title=title))
    out.document(_document(shown, sheet))
    _show(out, shown, output, sheet)
    faults = [(one.name, one.fault) for one in shown if one.fault is not None]
    if faults:
        raise _failed(faults, len(shown))


def _settings(context: Context) -> Settings:
    try:
        return find_workspace(context).settings
    except NoWorkspaceError:
        return Settings()


def _roots(paths: Sequence[str]) -> list[tuple[FolderSource, Path]]:
    sources = [FolderSource(path) for path in dict.fromkeys(paths)]
    return [(source, root) for source in sources for root in source.roots()]


def _refuse_inside(place: str | None, roots: Sequence[Path]) -> None:
    """Nothing is written into the lab's folders."""
    if place is None:
        return
    target = Path(place).resolve()
    for root in roots:
        if target == root or (root.is_dir() and target.is_relative_to(root)):
            raise InputError(
                f"{place} lies in the dataset {root.name}, which is never written to",
                hint="name a place outside of the datasets",
                path=place,
            )


def _look(source: FolderSource, root: Path, settings: Settings, *, zarr: bool, is_made: bool) -> _Shown:
    one = _Shown(name=root.name, source=str(root))
    try:
        one.dataset = source.read(root)
        one.name = one.dataset.name
        one.draft = describe(one.dataset, settings, needs_title=False)
        plan = plan_previews(one.dataset, one.draft.tomogram, one.draft.origins, zarr=zarr)
        one.plan = plan if is_made else guess_sizes(plan)
    except InputError as error:
        one.fault = error
    return one


def _folder_name(one: _Shown, taken: set[str]) -> str:
    sid = one.plan.sid if one.plan is not None else one.name
    name = base = _UNSAFE.sub("_", sid).strip("._")[:100] or "dataset"
    number = 1
    while name.casefold() in taken:
        number += 1
        name = f"{base}-{number}"
    taken.add(name.casefold())
    return name


def _make(one: _Shown, folder: Path, progress: Callable[[int, int], None]) -> EtdbError | None:
    """Make everything that can be made; the first thing that was wrong."""
    fault: EtdbError | None = None
    for product in one.plan.products if one.plan is not None else ():
        try:
            one.made = [*one.made, *make_product(product, folder, progress)]
        except MissingExtraError:
            raise
        except (FormatError, InputError, MovieError) as error:
            fault = fault or error
    return fault


def _sheet_entry(one: _Shown, settings: Settings) -> SheetEntry:
    if one.dataset is None or one.draft is None or one.plan is None:
        message = one.fault.message if one.fault is not None else "it cannot be read"
        return SheetEntry(
            name=one.name, why_not="it cannot be read", notes=(SheetNote(severity="error", text=message),)
        )
    jpeg, why_not = b"", one.plan.why_not
    shown = plan_previews(_without_own(one.dataset), one.draft.tomogram, one.draft.origins)
    if shown.products:
        try:
            jpeg = thumbnail_jpeg(shown.products[0].source, _SHEET_SIDE)
        except MissingExtraError:
            raise
        except (FormatError, InputError) as error:
            why_not = error.message
    return SheetEntry(
        name=one.name,
        tomogram=one.draft.tomogram,
        jpeg=jpeg,
        why_not=why_not,
        files=len(one.dataset.files),
        size_bytes=one.dataset.size_bytes,
        notes=tuple(_notes(one.dataset, one.draft, settings)),
    )


def _without_own(dataset: SourceDataset) -> SourceDataset:
    """As if it had no pictures of its own: the sheet shows the data."""
    files = tuple(f for f in dataset.files if f.role not in {"key_image", "thumbnail", "key_movie"})
    return msgspec.structs.replace(dataset, files=files)


def _notes(dataset: SourceDataset, draft: Draft, settings: Settings) -> Iterator[SheetNote]:
    from etdb.validate import Terms, validate_dataset

    terms = Terms(today=dt.datetime.now(dt.UTC).date(), settings=settings, least="warning")
    for finding in validate_dataset(dataset, terms, draft=draft):
        place = f"{finding.file}: " if finding.file else ""
        yield SheetNote(severity=finding.severity, text=f"{place}{finding.message}")
    if draft.defaulted:
        yield SheetNote(severity="info", text=f"by default: {', '.join(draft.defaulted)}")
    for note in draft.notes:
        yield SheetNote(severity="info", text=note)


def _document(shown: Sequence[_Shown], sheet: str | None) -> dict[str, Any]:
    datasets = []
    for one in shown:
        if one.plan is None:
            continue
        zarr = one.plan.zarr
        datasets.append(
            {
                "sid": one.plan.sid,
                "title": one.plan.title,
                "source": one.source,
                "planned": [
                    {"path": file.path, "role": file.role, "about_bytes": file.about_bytes, "made_of": p.source.path}
                    for p in one.plan.products
                    for file in p.files
                ],
                "zarr_files": zarr.files if zarr is not None else 0,
                "zarr_max_bytes": zarr.max_bytes if zarr is not None else 0,
                "why_not": one.plan.why_not,
                "made": [
                    {
                        "path": made.path,
                        "role": made.role,
                        "media_type": made.media_type,
                        "notes": made.notes,
                        "size_bytes": made.file.stat().st_size,
                        "file": str(made.file),
                    }
                    for made in one.made
                ],
            }
        )
    failed = [{"dataset": one.name, **one.fault.to_dict()} for one in shown if one.fault is not None]
    return {"datasets": datasets, "failed": failed, "contact_sheet": sheet}


def _show(out: Output, shown: Sequence[_Shown], output: str | None, sheet: str | None) -> None:
    table = Table("file", "size", "shows", elided="shows")
    for one in shown:
        if one.plan is None:
            continue
        table.add_row(f"[bold]{printable(one.plan.sid)}[/bold]", "", "")
        if one.made:
            for made in (made for made in one.made if "/" not in made.path):
                size = size_text(made.file.stat().st_size)
                table.add_row(f"  {printable(made.path)}", size, printable(made.notes))
            copy = [made for made in one.made if "/" in made.path]
            if copy:
                size = size_text(sum(made.file.stat().st_size for made in copy))
                name = copy[0].path.partition("/")[0]
                table.add_row(f"  {printable(name)}/", size, counted(len(copy), "file"))
            continue
        for product in one.plan.products:
            for file in product.files:
                about = f"about {size_text(file.about_bytes)}" if file.about_bytes is not None else "not known"
                table.add_row(f"  {printable(file.path)}", about, printable(product.source.path))
            if product.zarr is not None:
                cost = f"at most {size_text(product.zarr.max_bytes)}"
                what = f"{product.source.path}, at most {counted(product.zarr.files, 'file')}"
                table.add_row(f"  {printable(product.zarr_name)}/", cost, printable(what))
        if one.plan.why_not:
            table.add_row("  nothing", "", printable(one.plan.why_not))
    out.table(table)
    count = sum(len(one.made) for one in shown)
    if output is not None:
        out.say(f"{counted(count, 'file')} below {printable(output)}")
    if sheet is not None:
        out.say(f"{counted(len(shown), 'dataset')} on {printable(sheet)}, {size_text(Path(sheet).stat().st_size)}")


def _failed(faults: Sequence[tuple[str, EtdbError]], total: int) -> EtdbError:
    told = [f"  {printable(name)}: {error.message}" for name, error in faults[:_MOST_FAULTS]]
    if len(faults) > _MOST_FAULTS:
        told.append(f"  and {len(faults) - _MOST_FAULTS} more")
    return InputError("\n".join([f"{len(faults)} of {counted(total, 'dataset')} could not be shown whole:", *told]))
