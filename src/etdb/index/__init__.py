"""The room index."""
