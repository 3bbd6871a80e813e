"""The room ipfs."""
