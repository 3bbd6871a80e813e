"""Volumes for the viewer: MRC files where they are, slices of them as pictures."""

from etdb.web.volumes.shelf import Volume, VolumeShelf
from etdb.web.volumes.slicing import SliceRequest, cut_slice

__all__ = ["SliceRequest", "Volume", "VolumeShelf", "cut_slice"]
