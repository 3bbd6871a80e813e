"""The size of a tree from the file's size alone, against the tree itself."""

import time

import msgspec
import pytest

from etdb.errors import FormatError
from etdb.ipfs import DIGEST_BYTES, PROFILES, UNIXFS_V1_2025, FileDag, file_geometry
from etdb.verify.treesize import file_tree_size


def whole_tree(size, profile):
    return FileDag(bytes(DIGEST_BYTES * file_geometry(size, profile).leaf_count), size, profile).tree_size


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
@pytest.mark.parametrize(("leaf", "width"), [(1, 2), (2, 3), (100, 3), (130, 4)])
def test_small_trees_around_every_boundary(profile, leaf, width):
    small = msgspec.structs.replace(profile, leaf_bytes=leaf, width=width)
    boundaries = {leaf * width**level * count for level in range(5) for count in (1, 2, width)}
    for size in sorted({max(0, edge + step) for edge in boundaries for step in (-1, 0, 1)} | set(range(20))):
        assert file_tree_size(size, small) == whole_tree(size, small), size


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_each_profile_around_its_own_boundaries(profile):
    leaf, width = profile.leaf_bytes, profile.width
    for edge in (127, leaf, leaf * width, leaf * (width + 1), 2 * leaf * width, 3 * leaf * width + leaf):
        for size in (edge - 1, edge, edge + 1):
            assert file_tree_size(size, profile) == whole_tree(size, profile), size


def test_the_largest_file_takes_no_time():
    before = time.process_time()
    for _ in range(100):
        assert file_tree_size(1 << 50, UNIXFS_V1_2025) > 1 << 50
    assert time.process_time() - before < 5
    with pytest.raises(FormatError):
        file_tree_size((1 << 50) + 1, UNIXFS_V1_2025)
