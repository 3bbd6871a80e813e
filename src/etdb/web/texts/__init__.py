"""The prose of pages that ship, as Markdown."""
