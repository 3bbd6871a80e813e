"""``etdb describe``: what the files of datasets tell, before anything is published. Reads only."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import click
import msgspec

from etdb.cli.app import Context, command
from etdb.cli.describe_shown import brief_line, show_brief, show_draft
from etdb.cli.opening import find_workspace
from etdb.cli.output import Output, printable
from etdb.counting import counted
from etdb.describe import Draft, describe, encode_draft, look_text
from etdb.durable import write_durably
from etdb.errors import ConfigurationError, EtdbError, InputError
from etdb.sources import DATASET_TOML, FolderSource, SourceDataset
from etdb.workspace import CONFIG_NAME, DescribeSettings, Settings
from etdb.workspace.folder import WORKSPACE_VARIABLE

__all__ = ["describe_command"]

_MOST_FAULTS = 50


@command(
    "describe",
    examples="""
    etdb describe /data/2026-11-20            every dataset below it: fields, origins, disagreements, files
    etdb describe /data --brief               a line for each: what is missing, what disagrees
    etdb describe ts_01 --all                 also the statements that agree
    etdb describe ts_01 --toml                a dataset.toml to correct and save
    etdb describe ts_01 --toml --output ts_01.toml      the same into a file outside of the dataset
    etdb describe /data --json                all evidence, for programs""",
)
@click.argument("paths", nargs=-1, required=True, type=click.Path(), metavar="PATH...")
@click.option("--all", "-a", "all_statements", is_flag=True, help="Show the statements that agree too, and all files.")
@click.option("--brief", "-b", is_flag=True, help="A line for each dataset: to look over hundreds.")
@click.option("--toml", "as_toml", is_flag=True, help="Print a dataset.toml of one dataset, to correct and save.")
@click.option(
    "--output", type=click.Path(dir_okay=False), metavar="FILE", help="Where --toml goes, instead of the terminal."
)
def describe_command(
    context: Context, paths: tuple[str, ...], all_statements: bool, brief: bool, as_toml: bool, output: str | None
) -> None:
    """Say what the files of datasets tell, where each value comes from, and what disagrees.

    Only headers and texts are read; nothing is written, unless --output names a file. A PATH is a dataset's folder, a
    folder of them, or a file. What dataset.toml says comes before what files tell, and that before the settings of the
    workspace, if there is one. A dataset that cannot be read is named, the others are described, and the status is 3.
    """
    out = context.out
    if output is not None and not as_toml:
        raise InputError("--output is for --toml", hint="give --toml too")
    if as_toml and out.json_mode:
        raise InputError("--toml and --json are two forms of one answer: give one of them")
    settings = _settings(context)
    faults: list[tuple[str, EtdbError]] = []
    documents: list[dict[str, Any]] = []
    drafts: list[tuple[SourceDataset, Draft]] = []
    lines: list[tuple[str, ...]] = []
    # On a terminal the descriptions show by themselves how far it is.
    labels = {} if sys.stdout.isatty() and not as_toml and not brief else {"look": "looking"}
    with out.progress(labels) if labels else nullcontext(_unseen) as progress:
        for done, total, dataset, draft in _described(paths, settings, faults):
            progress("look", done, total)
            if as_toml:
                drafts.append((dataset, draft))
                _refuse_several(drafts)
            elif out.json_mode:
                documents.append(_document(dataset, draft))
            elif brief:
                lines.append(brief_line(dataset, draft))
            else:
                show_draft(out, dataset, draft, all_statements=all_statements, place=(done, total))
    if lines:
        show_brief(out, lines)
    out.document({"datasets": documents, "unreadable": [{"dataset": name, **e.to_dict()} for name, e in faults]})
    for dataset, draft in drafts:
        _give_toml(out, dataset, encode_draft(dataset, draft), output)
    if faults:
        raise _unreadable(faults)


def _settings(context: Context) -> Settings:
    """Those of the workspace; without one, etdb's own. A workspace that was named must be there."""
    try:
        return find_workspace(context).settings
    except ConfigurationError:
        if context.workspace_option or os.environ.get(WORKSPACE_VARIABLE) or _is_in_workspace():
            raise
        return Settings(describe=DescribeSettings(tags=()))


def _is_in_workspace() -> bool:
    here = Path.cwd()
    return any((folder / CONFIG_NAME).is_file() for folder in (here, *here.parents))


def _described(
    paths: Sequence[str], settings: Settings, faults: list[tuple[str, EtdbError]]
) -> Iterator[tuple[int, int, SourceDataset, Draft]]:
    """The drafts one by one, with how many of how many; what cannot be read is put among the faults."""
    roots: list[tuple[FolderSource, Path]] = []
    for path in paths:
        try:
            source = FolderSource(path)
            roots += [(source, root) for root in source.roots()]
        except InputError as error:
            faults.append((path, error))
    for number, (source, root) in enumerate(roots, 1):
        try:
            dataset = source.read(root)
            draft = describe(dataset, settings, needs_title=False)
        except InputError as error:
            faults.append((root.name, error))
            continue
        yield number, len(roots), dataset, draft


def _refuse_several(drafts: Sequence[tuple[SourceDataset, Draft]]) -> None:
    if len(drafts) > 1:
        raise InputError(
            "a dataset.toml is of one dataset, and there are several here",
            hint=f"name one: etdb describe {drafts[0][0].root} --toml",
        )


def _give_toml(out: Output, dataset: SourceDataset, text: str, output: str | None) -> None:
    if output is None:
        click.echo(text, nl=False)
        return
    path = Path(output).absolute()
    if path.resolve().is_relative_to(dataset.root.resolve()):
        raise InputError(
            f"{output} is inside of the dataset, where etdb writes nothing",
            hint=f"write it elsewhere, correct it, and put it there yourself as {DATASET_TOML}",
            path=str(path),
        )
    if path.exists():
        raise InputError(f"{output} is there already", hint="name another file, or remove it", path=str(path))
    write_durably(path, [text.encode()])
    out.remark(f"{printable(output)} is written: correct it, then put it into the dataset as {DATASET_TOML}")


def _document(dataset: SourceDataset, draft: Draft) -> dict[str, Any]:
    files = [
        {
            "path": file.path,
            "role": file.role,
            "size_bytes": file.size_bytes,
            "media_type": file.media_type,
            "look": look_text(file),
            "unread": file.unread,
        }
        for file in dataset.files
    ]
    return {
        "dataset": dataset.name,
        "root": str(dataset.root),
        "record": msgspec.to_builtins(draft.tomogram),
        "evidence": msgspec.to_builtins(draft.evidence),
        "defaulted": draft.defaulted,
        "notes": draft.notes,
        "files": files,
    }


def _unreadable(faults: Sequence[tuple[str, EtdbError]]) -> EtdbError:
    if len(faults) == 1:
        return faults[0][1]
    told = [f"  {name}: {error.message}" for name, error in faults[:_MOST_FAULTS]]
    if len(faults) > _MOST_FAULTS:
        told.append(f"  and {len(faults) - _MOST_FAULTS} more")
    return InputError("\n".join([f"{counted(len(faults), 'dataset')} cannot be read:", *told]), hint="mend them")


def _unseen(_step: str, _done: int, _total: int) -> None:
    """Nobody watches."""
