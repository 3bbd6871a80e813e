"""Where blocks are kept: files in place, CAR files, memory; other people's gateways are in ``etdb.blocks.gateway``."""

from etdb.blocks.car import CarStore, write_car
from etdb.blocks.files import AddedFile, FilesInPlace
from etdb.blocks.memory import MemoryStore
from etdb.blocks.port import BlockStore
from etdb.blocks.reader import DagReader

__all__ = [
    "AddedFile",
    "BlockStore",
    "CarStore",
    "DagReader",
    "FilesInPlace",
    "MemoryStore",
    "write_car",
]
