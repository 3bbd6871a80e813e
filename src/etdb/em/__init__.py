"""The room em."""
