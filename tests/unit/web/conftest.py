"""A small portal, and a way to ask it without a server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from etdb.testing.asking import Ask, asking
from etdb.testing.portal import sample_portal
from etdb.web.application import portal_app
from etdb.web.portal import Portal
from etdb.workspace import PortalSettings


@pytest.fixture(scope="session")
def portal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Portal]:
    """The sample portal: three datasets, one withdrawn."""
    with sample_portal(tmp_path_factory.mktemp("portal")) as made:
        yield made


@pytest.fixture(scope="session")
def hostile_portal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Portal]:
    """The same, with records that were made to hurt."""
    settings = PortalSettings(requests_per_second=1_000_000, requests_at_once=1_000_000)
    with sample_portal(tmp_path_factory.mktemp("hostile"), hostile=True, settings=settings) as made:
        yield made


@pytest.fixture
def asked(portal: Portal) -> Ask:
    """Asks an application of its own over the sample portal."""
    return asking(portal_app(portal))
