"""Rules of every contract: roles, REST routes, safe retries, pages, topics."""

import importlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from google.api import annotations_pb2
from google.protobuf.descriptor import Descriptor, FileDescriptor, MethodDescriptor

from ratoon.common.v1 import options_pb2

ROOT = Path(__file__).parents[2]


def files() -> list[FileDescriptor]:
    names = sorted(path.relative_to(ROOT / "protos") for path in (ROOT / "protos").rglob("*.proto"))
    modules = [str(name.with_suffix("")).replace("/", ".") + "_pb2" for name in names]
    return [importlib.import_module(module).DESCRIPTOR for module in modules]


def methods() -> list[MethodDescriptor]:
    return [
        method for file in files() for service in file.services_by_name.values() for method in service.methods
    ]


def envelopes() -> list[Descriptor]:
    messages = [message for file in files() for message in file.message_types_by_name.values()]
    return [message for message in messages if message.GetOptions().Extensions[options_pb2.topic]]


def role(method: MethodDescriptor) -> int:
    return method.GetOptions().Extensions[options_pb2.required_role]


def routes(method: MethodDescriptor) -> Iterator[tuple[str, str]]:
    rule = method.GetOptions().Extensions[annotations_pb2.http]
    for each in (rule, *rule.additional_bindings):
        verb = each.WhichOneof("pattern")
        if verb:
            yield verb, getattr(each, verb)


def of(kind: str) -> list[MethodDescriptor]:
    return [method for method in methods() if method.name.startswith(kind)]


def each(descriptors):
    return pytest.mark.parametrize("one", descriptors, ids=lambda descriptor: descriptor.full_name)


@each(methods())
def test_every_method_names_the_role_that_it_needs(one):
    assert role(one) != options_pb2.ROLE_UNSPECIFIED


@each([method for method in methods() if role(method) != options_pb2.ROLE_SERVICE])
def test_every_public_method_has_a_rest_route(one):
    assert [path for _, path in routes(one) if path.startswith("/v1/")]


def test_no_two_methods_share_a_route():
    counted = Counter(route for method in methods() for route in routes(method))
    assert [route for route, times in counted.items() if times > 1] == []


@each(of("Create"))
def test_every_create_can_be_retried(one):
    assert "request_id" in one.input_type.fields_by_name


@each(of("List"))
def test_every_list_is_paged(one):
    assert {"page_size", "page_token"} <= set(one.input_type.fields_by_name)
    assert "next_page_token" in one.output_type.fields_by_name


@each(of("Watch"))
def test_every_watch_streams_and_resumes_from_a_revision(one):
    assert one.server_streaming
    assert {"revision", "version"} & set(one.input_type.fields_by_name)


@each(of("Update"))
def test_every_update_carries_an_etag(one):
    resource = one.output_type.name
    changed = [field.message_type for field in one.input_type.fields if field.message_type]
    assert any(message.name == resource and "etag" in message.fields_by_name for message in changed)


def test_every_topic_has_one_envelope():
    counted = Counter(envelope.GetOptions().Extensions[options_pb2.topic] for envelope in envelopes())
    assert counted
    assert [topic for topic, times in counted.items() if times > 1] == []


@each(envelopes())
def test_an_envelope_is_its_domains_and_holds_past_tense_events_of_one_resource(one):
    topic = one.GetOptions().Extensions[options_pb2.topic]
    assert topic.startswith(f"{one.file.package}.")
    assert one.file.name.endswith("_events.proto")
    assert [field.name for field in one.fields[:2]] == ["name", "revision"]
    assert [oneof.name for oneof in one.oneofs] == ["event"]
    assert one.oneofs[0].fields


@each(of("Update"))
def test_what_an_update_may_change_are_fields_of_its_resource(one):
    resource = next(
        f for f in one.input_type.fields if f.message_type and f.name != "update_mask"
    ).message_type
    changeable = one.GetOptions().Extensions[options_pb2.changeable]
    assert changeable
    for path in changeable:
        whole, _, part = path.partition(".")
        assert whole in resource.fields_by_name
        assert part in ("", "*")


@pytest.mark.parametrize(
    ("service", "method", "module"),
    [
        ("flywheel", "UpdateProject", "domain.projects"),
        ("flywheel", "UpdatePolicy", "domain.pipelines.policies"),
        ("gateway", "UpdateSafetyFilter", "domain.safety"),
    ],
)
def test_the_contract_names_what_the_service_lets_an_update_change(service, method, module):
    (one,) = [each for each in methods() if each.name == method]
    declared = one.GetOptions().Extensions[options_pb2.changeable]
    allowed = importlib.import_module(f"ratoon_{service}.{module}").CHANGEABLE
    assert sorted(path.removesuffix(".*") for path in declared) == sorted(allowed)
