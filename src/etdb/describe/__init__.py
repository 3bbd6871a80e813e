"""The room describe."""
