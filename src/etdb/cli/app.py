"""The command line's frame: global options, the workspace, errors and exit statuses."""

from __future__ import annotations

import contextlib
import functools
import importlib
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, Final

import click

from etdb import __version__
from etdb.cli.output import Output, output_error
from etdb.durable import storage_error
from etdb.errors import EtdbError, InputError

__all__ = ["Context", "command", "etdb", "main"]

EXIT_STATUSES: Final = {
    0: "done",
    1: "a bug in etdb; please report it",
    2: "the words of the command are not right",
    3: "your input: files, configuration, keys, coins, or an answer of no",
    4: "someone else's data is not what it claims to be",
    5: "a gateway or peer cannot be reached or lacks the data",
    6: "the ledger cannot be read or refuses",
    7: "a store on this machine: disk full, locked, damaged",
    8: "validate: warnings, and no errors (errors are 3)",
    130: "interrupted; the same command goes on",
}

_COMMANDS: Final = {
    "init": ("etdb.cli.workspace", "init"),
    "status": ("etdb.cli.workspace", "status"),
    "key": ("etdb.cli.keys", "key"),
    "describe": ("etdb.cli.describe", "describe_command"),
    "validate": ("etdb.cli.validate", "validate"),
    "preview": ("etdb.cli.preview", "preview"),
    "publish": ("etdb.cli.publish", "publish"),
    "edit": ("etdb.cli.correct", "edit"),
    "deactivate": ("etdb.cli.correct", "deactivate"),
    "transfer": ("etdb.cli.correct", "transfer"),
    "register": ("etdb.cli.correct", "register"),
    "index": ("etdb.cli.index", "index"),
    "search": ("etdb.cli.find", "search"),
    "show": ("etdb.cli.find", "show"),
    "history": ("etdb.cli.history", "history"),
    "download": ("etdb.cli.fetch", "download"),
    "verify": ("etdb.cli.fetch", "verify"),
    "fetch": ("etdb.cli.content", "fetch"),
    "providers": ("etdb.cli.content", "providers"),
    "ledger": ("etdb.cli.ledger", "ledger"),
    "import-legacy": ("etdb.cli.ledger", "import_legacy"),
    "serve": ("etdb.cli.serve", "serve"),
    "sync": ("etdb.cli.sync", "sync"),
    "stage": ("etdb.cli.stage", "stage"),
    "kubo": ("etdb.cli.kubo", "kubo"),
    "doctor": ("etdb.cli.doctor", "doctor"),
    "repair": ("etdb.cli.doctor", "repair"),
    "demo": ("etdb.cli.demo", "demo"),
}


class Context:
    """What every command shares: where its words go, and which workspace was named."""

    def __init__(self, *, workspace: str | None, json_mode: bool, quiet: bool) -> None:
        self.workspace_option = workspace
        self.out = Output(json_mode=json_mode, quiet=quiet)


class _Group(click.Group):
    """Loads a command's module when the command is called, so that ``--help`` and ``search`` start quickly."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """The commands in the order of the work."""
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - as above
        """Load one command."""
        if cmd_name not in _COMMANDS:
            return None
        module, name = _COMMANDS[cmd_name]
        loaded = getattr(importlib.import_module(module), name)
        assert isinstance(loaded, click.Command)
        return loaded

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Say what the exit statuses mean."""
        with formatter.section("Exit statuses"):
            formatter.write_dl([(str(status), meaning) for status, meaning in EXIT_STATUSES.items()])
        with formatter.section("Examples"):
            formatter.write_dl(
                [
                    ("etdb demo", "see all of it once, on real data"),
                    ("etdb init lab && cd lab && etdb key new me", "a workspace and a key"),
                    ("etdb publish /data/2026-11-20", "plan, ask, publish"),
                    ("etdb search carboxysome --where tilt_max_deg=60..", "find"),
                    ("etdb download 3fa9 --type reconstructions", "get back, every byte checked"),
                ]
            )


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="etdb")
@click.option("--workspace", "-w", metavar="FOLDER", help="The workspace; else ETDB_WORKSPACE, else the nearest above.")
@click.option("--json", "json_mode", is_flag=True, help="Print one JSON document instead of text.")
@click.option("--quiet", "-q", is_flag=True, help="No progress, no remarks.")
@click.pass_context
def etdb(ctx: click.Context, workspace: str | None, json_mode: bool, quiet: bool) -> None:
    """Publish, find, verify and download electron tomography, without a server that anyone must trust."""
    ctx.obj = Context(workspace=workspace, json_mode=json_mode, quiet=quiet)


def command(name: str, *, examples: str) -> Callable[[Callable[..., Any]], click.Command]:
    """A command with examples in its help, and the global options also after its name."""

    def decorate(function: Callable[..., Any]) -> click.Command:
        @functools.wraps(function)
        @click.pass_context
        def run(ctx: click.Context, /, **options: Any) -> Any:
            shared: Context = ctx.obj
            workspace, json_mode, quiet = (options.pop(key) for key in ("here_workspace", "here_json", "here_quiet"))
            if workspace or json_mode or quiet:
                shared = Context(
                    workspace=workspace or shared.workspace_option,
                    json_mode=json_mode or shared.out.json_mode,
                    quiet=quiet or shared.out.quiet,
                )
                ctx.find_root().obj = shared
            return function(shared, **options)

        for option in (
            click.option("--quiet", "-q", "here_quiet", is_flag=True, help="No progress, no remarks."),
            click.option("--json", "here_json", is_flag=True, help="Print one JSON document instead of text."),
            click.option("--workspace", "-w", "here_workspace", metavar="FOLDER", help="The workspace to use."),
        ):
            run = option(run)
        # click shows options in the reverse of this list: the command's own come first, these last.
        own = run.__click_params__  # type: ignore[attr-defined]
        run.__click_params__ = own[-3:] + own[:-3]  # type: ignore[attr-defined]
        epilog = "\b\nExamples:\n" + "\n".join(f"  {line.strip()}" for line in examples.strip().splitlines())
        return click.command(name, epilog=epilog)(run)

    return decorate


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit with a documented status."""
    context: list[Context] = []
    words = sys.argv[1:] if arguments is None else arguments
    try:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        with etdb.make_context("etdb", list(words)) as ctx:
            try:
                etdb.invoke(ctx)
            finally:
                if ctx.obj is not None:
                    context.append(ctx.obj)
        status = 0
    except EtdbError as error:
        _output(context).error(error)
        status = error.exit_status
    except click.exceptions.Exit as error:
        status = error.exit_code
    except click.ClickException as error:
        # Words that are wrong are found before an option behind the command's name is understood.
        if "--json" in words[: words.index("--") if "--" in words else None]:
            Output(json_mode=True).document({"error": "usage", "message": error.format_message(), "hint": ""})
        with contextlib.suppress(OSError):
            error.show()
        status = 2
    except (KeyboardInterrupt, click.Abort):
        _output(context).remark("\netdb: interrupted; run the same command again to go on")
        status = 130
    except BrokenPipeError:
        # Whoever read our output went away (a pager, head): nothing is wrong.
        _silence(sys.stdout)
        status = 0
    except OSError as error:
        status = _unforeseen(_output(context), error)
    sys.exit(_flushed(_output(context), status))


def _flushed(out: Output, status: int) -> int:
    """Write out what was printed: left to the interpreter, a full disk would end with a status that means nothing."""
    try:
        sys.stdout.flush()
    except OSError as error:
        _silence(sys.stdout)
        if status == 0 and not isinstance(error, BrokenPipeError):
            refusal = output_error(error)
            out.error(refusal)
            status = refusal.exit_status
    try:
        sys.stderr.flush()
    except OSError:  # nobody can be told
        _silence(sys.stderr)
    return status


def _silence(stream: IO[str]) -> None:
    """Let the interpreter write what is left to nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _unforeseen(out: Output, error: OSError) -> int:
    """An operating system's refusal that no room foresaw: still a message, not a traceback."""
    import errno

    name = error.filename or "a file"
    wrapped: EtdbError
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS):
        wrapped = storage_error(error, Path(os.fsdecode(name)))
    else:
        wrapped = InputError(f"{name}: {error.strerror or error}")
    out.error(wrapped)
    return wrapped.exit_status


def _output(context: list[Context]) -> Output:
    return context[0].out if context else Output()
