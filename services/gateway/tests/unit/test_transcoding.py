"""The HTTP bindings of the contracts: every one can be reached, and requests are built as AIPs say."""

import pytest

from ratoon_gateway.domain.errors import BadRequest
from ratoon_gateway.entrypoints import docs, openapi
from ratoon_gateway.entrypoints.transcoding import Transcoder

TRANSCODER = Transcoder.of_contracts()


def test_each_binding_is_found_by_its_own_path_alone():
    document = openapi.document(TRANSCODER.bindings, "1")
    assert len(TRANSCODER.bindings) > 50
    for binding in TRANSCODER.bindings:
        path = openapi._path(binding)
        concrete = "".join("x1" if place % 2 else piece for place, piece in enumerate(_split(path)))
        found, variables = TRANSCODER.match(binding.verb, concrete)
        assert found is binding, concrete
        assert set(variables) == set(binding.variables)
        operation = document["paths"][path][binding.verb.lower()]
        assert operation["operationId"] == f"{binding.service}.{binding.method.name}"
    ids = [o["operationId"] for operations in document["paths"].values() for o in operations.values()]
    assert len(ids) == len(set(ids))
    assert b"ListApiKeys" not in docs.page(document)[:100]


def _split(path):
    import re

    return re.split(r"(\{[^}]+\})", path)


def test_references_of_the_document_are_all_there():
    import json
    import re

    document = openapi.document(TRANSCODER.bindings, "1")
    wanted = set(re.findall(r"#/components/schemas/([^\"]+)", json.dumps(document)))
    assert wanted <= set(document["components"]["schemas"])


@pytest.mark.parametrize(
    "path", ["/v1/projects/a/b", "/v1/projects/", "/v1/projects/a/models/b:c:d", "/v2/projects"]
)
def test_paths_that_are_nothing(path):
    assert TRANSCODER.match("GET", path) is None


def test_path_query_and_body_meet_in_the_request():
    binding, path = TRANSCODER.match("POST", "/v1/projects/p/apiKeys")
    request = binding.request(
        path, [("apiKeyId", "k"), ("request_id", "r")], {"role": "ROLE_CALLER", "displayName": "d"}
    )
    assert (request.parent, request.api_key_id, request.request_id) == ("projects/p", "k", "r")
    assert (request.api_key.display_name, request.api_key.role) == ("d", 2)
    binding, path = TRANSCODER.match("POST", "/v1/projects/p/apiKeys/k:rotate")
    assert binding.request(path, [], {"name": "projects/q/apiKeys/other"}).name == "projects/p/apiKeys/k"
    with pytest.raises(BadRequest):
        binding.request(path, [("reason", "x")], None)
    binding, path = TRANSCODER.match("PATCH", "/v1/projects/p")
    assert binding.request(path, [], {"name": "projects/q"}).project.name == "projects/p"
    for query, body in (
        ([("nothing", "1")], None),
        ([("updateMask", "a"), ("updateMask", "b")], None),
        ([], {"x": 1}),
    ):
        with pytest.raises(BadRequest):
            binding.request(path, query, body)
    with pytest.raises(BadRequest):
        binding.request(path, [], [1])


def test_field_is_not_given_as_a_whole_and_by_its_parts():
    comparison = next(each for each in TRANSCODER.bindings if each.method.name == "CompareVersions")
    whole, part = ("endTime", "2026-11-26T00:00:00Z"), ("endTime.nanos", "1")
    for query in ([whole, part], [part, whole]):
        with pytest.raises(BadRequest):
            comparison.request({"parent": "projects/p"}, query, None)


def test_half_a_character_is_refused_wherever_it_stands():
    binding, path = TRANSCODER.match("POST", "/v1/projects/p/apiKeys")
    for body in ({"displayName": "\ud800"}, {"\ud800": 1}, {"limits": {"\udfff": 1}}, {"limits": "\ud800"}):
        with pytest.raises(BadRequest, match="half of a character"):
            binding.request(path, [], body)
