"""Where blocks are kept: files in place, memory."""

from etdb.blocks.files import AddedFile, FilesInPlace
from etdb.blocks.memory import MemoryStore
from etdb.blocks.port import BlockStore

__all__ = ["AddedFile", "BlockStore", "FilesInPlace", "MemoryStore"]
