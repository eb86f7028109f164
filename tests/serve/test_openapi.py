"""The OpenAPI document and what the server does agree; nothing that fits it makes a 5xx."""

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from starlette.testclient import TestClient

from zhiyin.serve.app import create_app
from zhiyin.serve.running import store_place
from zhiyin.serve.settings import ServeSettings

CHECKS = [
    not_a_server_error,
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
]


@pytest.fixture
def app(folder):
    chosen = ServeSettings()
    made = create_app(folder, store_place(folder, chosen), chosen)
    with TestClient(made):
        yield made


def test_no_server_error_and_no_surprise(app):
    schema = schemathesis.openapi.from_asgi("/openapi.json", app)
    operations = [found.ok() for found in schema.get_all_operations()]
    assert len(operations) == 12
    for operation in operations:

        @settings(max_examples=20, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
        @given(case=operation.as_strategy())
        def attempt(case):
            case.call_and_validate(checks=CHECKS)

        attempt()


def test_every_body_has_an_example_that_works(api):
    app = api.app
    document = app.openapi()
    bodies = [
        (path, one["requestBody"])
        for path, found in document["paths"].items()
        for one in found.values()
        if "requestBody" in one
    ]
    assert len(bodies) == 6
    for path, body in bodies:
        name = body["content"]["application/json"]["schema"]["$ref"].rsplit("/", 1)[1]
        (example,) = document["components"]["schemas"][name]["examples"]
        method = "put" if path in ("/v1/items", "/v1/users") else "post"
        answer = api.request(method, path, json=example)
        assert answer.status_code == 200, (path, answer.text)
