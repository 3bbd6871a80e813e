"""The demo: real tomograms published, found and fetched back, with everything it needs to show it (extra `demo`)."""
