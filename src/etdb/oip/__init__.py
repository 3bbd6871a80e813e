"""The room oip."""
