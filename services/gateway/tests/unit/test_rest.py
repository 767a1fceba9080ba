"""REST requests become messages as AIPs say; each invalid field is named, in words that are not a library's."""

import pytest

from ratoon_gateway.entrypoints.asgi import json_name

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
def test_an_invalid_field_is_named(api, verb, path, body, query, field, sentence):
    problem = api.problem(verb, path, body, query)
    assert [each["field"] for each in problem["violations"]] == [field]
    assert sentence in problem["detail"]
    assert problem["violations"][0]["description"] == problem["detail"]
    assert not any(word in problem["detail"] for word in LIBRARY)


def test_all_invalid_fields_are_named_at_once(api):
    problem = api.problem("POST", "/v1/projects", {"labels": "a", "gate": 3})
    assert [each["field"] for each in problem["violations"]] == ["labels", "gate"]


@pytest.mark.parametrize(
    ("path", "body", "field", "sentence"),
    [
        ("/v1/projects", {f"k{number}": 0 for number in range(10_000)}, "k0", "has no field k0"),
        ("/v1/projects", {"labels": [1] * 10_000}, "labels[0]", "must be a string, not 1"),
        (
            "/v1/projects",
            {"gate": {f"k{number}": 0 for number in range(10_000)}},
            "gate.k0",
            "has no field gate.k0",
        ),
        (
            "/v1/projects/p/sources",
            {"labelsByFolder": {"a": "ham"} | {f"k{number}": 0 for number in range(10_000)}},
            "labelsByFolder.k0",
            "must be a string, not 0",
        ),
        ("/v1/projects/p/sources", {"labelsByFolder": []}, "labelsByFolder", "must be an object, not a list"),
    ],
)
def test_a_body_with_many_faults_is_refused_at_the_first(api, path, body, field, sentence):
    problem = api.problem("POST", path, body)
    assert [each["field"] for each in problem["violations"]] == [field]
    assert sentence in problem["detail"]


def test_large_bodies_are_read_and_converted_off_the_event_loop(api):
    before = api.off_loop
    labels = [f"label {number}" for number in range(10_000)]
    assert list(api.message("POST", "/v1/projects", {"labels": labels}).project.labels) == labels
    assert api.off_loop == before + 2
    problem = api.problem("POST", "/v1/projects", {"labels": labels, "gate": 3})
    assert [each["field"] for each in problem["violations"]] == ["gate"]
    assert "must be an object, not 3" in problem["detail"]


def test_both_spellings_of_a_field_and_numbers_as_text_are_taken(api):
    for body in ({"minAnswers": 7}, {"min_answers": "7"}, {"minAnswers": 7.0}):
        assert api.message("POST", "/v1/projects/p/policies", body).policy.min_answers == 7
    for name in ("pageSize", "page_size"):
        assert api.message("GET", "/v1/projects/p/apiKeys", query=[(name, "7")]).page_size == 7


def test_path_query_and_body_meet_in_the_request(api):
    query = [("apiKeyId", "k"), ("request_id", "r")]
    keys = "/v1/projects/p/apiKeys"
    request = api.message("POST", keys, {"role": "ROLE_CALLER", "displayName": "d"}, query)
    assert (request.parent, request.api_key_id, request.request_id) == ("projects/p", "k", "r")
    assert (request.api_key.display_name, request.api_key.role) == ("d", 2)
    other = {"name": "projects/q/apiKeys/other"}
    assert api.message("POST", f"{keys}/k:rotate", other).name == "projects/p/apiKeys/k"
    assert api.message("POST", f"{keys}/k:rotate").name == "projects/p/apiKeys/k"
    assert api.message("PATCH", "/v1/projects/p", {"name": "projects/q"}).project.name == "projects/p"


def test_a_request_id_comes_from_its_header(api):
    keys, body = "/v1/projects/p/apiKeys", {"role": "ROLE_CALLER"}
    assert api.message("POST", keys, body, **{"idempotency-key": "a%2Fb"}).request_id == "a/b"
    assert api.message("POST", keys, body, [("requestId", "r")], **{"idempotency-key": "a"}).request_id == "r"


def test_an_update_without_a_mask_changes_what_its_body_sets(api):
    key = "/v1/projects/p/apiKeys/k"
    request = api.message("PATCH", key, {"expireTime": None, "limits": {"requests_per_minute": 0}})
    assert list(request.update_mask.paths) == ["expire_time", "limits.requests_per_minute"]
    assert list(api.message("PATCH", key, {}, [("updateMask", "displayName")]).update_mask.paths) == [
        "display_name"
    ]


@pytest.mark.parametrize(
    ("query", "body", "field"),
    [
        ([("nothing", "1")], {}, "nothing"),
        ([("updateMask", "a"), ("update_mask", "b")], {}, "updateMask"),
        ([], {"x": 1}, "x"),
        ([], [1], ""),
        ([], b"{", ""),
    ],
)
def test_what_does_not_fit_is_refused(api, query, body, field):
    violations = api.problem("PATCH", "/v1/projects/p", body, query).get("violations", [])
    assert [each["field"] for each in violations] == ([field] if field else [])


def test_a_parameter_beside_a_body_that_is_the_request_is_refused(api):
    problem = api.problem("POST", "/v1/projects/p/apiKeys/k:rotate", None, [("reason", "x")])
    assert "belongs in the body" in problem["detail"]


def test_a_field_cannot_be_set_by_its_parts(api):
    whole, part = ("endTime", "2026-11-26T00:00:00Z"), ("endTime.nanos", "1")
    for query in ([whole, part], [part, whole]):
        api.problem("GET", "/v1/projects/p/feedback:compare", None, query)


def test_half_a_character_is_refused_in_every_place(api):
    for body in ({"displayName": "\ud800"}, {"\ud800": 1}, {"limits": {"\udfff": 1}}, {"limits": "\ud800"}):
        problem = api.problem("POST", "/v1/projects/p/apiKeys", body)
        assert "half of a character" in problem["detail"]


def test_fields_are_named_as_json_writes_them():
    assert json_name("gate.min_answers[0]") == "gate.minAnswers[0]"
