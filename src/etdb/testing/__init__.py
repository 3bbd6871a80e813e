"""The room testing."""
