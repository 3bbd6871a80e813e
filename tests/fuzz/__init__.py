"""Fuzzing of every parser of foreign bytes; see ``python -m tests.fuzz --help``."""
