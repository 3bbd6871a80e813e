"""Passphrases: asked on the terminal, or from a file or descriptor for unattended use; never an argument."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

import click

from etdb.errors import InputError, PassphraseError

__all__ = ["ask_passphrase", "passphrase_options", "read_private_file"]

_LIMIT = 4096


def passphrase_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """The two options that say where a passphrase comes from."""
    function = click.option(
        "--passphrase-fd", type=int, metavar="N", help="Read the passphrase from this open file descriptor."
    )(function)
    return click.option(
        "--passphrase-file",
        type=click.Path(dir_okay=False),
        metavar="FILE",
        help="Read the passphrase from the first line of this file (readable by you alone).",
    )(function)


def ask_passphrase(what: str, *, passphrase_file: str | None, passphrase_fd: int | None, confirm: bool = False) -> str:
    """The passphrase, from where the user said, else asked.

    Raises:
        PassphraseError: there is nobody to ask, or it is empty.
        InputError: the file cannot be read or others can read it.
    """
    if passphrase_file is not None:
        return _first_line(read_private_file(passphrase_file, "the passphrase"))
    if passphrase_fd is not None:
        try:
            return _first_line(os.read(passphrase_fd, _LIMIT))
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or "there is no such number"
            raise InputError(
                f"descriptor {passphrase_fd} cannot be read: {reason}", hint="give the number of an open descriptor"
            ) from error
    if not sys.stdin.isatty():
        raise PassphraseError(
            f"{what}: there is no terminal to ask it on",
            hint="give --passphrase-file FILE or --passphrase-fd N",
        )
    return str(click.prompt(what, hide_input=True, confirmation_prompt=confirm, err=True))


def read_private_file(name: str, what: str) -> bytes:
    """The beginning of a file with a secret, which nobody else may be able to read.

    Raises:
        InputError: others can read it, or we cannot; `what` says what is in it.
    """
    try:
        descriptor = os.open(name, os.O_RDONLY)
        with os.fdopen(descriptor, "rb") as file:
            if os.fstat(descriptor).st_mode & 0o077:
                raise InputError(f"others can read {what} in {name}", hint=f"chmod 600 {name}", path=name)
            return file.read(_LIMIT)
    except OSError as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"{name}, the file with {what}, cannot be read: {error.strerror}", hint="check the path", path=name
        ) from error


def _first_line(data: bytes) -> str:
    try:
        text = data.decode().split("\n", 1)[0].rstrip("\r")
    except UnicodeDecodeError as error:
        raise InputError("the passphrase is not UTF-8 text", hint="is it the right file?") from error
    if not text:
        raise PassphraseError("the passphrase is empty", hint="write it on the first line")
    return text
