"""A lab's databases for tests: rows as they are in the field, and real servers."""
