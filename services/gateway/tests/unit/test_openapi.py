"""The OpenAPI document: complete, closed, with the texts of the protos."""

import json
import re

import pytest
from pydantic import TypeAdapter

from ratoon.security.answers import AnswerIds
from ratoon.security.identity import Principal, Role
from ratoon_gateway import mapping
from ratoon_gateway.application.handlers import understand_feedback
from ratoon_gateway.entrypoints.examples import EXAMPLES, FEEDBACK
from ratoon_gateway.entrypoints.feedback import FeedbackBody
from ratoon_gateway.entrypoints.schemas import model_of


@pytest.fixture(scope="module")
def document(api):
    return api.app.openapi()


def operations(document):
    return [operation for path in document["paths"].values() for operation in path.values()]


def test_each_binding_is_an_operation(api, document):
    ids = [operation["operationId"] for operation in operations(document)]
    assert len(ids) == len(set(ids))
    assert {f"{each.service}.{each.method.name}" for each in api.bindings} <= set(ids)


def test_operations_have_the_texts_of_the_protos(document):
    operation = document["paths"]["/v1/projects/{project}/apiKeys"]["post"]
    assert operation["summary"].startswith("Create an API key")
    assert "Role: operator." in operation["description"]
    assert all(each["description"] for each in operation["parameters"])
    limits = document["components"]["schemas"]["KeyLimits"]
    assert "minute" in limits["properties"]["requestsPerMinute"]["description"]
    assert limits["properties"]["requestsPerMinute"]["format"] == "int64"
    assert "`ROLE_CALLER`: " in document["components"]["schemas"]["Role"]["description"]


def test_every_reference_resolves(document):
    referenced = set(re.findall(r"#/components/schemas/([^\"]+)", json.dumps(document)))
    assert referenced <= set(document["components"]["schemas"])
    assert {"Problem", "OpenAIError", "ChatCompletionRequest"} <= referenced


def test_public_operations_alone_need_no_key(document):
    public = [each["operationId"] for each in operations(document) if not each["security"]]
    assert public == ["gateway.IssueToken"]
    assert document["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"


def test_refusals_are_problem_details(document):
    operation = document["paths"]["/v1/projects/{project}"]["patch"]
    assert {"400", "401", "403", "404", "413", "415", "429", "503", "default"} <= set(operation["responses"])
    assert "422" not in operation["responses"]
    assert "application/problem+json" in operation["responses"]["default"]["content"]


def test_tags_are_described(document):
    used = {tag for operation in operations(document) for tag in operation["tags"]}
    assert used <= {tag["name"] for tag in document["tags"] if tag["description"]}


def test_titles_that_repeat_names_are_left_out(document):
    titles = re.findall(r'"title": "([^"]+)"', json.dumps(document))
    examples = [each["title"] for each in document["components"]["schemas"]["Problem"]["examples"]]
    assert sorted(titles) == sorted(["Ratoon", *examples])


def test_examples_are_valid_bodies(api):
    for binding in api.bindings:
        for example in EXAMPLES.get(f"{binding.service}.{binding.method.name}", {}).values():
            TypeAdapter(model_of(binding.body_type)).validate_python(example["value"])
    assert set(EXAMPLES) <= {f"{each.service}.{each.method.name}" for each in api.bindings}


def test_the_examples_of_feedback_are_understood():
    ids = AnswerIds(b"secret")
    answers = {
        f"chatcmpl-…{place}": ids.mint("projects/p/models/m/versions/v1", "projects/p/trafficSegments/s")
        for place in ("", "1", "2")
    }
    for example in FEEDBACK.values():
        body = {name: answers.get(str(value), value) for name, value in example["value"].items()}
        FeedbackBody.model_validate(body)
        feedback = understand_feedback(body, Principal("key", Role.CALLER, "p"), ids)
        assert mapping.create_feedback(feedback).parent == "projects/p"
