"""The description is held against the server by schemathesis, which nobody here wrote, over hostile records."""

from __future__ import annotations

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance

from etdb.testing.portal import sample_portal
from etdb.web.api.routes import BASE, OPERATIONS
from etdb.web.application import portal_app
from etdb.workspace import PortalSettings

_EXAMPLES = 8
_NO_LIMIT = PortalSettings(requests_per_second=1_000_000, requests_at_once=1_000_000)
_CONFIG = schemathesis.Config.from_dict({"seed": 2026})


@pytest.fixture(scope="module")
def schema(tmp_path_factory):
    with sample_portal(tmp_path_factory.mktemp("schemathesis"), settings=_NO_LIMIT, hostile=True) as portal:
        yield schemathesis.openapi.from_asgi(f"{BASE}/openapi.json", portal_app(portal), config=_CONFIG)


_OWN_RULES = {"cursor", "filter", "acquired_on", "published_on", "black", "white"}
"""Of these a schema says less than the server knows: cursors are its own, months have their days."""
_ANYTHING = {"type": "string"}
_MODES = [
    pytest.param(one, mode, id=f"{one.name}-{mode}")
    for one in OPERATIONS
    for mode in GenerationMode
    if mode == GenerationMode.POSITIVE or any(parameter.schema != _ANYTHING for parameter in one.parameters)
]


@pytest.mark.parametrize(("one", "mode"), _MODES)
def test_every_operation_answers_as_described(schema, one, mode):
    operation = schema[BASE + one.path]["GET"]

    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(
        max_examples=_EXAMPLES, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
    )
    def hold(case):
        has_own = _OWN_RULES & set(case.query or {})
        case.call_and_validate(excluded_checks=[positive_data_acceptance] if has_own else [])

    hold()


def test_all_operations_are_held(schema):
    assert {one.ok().path for one in schema.get_all_operations()} == {BASE + one.path for one in OPERATIONS}
