"""Mutation testing of the formats; see ``python -m tests.mutation --help``."""
