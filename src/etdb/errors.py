"""The error tree: every failure that a user or a caller can meet, with what it means outside the process.

Each error has a stable ``code`` (for programs), an ``exit_status`` (for shells) and an ``http_status`` (for the
web). A message says what was wrong and where; ``hint`` says what to do next. Anything else that escapes is a bug.
"""

from __future__ import annotations

from typing import Any, ClassVar

__all__ = [
    "AmbiguousError",
    "CancelledError",
    "ConfigurationError",
    "DiskFullError",
    "EtdbError",
    "FormatError",
    "InputError",
    "InsufficientFundsError",
    "LedgerError",
    "LockedError",
    "NotFoundError",
    "PassphraseError",
    "RefusedError",
    "SourceError",
    "SourceFileError",
    "StorageError",
    "VerificationError",
]


class EtdbError(Exception):
    """The root of all expected failures.

    Args:
        message: what was wrong and where, in one sentence.
        hint: what to do next, or "" when the message already says it.
        fields: what a caller acts on (a CID, an offset, a path, a transaction id); also attributes.
    """

    code: ClassVar[str] = "error"
    exit_status: ClassVar[int] = 1
    http_status: ClassVar[int] = 500

    def __init__(self, message: str, *, hint: str = "", **fields: Any) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.fields = fields

    def __str__(self) -> str:
        return self.message

    def to_dict(self) -> dict[str, Any]:
        """The error as the JSON document that ``--json`` and the API give."""
        fields = {
            k: v if isinstance(v, (int, str, float, bool)) or v is None else str(v) for k, v in self.fields.items()
        }
        return {"error": self.code, "message": self.message, "hint": self.hint, **fields}


class InputError(EtdbError, ValueError):
    """The user's own data or words are not right."""

    code = "input"
    exit_status = 3
    http_status = 400


class NotFoundError(InputError, LookupError):
    """What was asked for is not here."""

    code = "not-found"
    http_status = 404


class AmbiguousError(InputError):
    """What was asked for is the beginning of several; ``candidates`` lists them."""

    code = "ambiguous"
    http_status = 409


class ConfigurationError(InputError):
    """The workspace's configuration, or the lack of a workspace."""

    code = "configuration"


class PassphraseError(InputError):
    """A key cannot be opened: the passphrase is wrong or was not given."""

    code = "passphrase"
    http_status = 403


class SourceFileError(InputError, OSError):
    """A file of the lab cannot be used: missing, unreadable, empty, changing, or wrongly named."""

    code = "source-file"


class InsufficientFundsError(InputError):
    """The key does not hold enough coins for what is to be sent."""

    code = "insufficient-funds"
    http_status = 402


class CancelledError(InputError):
    """The user answered no."""

    code = "cancelled"


class VerificationError(EtdbError, ValueError):
    """Someone else's data is not what it claims to be. Fields say which CID, offset, source or transaction."""

    code = "verification"
    exit_status = 4
    http_status = 502


class FormatError(VerificationError):
    """Bytes that are not of the format they should be, or beyond its limits."""

    code = "format"
    http_status = 422


class SourceError(EtdbError, OSError):
    """A peer or gateway cannot be reached, or does not have what was asked for."""

    code = "source"
    exit_status = 5
    http_status = 504


class LedgerError(EtdbError):
    """The ledger cannot be read or written."""

    code = "ledger"
    exit_status = 6
    http_status = 502


class RefusedError(LedgerError):
    """The ledger refuses a transaction or a block; ``reason`` is its own word for it."""

    code = "refused"
    http_status = 422


class StorageError(EtdbError, OSError):
    """A store on this machine cannot be read or written."""

    code = "storage"
    exit_status = 7
    http_status = 507


class DiskFullError(StorageError):
    """There is no room left; nothing was lost."""

    code = "disk-full"


class LockedError(StorageError):
    """Another process holds what this one needs."""

    code = "locked"
    http_status = 409
