"""Volumes for the viewer: MRC files and OME-Zarr folders where they are, slices of them as pictures."""

from etdb.web.volumes.shelf import VolumeShelf
from etdb.web.volumes.slicing import SliceRequest, cut_slice
from etdb.web.volumes.volume import Volume, VolumeFacts

__all__ = ["SliceRequest", "Volume", "VolumeFacts", "VolumeShelf", "cut_slice"]
