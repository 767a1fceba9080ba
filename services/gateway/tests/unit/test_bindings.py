"""The HTTP bindings of the contracts: each path leads to its own binding alone."""

import re

import pytest

from ratoon_gateway.entrypoints.bindings import Variable, bindings_of_contracts

BINDINGS = bindings_of_contracts()


def matches(api, verb, path):
    """Endpoints whose route takes a request."""
    return [
        route.endpoint for route in api.app.routes if verb in route.methods and route.path_regex.match(path)
    ]


def test_each_path_leads_to_its_own_binding_alone(api):
    assert len(BINDINGS) > 50
    for binding in BINDINGS:
        path = re.sub(r"\{(\w+):\w+\}", "x1", binding.path)
        (endpoint,) = matches(api, binding.verb, path)
        assert endpoint.binding == binding, path


def test_parameters_of_a_path_are_named_after_their_collections():
    variable = Variable.of_template(
        re.fullmatch(r"\{([a-z_.]+)(?:=([^}]*))?\}", "{api_key.name=projects/*/apiKeys/*}")
    )
    assert (variable.field, variable.pattern) == (
        "api_key.name",
        "projects/{project:segment}/apiKeys/{apiKey:segment}",
    )
    assert (
        variable.value({"project": "p", "apiKey": "{project:segment}"})
        == "projects/p/apiKeys/{project:segment}"
    )


@pytest.mark.parametrize(
    "path", ["/v1/projects/a/b", "/v1/projects/", "/v1/projects/a/models/b:c:d", "/v2/projects"]
)
def test_paths_that_lead_nowhere(api, path):
    assert not matches(api, "GET", path)
