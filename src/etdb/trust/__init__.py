"""The room trust."""
