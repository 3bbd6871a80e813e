"""The room flo."""
