"""Write docs/reference/cli.md from the commands' own help; a test fails when the page is not what this writes."""

from __future__ import annotations

from pathlib import Path

import click

from etdb.cli.app import EXIT_STATUSES, etdb

PAGE = Path(__file__).with_name("cli.md")


def _help(command: click.Command, path: str) -> list[tuple[str, str]]:
    context = click.Context(
        command, info_name=path, max_content_width=100, terminal_width=100, help_option_names=["-h", "--help"]
    )
    pages = [(path, command.get_help(context))]
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            pages += _help(inner, f"{path} {name}")
    return pages


def reference() -> str:
    """The page's text."""
    lines = [
        "# The command line",
        "",
        "Made from the commands' own help by `docs/reference/make_cli_reference.py`.",
        "",
    ]
    lines += ["## Exit statuses", "", "| status | meaning |", "| --- | --- |"]
    lines += [f"| {status} | {meaning} |" for status, meaning in EXIT_STATUSES.items()]
    for path, text in _help(etdb, "etdb"):
        lines += ["", f"## {path}", "", "```text", text.rstrip(), "```"]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(reference(), encoding="utf-8")
