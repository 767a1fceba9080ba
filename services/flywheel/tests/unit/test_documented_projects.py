"""The projects of the guide can be created, and pipeline runs support them."""

import re
from pathlib import Path

import pytest
import yaml
from google.protobuf.json_format import ParseDict

from ratoon.flywheel.v1 import flywheel_service_pb2 as pb
from ratoon.flywheel.v1 import policy_pb2, project_pb2
from ratoon_flywheel import mapping
from ratoon_flywheel.domain.pipelines import policies
from ratoon_flywheel.domain.pipelines.support import check_base, check_supported
from ratoon_flywheel.domain.projects import checked

GUIDE = Path(__file__).parents[4] / "docs/guides/projects.md"
EVENTS = GUIDE.with_name("events.md")
BLOCKS = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", GUIDE.read_text(), re.DOTALL)]
PROJECTS = [fields for fields in BLOCKS if "name" in fields]


@pytest.mark.parametrize("fields", PROJECTS, ids=lambda fields: fields["name"])
def test_a_project_of_the_guide_starts_runs(fields):
    message = ParseDict(fields, project_pb2.Project())
    project = checked(mapping.create_project(pb.CreateProjectRequest(project=message)).project)
    check_supported(project)
    check_base(project)
    written = mapping.project(project)
    for field, value in message.ListFields():
        if field.name in ("suites", "judges"):
            expected = [f"{fields['name']}/{field.name}/{each}" for each in value]
            assert list(getattr(written, field.name)) == expected
        elif field.name != "name":
            assert getattr(written, field.name) == value or _holds(getattr(written, field.name), value)


def test_the_policy_of_the_guide_is_created():
    blocks = re.findall(r"```yaml\n(.*?)```", EVENTS.read_text(), re.DOTALL)
    (fields,) = [each for each in map(yaml.safe_load, blocks) if "eventFilters" in each]
    message = ParseDict(fields, policy_pb2.Policy())
    policy = policies.checked(mapping.create_policy(pb.CreatePolicyRequest(policy=message)).policy)
    assert _holds(mapping.policy(policy), message)


def _holds(whole, part):
    """Return whether a message has the fields of another one; defaults may be filled in."""
    if hasattr(part, "ListFields"):
        return all(_holds(getattr(whole, field.name), value) for field, value in part.ListFields())
    return whole == part or list(whole) == list(part)


def test_the_guide_has_a_project_of_each_kind():
    assert {next(iter(fields["task"])) for fields in PROJECTS} == {"generate", "regress", "classify"}


def test_a_part_of_a_project_in_the_guide_has_settings_of_a_project():
    known = project_pb2.Project.DESCRIPTOR.fields_by_camelcase_name
    assert [name for fields in BLOCKS for name in fields if name not in known] == []
