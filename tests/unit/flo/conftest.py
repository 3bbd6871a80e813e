"""Vectors that must be read to the last key: what is in a file and no test looks at fails the test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest


class _Watched(dict[str, Any]):
    """A JSON object that notes which of its keys are read. Lists keep their form; their items share one path."""

    def __init__(self, data: dict[str, Any], path: str, seen: set[str], every: set[str]) -> None:
        self._path, self._seen = path, seen
        super().__init__({key: _watch(value, f"{path}.{key}", seen, every) for key, value in data.items()})
        every.update(f"{path}.{key}" for key in data)

    def __getitem__(self, key: str) -> Any:
        self._seen.add(f"{self._path}.{key}")
        return super().__getitem__(key)

    def get(self, key: str, default: Any = None) -> Any:
        self._seen.add(f"{self._path}.{key}")
        return super().get(key, default)

    def items(self) -> Any:
        return [(key, self[key]) for key in self]

    def values(self) -> Any:
        return [self[key] for key in self]


def _watch(value: Any, path: str, seen: set[str], every: set[str]) -> Any:
    if isinstance(value, dict):
        return _Watched(value, path, seen, every)
    if isinstance(value, list):
        return [_watch(one, path, seen, every) for one in value]
    return value


@pytest.fixture
def read_whole(shared_vectors: Callable[[str], Any]) -> Callable[..., AbstractContextManager[Any]]:
    """A file of shared vectors, of which every key must be read before the block ends.

    ``prose`` are the keys, by their last name or their whole path, that say where a vector is from or repeat it.
    """

    @contextmanager
    def reader(name: str, *prose: str) -> Iterator[Any]:
        seen: set[str] = set()
        every: set[str] = set()
        data = shared_vectors(name)
        yield _watch(data, "", seen, every)
        left = {
            path
            for path in every - seen
            if path not in prose and not any(part in {"source", "about", "note", *prose} for part in path.split("."))
        }
        assert not left, f"{name}: no test reads {sorted(left)}"

    return reader
