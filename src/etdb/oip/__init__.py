"""The Open Index Protocol: envelopes, multipart messages, the Research-Tomogram record."""

from etdb.oip.tomogram import FILE_ROLES, FileEntry, Tomogram

__all__ = ["FILE_ROLES", "FileEntry", "Tomogram"]
