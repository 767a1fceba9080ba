"""Each fault of a JSON body is named by its field, in words that are not a library's."""

import pytest

from ratoon_gateway.domain.errors import BadRequest
from ratoon_gateway.entrypoints.asgi import json_name
from ratoon_gateway.entrypoints.transcoding import Transcoder

TRANSCODER = Transcoder.of_contracts()
LIBRARY = ("Failed to parse", "Message type", "enum type", "invalid literal", "Available Fields", "ratoon.")


@pytest.mark.parametrize(
    ("verb", "path", "body", "query", "field", "sentence"),
    [
        ("POST", "/v1/projects", {"lables": ["a"]}, (), "lables", "Did you mean labels?"),
        ("POST", "/v1/projects", {"zzz": 1}, (), "zzz", "Its fields: name"),
        ("POST", "/v1/projects", {"labels": "a"}, (), "labels", 'must be a list, not "a"'),
        ("POST", "/v1/projects", {"labels": [1]}, (), "labels[0]", "must be a string, not 1"),
        ("POST", "/v1/projects", {"gate": 3}, (), "gate", "must be an object, not 3"),
        ("POST", "/v1/projects/p/apiKeys", {"role": "ROLE_ADMIN"}, (), "role", "ROLE_CALLER"),
        ("POST", "/v1/projects/p/apiKeys", {"role": 99}, (), "role", "it is one of"),
        ("POST", "/v1/projects/p/apiKeys", {"expireTime": "soon"}, (), "expireTime", "RFC 3339"),
        ("POST", "/v1/projects/p/policies", {"min_answers": "many"}, (), "minAnswers", "a whole number"),
        ("POST", "/v1/projects/p/policies", {"minAnswers": " 5"}, (), "minAnswers", "a whole number"),
        ("POST", "/v1/projects/p/policies", {"minAnswers": "1_0"}, (), "minAnswers", "a whole number"),
        ("POST", "/v1/projects/p/policies", {"minAnswers": 1, "min_answers": 2}, (), "minAnswers", "twice"),
        ("POST", "/v1/projects/p/policies", {"minAnswers": 1.5}, (), "minAnswers", "a whole number"),
        ("POST", "/v1/projects/p/policies", {"minAnswers": 2**70}, (), "minAnswers", "must lie between"),
        ("POST", "/v1/projects/p/policies", {"settleSeconds": "NaN"}, (), "settleSeconds", "finite"),
        ("POST", "/v1/projects/p/policies", {"settleSeconds": 10**400}, (), "settleSeconds", "finite"),
        ("POST", "/v1/projects/p/policies", {"minAnswers": 10**400}, (), "minAnswers", "must lie between"),
        ("POST", "/v1/projects/p/policies", {"minAnswers": "Infinity"}, (), "minAnswers", "a whole number"),
        ("POST", "/v1/projects/p/policies", {"dryRun": "yes"}, (), "dryRun", "true or false"),
        ("GET", "/v1/projects/p/apiKeys", None, [("pageSize", "many")], "pageSize", "a whole number"),
    ],
)
def test_a_fault_is_named_by_its_field(verb, path, body, query, field, sentence):
    binding, variables = TRANSCODER.match(verb, path)
    with pytest.raises(BadRequest) as caught:
        binding.request(variables, query, body)
    message = str(caught.value)
    assert caught.value.field == field
    assert sentence in message
    assert not any(word in message for word in LIBRARY)


def test_both_spellings_of_a_field_and_numbers_as_text_are_taken():
    binding, variables = TRANSCODER.match("POST", "/v1/projects/p/policies")
    for body in ({"minAnswers": 7}, {"min_answers": "7"}, {"minAnswers": 7.0}):
        assert binding.request(variables, [], body).policy.min_answers == 7


def test_fields_are_named_as_json_writes_them():
    assert json_name("gate.min_answers[0]") == "gate.minAnswers[0]"
