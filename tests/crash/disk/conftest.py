"""One shim and one runner for all tests of this folder."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from disk_shim import Runner, compile_shim
from disk_stories import told_story
from disk_story import RecordedStory, StagedStory


@pytest.fixture(scope="session")
def runner(tmp_path_factory) -> Iterator[Runner]:
    scratch = tmp_path_factory.mktemp("disk")
    library = compile_shim(scratch)
    if library is None:
        pytest.skip("left out: the disk's faults need Linux and a C compiler (cc)")
    runner = Runner(library, scratch)
    yield runner
    runner.close()


@pytest.fixture(scope="module")
def recorded(request, runner) -> Iterator[RecordedStory]:
    """The story that the test names as its parameter, with each call recorded."""
    with told_story(request.param, runner) as story:
        yield RecordedStory(story)


@pytest.fixture(scope="module")
def staged(request, runner) -> Iterator[StagedStory]:
    """The same, with the disk before each command kept."""
    with told_story(request.param, runner) as story:
        yield StagedStory(story)
