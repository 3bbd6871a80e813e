"""``etdb edit``, ``deactivate``, ``transfer``, ``register``: what an owner says of what was published."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
import msgspec

from etdb.cli.app import Context, command
from etdb.cli.opening import find_workspace, key_name
from etdb.cli.output import Output, printable
from etdb.cli.publishing import Asked, carry_out, indexed_records, sending_options
from etdb.cli.sources import SourceWords, open_sources, source_options
from etdb.cli.tables import Table
from etdb.durable import storage_error
from etdb.errors import InputError, NotFoundError
from etdb.oip import FieldChange, Tomogram, compare_records, parse_tomogram
from etdb.publish import (
    Journal,
    Known,
    find_known,
    plan_message,
    plan_publish,
    plan_resume,
    published_contents,
    verify_may_act,
)
from etdb.sources import DATASET_TOML, DatasetMetadata, parse_dataset_toml
from etdb.sources.metadata import MAX_DATASET_TOML_BYTES

if TYPE_CHECKING:
    from etdb.blocks import AddedFile
    from etdb.publish import DatasetEntry, Recorded
    from etdb.workspace import Workspace

__all__ = ["deactivate", "edit", "register", "show_changes", "transfer"]

_EXTRA: Final = "extra."
_NOT_EDITED: Final = ("sid", "files", "extra")
_EDITED: Final = tuple(name for name in DatasetMetadata.__struct_fields__ if name not in _NOT_EDITED)
_SHOWN_LETTERS: Final = 120


@command(
    "edit",
    examples="""
    etdb edit 3fa9c1 --set title="Vibrio cholerae, wild type" --reason "the strain was wrong"
    etdb edit 3fa9c1 --set tags=pili --set tags=flagella --unset notes --dry-run
    etdb edit rr2014-01-14-5 --set extra.grid=B-12 --reason "grid added" --yes
    etdb edit 3fa9c1 --from /data/ts_01 --reason "as the lab's book has it"     all of its dataset.toml""",
)
@click.argument("dataset", metavar="ID")
@click.option("--set", "settings", multiple=True, metavar="FIELD=VALUE", help="A field and what it is to be.")
@click.option("--unset", multiple=True, metavar="FIELD", help="A field that is to be empty.")
@click.option("--from", "folder", type=click.Path(), metavar="FOLDER", help="Set what this dataset.toml says.")
@click.option("--reason", required=True, metavar="TEXT", help="Why; it is published with the edit.")
@sending_options
@source_options
def edit(
    context: Context,
    dataset: str,
    settings: tuple[str, ...],
    unset: tuple[str, ...],
    folder: str | None,
    reason: str,
    asked: Asked,
    words: SourceWords,
) -> None:
    """Correct the record of a published dataset; its files stay as they are.

    A new manifest over the same files gives the dataset a new location, which is signed and published as the next
    revision. The id stays, and older revisions stay to be seen. A field that takes several values is given once for
    each. Correct the lab's own dataset.toml too, or the next publish finds that it differs.
    """
    workspace = find_workspace(context)
    with indexed_records(context, workspace) as recorded:
        known = _known(workspace, asked, recorded, dataset, ("edit", reason))
        if known is None:
            _go_on(context, asked, recorded)
            return
        before = parse_tomogram(known.artifact or {}, needs_date=False)
        after = _edited(before, _given(settings, unset, folder))
        changes = compare_records(before, after)
        if not changes:
            raise InputError(
                f"nothing differs: {printable(known.sid)} says all of it already",
                hint=f"see what it says: etdb show {known.dataset_id[:12]}",
            )
        show_changes(context.out, changes)
        contents = _contents(context, workspace, words, before.location)
        carry_out(
            context,
            asked,
            plan=functools.partial(plan_message, "edit", known.dataset_id, tomogram=after, reason=reason),
            act=lambda publisher: publisher.edit(known.dataset_id, after, contents=contents, reason=reason),
            question=f"Publish revision {known.revision + 1} of {known.sid}, for good?",
            recorded=recorded,
        )


@command(
    "deactivate",
    examples="""
    etdb deactivate 3fa9c1 --reason "wrong specimen; see 8a07e9 for the right one"
    etdb deactivate rr2014-01-14-5 --reason "released by mistake" --dry-run""",
)
@click.argument("dataset", metavar="ID")
@click.option("--reason", required=True, metavar="TEXT", help="Why; it is published with the withdrawal.")
@sending_options
def deactivate(context: Context, dataset: str, reason: str, asked: Asked) -> None:
    """Withdraw a published dataset, for good.

    It leaves search and pages, and stays reachable by its id with the reason. Nothing can be taken off the ledger, and
    whoever has the files keeps them.
    """
    workspace = find_workspace(context)
    with indexed_records(context, workspace) as recorded:
        known = _known(workspace, asked, recorded, dataset, ("deactivate", reason))
        if known is None:
            _go_on(context, asked, recorded)
            return
        carry_out(
            context,
            asked,
            plan=functools.partial(plan_publish, [], withdraw={known.dataset_id: reason}),
            act=lambda publisher: publisher.deactivate({known.dataset_id: reason}),
            question=f"Withdraw {known.sid}, for good?",
            recorded=recorded,
        )


@command(
    "transfer",
    examples="""
    etdb transfer 3fa9c1 --to FTSTq8xx8yWUKJA5E3bgXLzZqqG9V6dvnr --reason "the group moved" """,
)
@click.argument("dataset", metavar="ID")
@click.option("--to", "to_address", required=True, metavar="ADDRESS", help="Who owns it from then on.")
@click.option("--reason", required=True, metavar="TEXT", help="Why; it is published with the transfer.")
@sending_options
def transfer(context: Context, dataset: str, to_address: str, reason: str, asked: Asked) -> None:
    """Give a published dataset to another key: from then on only that one can correct or withdraw it."""
    workspace = find_workspace(context)
    with indexed_records(context, workspace) as recorded:
        address, found, _ = _looked_up(workspace, asked, recorded, dataset)
        if found is not None and found.is_settled and found.owner == to_address != address:
            context.out.document({"dataset_id": found.dataset_id, "owner": found.owner, "transactions_sent": 0})
            context.out.say(printable(f"{found.sid} was transferred to {to_address} already"))
            return
        known = _known(workspace, asked, recorded, dataset, ("transfer", reason))
        if known is None:
            _go_on(context, asked, recorded)
            return
        carry_out(
            context,
            asked,
            plan=functools.partial(plan_message, "transfer", known.dataset_id, to_address=to_address, reason=reason),
            act=lambda publisher: publisher.transfer(known.dataset_id, to_address, reason=reason),
            question=f"Give {known.sid} to {to_address}, for good?",
            recorded=recorded,
        )


@command(
    "register",
    examples="""
    etdb register --name "The Jensen Lab"        what your key is called from now on""",
)
@click.option("--name", required=True, metavar="NAME", help="What people know you by.")
@sending_options
def register(context: Context, name: str, asked: Asked) -> None:
    """Say what this publisher is called. Anybody can take any name: the address tells who it is."""
    with indexed_records(context, find_workspace(context)) as recorded:
        carry_out(
            context,
            asked,
            plan=functools.partial(plan_message, "register", name),
            act=lambda publisher: publisher.register(name),
            question=f"Register {name!r}, for good?",
            recorded=recorded,
        )


def show_changes(out: Output, changes: Sequence[FieldChange]) -> None:
    """What differs, a line a field."""
    table = Table("field", "from", "to")
    for one in changes:
        table.add_row(printable(one.field), _shown(one.before), _shown(one.after))
    out.table(table)


def _shown(value: Any) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, (tuple, list)) else "" if value is None else str(value)
    return printable(text if len(text) <= _SHOWN_LETTERS else text[:_SHOWN_LETTERS] + "…")


def _known(
    workspace: Workspace, asked: Asked, recorded: Recorded, dataset: str, message: tuple[str, str]
) -> Known | None:
    """The dataset that is meant, when this key may act on it now; None when this very message is under way.

    Raises:
        InputError: why not.
    """
    address, known, newest = _looked_up(workspace, asked, recorded, dataset)
    if newest is not None and newest.record and newest.state != "final" and (newest.kind, newest.reason) == message:
        return None
    return verify_may_act(known, address, dataset)


def _looked_up(
    workspace: Workspace, asked: Asked, recorded: Recorded, dataset: str
) -> tuple[str, Known | None, DatasetEntry | None]:
    """The address of the key, the dataset, and the journal's newest message about it."""
    address = workspace.keyring.show(key_name(workspace, asked.key)).address
    name = _whole_id(workspace, dataset)
    journal = Journal(workspace.journal_path) if workspace.journal_path.exists() else None
    try:
        known = find_known(journal, recorded, address, name)
        return address, known, journal.find(address, known.sid) if journal and known else None
    finally:
        if journal is not None:
            journal.close()


def _go_on(context: Context, asked: Asked, recorded: Recorded) -> None:
    """The command was cut off when its message was signed: it goes on with what the journal holds."""
    carry_out(
        context,
        asked,
        plan=plan_resume,
        act=lambda publisher: publisher.resume(),
        question="Go on with what is signed?",
        recorded=recorded,
    )


def _whole_id(workspace: Workspace, dataset: str) -> str:
    """The id that a beginning stands for; a sid stays what it is."""
    from etdb.cli.opening import open_catalogue
    from etdb.schema import OldVersionError

    if not workspace.catalogue_path.exists():
        return dataset
    try:
        with open_catalogue(workspace) as catalogue:
            return catalogue.get(dataset).dataset_id
    except (NotFoundError, OldVersionError):
        return dataset


def _given(settings: Sequence[str], unset: Sequence[str], folder: str | None) -> dict[str, Any]:
    """The fields that are to be set, and what to.

    Raises:
        InputError: an unknown field, or a value that does not fit it.
    """
    given = _from_folder(Path(folder)) if folder is not None else {}
    words: dict[str, list[str]] = {}
    extra: dict[str, Any] = {}
    for one in settings:
        name, equals, value = one.partition("=")
        if not equals:
            raise InputError(f"--set {one!r} is not FIELD=VALUE", hint=f"fields: {', '.join(_EDITED)}, {_EXTRA}NAME")
        if name.startswith(_EXTRA) and name != _EXTRA:
            extra[name.removeprefix(_EXTRA)] = value
        else:
            words.setdefault(_verify_field(name), []).append(value)
    given |= {name: _read(name, values) for name, values in words.items()}
    for name in unset:
        if name.startswith(_EXTRA) and name != _EXTRA:
            extra[name.removeprefix(_EXTRA)] = None
        elif name in given:
            raise InputError(f"{name} is to be set and to be empty", hint="give one of them")
        else:
            given[_verify_field(name)] = getattr(_EMPTY, name)
    if extra:
        given["extra"] = {**given.get("extra", {}), **extra}
    if not given:
        raise InputError("say what is to be another", hint="--set FIELD=VALUE, --unset FIELD or --from FOLDER")
    return given


_EMPTY: Final = Tomogram(title="")


def _verify_field(name: str) -> str:
    if name in _EDITED:
        return name
    hint = f"fields: {', '.join(_EDITED)}, {_EXTRA}NAME"
    if name == "sid":
        hint = "the sid is what the lab knows a dataset by, and stays"
    raise InputError(f"there is no field {name[:64]!r} to edit", hint=hint, field=name[:64])


def _read(name: str, values: list[str]) -> Any:
    """Values as people write them, in the type and within the bounds of the field."""
    is_several = isinstance(getattr(_EMPTY, name), tuple)
    if len(values) > 1 and not is_several:
        raise InputError(f"{name} has one value, and {len(values)} are given", field=name)
    words: Any = values if is_several else values[0]
    if name in ("nsfw", "tilt_constant_increment"):
        words = {"yes": "true", "no": "false"}.get(words.lower(), words)
    try:
        return getattr(msgspec.convert({name: words}, DatasetMetadata, strict=False), name)
    except msgspec.ValidationError as error:
        raise InputError(f"{name} cannot be {values[-1][:64]!r}: {error}", field=name) from error


def _from_folder(folder: Path) -> dict[str, Any]:
    path = folder / DATASET_TOML if folder.is_dir() else folder
    try:
        with path.open("rb") as file:
            text = file.read(MAX_DATASET_TOML_BYTES + 1)
    except OSError as error:
        raise storage_error(error, path) from error
    metadata, problems = parse_dataset_toml(text)
    if problems:
        raise InputError(f"{path}: {'; '.join(problems)}", path=str(path))
    return {name: value for name, value in metadata.given().items() if name != "sid"}


def _edited(before: Tomogram, given: dict[str, Any]) -> Tomogram:
    extra = {**before.extra, **given.get("extra", {})}
    kept = {name: value for name, value in extra.items() if value is not None}
    return msgspec.structs.replace(before, **{**given, "extra": kept})


def _contents(context: Context, workspace: Workspace, words: SourceWords, location: str) -> dict[str, AddedFile] | None:
    """The files of the dataset as its manifest lists them; None when it has none, as old records do."""
    from etdb.download import SourcePool
    from etdb.ipfs import parse_cid
    from etdb.manifest import parse_manifest
    from etdb.verify import read_manifest

    with open_sources(workspace, words, tell=context.out.remark) as sources:
        pool = SourcePool(sources.stores, finder=sources.finder).for_dataset(parse_cid(location))
        pool.seek()
        text = read_manifest(location, pool)
        return None if text is None else published_contents(location, parse_manifest(text), pool)
