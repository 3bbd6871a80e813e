"""The room blocks."""
