"""Libraries that not everybody installs: loaded where they are used, and asked for by name where they are missing."""

from __future__ import annotations

import importlib
import importlib.util
from typing import Any

from etdb.errors import ConfigurationError

__all__ = ["MissingExtraError", "has_modules", "import_extra"]


class MissingExtraError(ConfigurationError):
    """A library is not installed that this needs."""

    code = "missing-extra"


def import_extra(module: str, extra: str, *, what: str) -> Any:
    """Load a module of an extra.

    Args:
        module: its name.
        extra: of etdb, that brings it.
        what: that is not possible without it.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingExtraError(
            f"{what} needs {module}, which is not installed", hint=f"pip install 'etdb[{extra}]'", module=module
        ) from error


def has_modules(*modules: str) -> bool:
    """Whether all of them are installed, without loading them."""
    return all(importlib.util.find_spec(module) is not None for module in modules)
