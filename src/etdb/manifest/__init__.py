"""The RO-Crate that a dataset carries: written, read, compared with its record."""

from etdb.manifest.crate import encode_manifest
from etdb.manifest.reading import compare, parse_manifest
from etdb.manifest.values import MANIFEST_NAME, Difference, Manifest, ManifestFile, counted_files

__all__ = [
    "MANIFEST_NAME",
    "Difference",
    "Manifest",
    "ManifestFile",
    "compare",
    "counted_files",
    "encode_manifest",
    "parse_manifest",
]
