"""Generator of the typed client: which files are stale, and what a comment or a name must be."""

import importlib.util
import sys
from pathlib import Path

import pytest
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    EnumValueDescriptorProto,
    FieldDescriptorProto,
    MethodDescriptorProto,
)

ROOT = Path(__file__).parents[2]
TEXT = FieldDescriptorProto.TYPE_STRING
MESSAGE = FieldDescriptorProto.TYPE_MESSAGE


@pytest.fixture(scope="module")
def client():
    """The script as a module."""
    sys.path.insert(0, str(ROOT))
    try:
        spec = importlib.util.spec_from_file_location("scripts.client", ROOT / "scripts/client.py")
        module = importlib.util.module_from_spec(spec)
        sys.modules["scripts.client"] = module
        spec.loader.exec_module(module)
        yield module
    finally:
        sys.path.remove(str(ROOT))
        sys.modules.pop("scripts.client", None)


def create(client, comment: str, *fields: tuple[str, str]):
    """Return an API with one Create method, and the method; `fields` are names and comments of its resource."""
    resource = DescriptorProto(name="Dataset")
    resource.field.extend(
        FieldDescriptorProto(name=name, json_name=client.json_name(name), type=TEXT) for name, _ in fields
    )
    request = DescriptorProto(name="CreateDatasetRequest")
    request.field.add(name="parent", json_name="parent", type=TEXT)
    request.field.add(name="dataset", json_name="dataset", type=MESSAGE, type_name=".p.Dataset")
    comments = {"parent": "Resource name of the project.", "dataset": comment}
    api = client.Api(
        {
            ".p.Dataset": client.Type(".p.Dataset", "Dataset", "p", resource, "A dataset.", dict(fields)),
            ".p.Request": client.Type(".p.Request", "Request", "p", request, "Request.", comments),
        }
    )
    method = MethodDescriptorProto(name="CreateDataset", input_type=".p.Request", output_type=".p.Dataset")
    return api, client.Method(
        method, "p", "Create a dataset.", "POST", "/v1/{parent=projects/*}/datasets", "dataset"
    )


FIELDS = (
    ("name", "Resource name."),
    ("display_name", "Name for people."),
    ("license", "License."),
    ("size", "Size. Set by the server."),
)


def test_a_create_takes_the_fields_that_its_comment_names(client):
    api, method = create(client, "The dataset to create. Only `display_name` is read.", *FIELDS)
    assert list(client.resource_fields(api, method)) == ["display_name"]


def test_a_create_takes_what_the_server_does_not_set(client):
    api, method = create(client, "The dataset to create.", *FIELDS)
    assert list(client.resource_fields(api, method)) == ["display_name", "license"]


def test_a_comment_that_names_no_field_is_refused(client):
    api, method = create(client, "Only `displayname` and `license` are read.", *FIELDS)
    with pytest.raises(SystemExit, match="displayname"):
        client.resource_fields(api, method)


def test_a_parameter_of_two_places_is_refused(client):
    api, method = create(client, "The dataset to create.", ("parent", "Parent."))
    with pytest.raises(SystemExit, match="two parameters"):
        client.parameters(api, method)


def test_a_missing_comment_is_refused(client):
    with pytest.raises(SystemExit, match="comment is missing"):
        client.docstring("  ")


def test_members_of_an_enum_have_no_prefix(client):
    enum = EnumDescriptorProto(name="SplitMode", value=[EnumValueDescriptorProto(name="SPLIT_MODE_TIME")])
    assert client.member(enum, "SPLIT_MODE_TIME") == "TIME"
    with pytest.raises(SystemExit, match="must begin"):
        client.member(enum, "TIME")


def test_a_docstring_has_a_summary_the_rest_and_the_parameters(client):
    text = client.docstring(
        "Start. " + "A long sentence about it. " * 5, [client.Parameter("name", "", "", "A\nname.")]
    )
    assert text.startswith('"""Start.\n\nA long sentence')
    assert text.endswith('\n\nArgs:\n    name: A name.\n"""')


def test_changed_missing_and_superfluous_files_are_stale(client, tmp_path):
    for side in ("new", "old"):
        (tmp_path / side / "_generated").mkdir(parents=True)
        (tmp_path / side / "types.py").write_text("same")
        (tmp_path / side / "_generated/changed.py").write_text(side)
    (tmp_path / "new/_generated/missing.py").touch()
    (tmp_path / "old/_generated/superfluous.py").touch()
    (tmp_path / "old/_client.py").touch()
    stale = client.differences(tmp_path / "new", tmp_path / "old")
    assert stale == [f"_generated/{name}.py" for name in ("changed", "missing", "superfluous")]
