"""The room demo."""
