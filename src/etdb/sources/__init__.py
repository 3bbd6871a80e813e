"""The room sources."""
