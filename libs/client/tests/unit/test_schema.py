"""The schema describes what the client has."""

import inspect

import pytest

from ratoon.client import Ratoon
from ratoon.client.schema import ENUMS, MESSAGES, METHODS, find_method, json_name

SCALARS = {"string", "bool", "integer", "number", "bytes", "time", "duration"}


@pytest.fixture(scope="module")
def client() -> Ratoon:
    return Ratoon(base_url="http://server", api_key="key")


@pytest.mark.parametrize("method", METHODS, ids=lambda each: each.rpc)
def test_every_method_has_the_parameters_of_the_schema(client, method):
    function = getattr(getattr(client, method.resource), method.name)
    passed = {name for name in inspect.signature(function).parameters if name != "timeout"}
    assert passed == {each.name for each in (*method.arguments, *method.fields)}


def test_every_kind_is_a_scalar_a_message_or_an_enum():
    described = [
        *(each for method in METHODS for each in method.fields),
        *(each for message in MESSAGES.values() for each in message.fields),
    ]
    assert {each.kind for each in described} <= SCALARS | set(MESSAGES) | set(ENUMS)
    assert all(each.comment for each in described)


def test_a_method_is_found_by_resource_and_name():
    create = find_method("sources", "create")
    assert create is not None
    assert (create.rpc, create.message, create.result, create.role) == (
        "CreateSource",
        "Source",
        "Source",
        "engineer",
    )
    assert find_method("sources", "explode") is None


def test_a_field_of_json_has_the_name_of_the_wire():
    assert json_name("base_artifact_digest") == "baseArtifactDigest"
