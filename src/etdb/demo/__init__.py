"""The demo: real tomograms published, found and fetched back, with all that it takes to show it (extra `demo`)."""

from etdb.demo.story import run_demo

__all__ = ["run_demo"]
