"""The room download."""
