"""The command line and its reference page say the same."""

from __future__ import annotations

import runpy
from pathlib import Path

import click

from etdb.cli.app import etdb

DOCS = Path(__file__).resolve().parents[3] / "docs"


def test_the_reference_is_what_the_commands_say():
    made = runpy.run_path(str(DOCS / "reference" / "make_cli_reference.py"))
    assert made["PAGE"].read_text(encoding="utf-8") == made["reference"](), (
        "run: python docs/reference/make_cli_reference.py"
    )


def test_every_command_and_option_explains_itself_and_gives_examples():
    context = click.Context(etdb)
    commands = []
    for name in etdb.list_commands(context):
        command = etdb.get_command(context, name)
        commands += list(command.commands.values()) if isinstance(command, click.Group) else [command]
    for command in commands:
        assert command.help, command.name
        assert "Examples:" in (command.epilog or ""), command.name
        for parameter in command.params:
            assert not isinstance(parameter, click.Option) or parameter.help, f"{command.name} {parameter.name}"
