"""The command line: a module a command group, each command a thin face of a job."""

from etdb.cli.app import main

__all__ = ["main"]
