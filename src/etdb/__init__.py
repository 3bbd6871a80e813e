"""etdb: publish, find, verify and download electron tomography without a central owner."""

__version__ = "0.1.0"
