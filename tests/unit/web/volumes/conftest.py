"""A store with a volume whose every voxel is known, as MRC and as OME-Zarr of several kinds."""

from contextlib import closing

import mrcfile
import numpy as np
import pytest

from etdb.blocks import DagReader, FilesInPlace
from etdb.web.volumes import VolumeShelf

SHAPE = (40, 150, 200)


def known_volume(shape=SHAPE, dtype=np.int16):
    """Every voxel says where it is: z in steps of 500, y of 5, x of 1 (which wrap in small types)."""
    z, y, x = np.indices(shape)
    return (z * 500 + y * 5 + x).astype(dtype)


def write_mrc(path, values, spacing=10.0):
    with mrcfile.new(path) as made:
        made.set_data(values)
        made.voxel_size = spacing
    return path


class Site:
    """A store over a folder: what is put into the folder is added by its path."""

    def __init__(self, folder):
        self.folder = folder
        self.store = FilesInPlace(folder / "digests.sqlite", content_folder=folder / "content")
        self.reader = DagReader(self.store)
        self.shelf = VolumeShelf(self.reader)

    def add(self, path):
        return self.store.add_file(path).cid

    def add_folder(self, folder):
        entries = {
            str(one.relative_to(folder)): self.store.add_file(one) for one in sorted(folder.rglob("*")) if one.is_file()
        }
        return self.store.add_directory(entries)


@pytest.fixture
def site(tmp_path):
    made = Site(tmp_path)
    with closing(made.store):
        yield made
