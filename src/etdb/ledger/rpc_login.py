"""How to show a node who we are: its cookie file, or a user with a password that lies in a file."""

from __future__ import annotations

import base64
import os
import stat
from pathlib import Path
from typing import Final

import msgspec

from etdb.errors import ConfigurationError
from etdb.ledger.node_errors import NodeLoginError

__all__ = ["RpcLogin"]

_MAX_SECRET_BYTES: Final = 4096


class RpcLogin(msgspec.Struct, frozen=True, kw_only=True):
    """Where the secret lies; it is read for each new connection, and kept nowhere.

    A node writes a new cookie whenever it starts. fcoin takes its api-key as the password, with any user.

    Attributes:
        cookie_file: a node's ``.cookie``, which says ``user:password``.
        user: the name, when there is no cookie.
        password_file: a file that only its owner can read.
        is_bearer: send the password as a bearer token, as some proxies want it.
    """

    cookie_file: Path | None = None
    user: str = ""
    password_file: Path | None = None
    is_bearer: bool = False

    def header(self) -> str | None:
        """The value of ``Authorization``; None when nothing is to be shown.

        Raises:
            NodeLoginError: the file cannot be read, or holds nothing of use.
            ConfigurationError: others can read the password file.
        """
        if self.cookie_file is not None:
            secret = _read(self.cookie_file, "the node writes it when it starts: is it running, with this data folder?")
            if b":" not in secret:
                raise NodeLoginError(
                    f"{self.cookie_file} is not a node's cookie", hint="check cookie_file under [node]"
                )
            return _basic(secret)
        if self.password_file is None:
            return None
        secret = _read(self.password_file, "put the node's RPC password (or api-key) into it, and: chmod 600", own=True)
        if self.is_bearer:
            return f"Bearer {secret.decode('ascii', 'replace')}"
        return _basic((self.user or "x").encode() + b":" + secret)


def _basic(secret: bytes) -> str:
    return "Basic " + base64.b64encode(secret).decode()


def _read(path: Path, hint: str, *, own: bool = False) -> bytes:
    try:
        with path.open("rb") as file:
            rights = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            secret = file.read(_MAX_SECRET_BYTES + 1)
    except OSError as error:
        raise NodeLoginError(f"{path} cannot be read: {error.strerror}", hint=hint, path=str(path)) from error
    if own and rights & 0o077:
        raise ConfigurationError(f"others can read {path}", hint=f"run: chmod 600 {path}", path=str(path))
    lines = secret.split(b"\n")
    if len(secret) > _MAX_SECRET_BYTES or not lines[0].strip() or any(line.strip() for line in lines[1:]):
        raise NodeLoginError(f"{path} should hold one line", hint=hint, path=str(path))
    return lines[0].strip()
