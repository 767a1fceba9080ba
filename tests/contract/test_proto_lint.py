"""Comments of the protos: each public element has one, which is refused otherwise, and an RPC's has a summary."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet

from scripts import protos

PROGRESS = "ratoon/common/v1/progress.proto"
RUN = "ratoon/training/v1/training_run.proto"
SERVICE = "ratoon/registry/v1/registry_service.proto"
EVENTS = "ratoon/registry/v1/registry_events.proto"
JOBS = "ratoon/jobs/v1/jobs_service.proto"
SUMMARY_WIDTH = 110
"""Maximum length of the first sentence of an RPC's comment: a line of the OpenAPI page and of the CLI's help."""
LINE_WIDTH = 120
RPC = (6, 2)
"""Field numbers in the path of an RPC: `FileDescriptorProto.service`, `ServiceDescriptorProto.method`."""


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return Path(shutil.copytree(protos.PROTOS, tmp_path / "protos"))


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> list[FileDescriptorProto]:
    image = tmp_path_factory.mktemp("described") / "image.binpb"
    protos.describe(protos.PROTOS, image, "--include_source_info")
    files = FileDescriptorSet.FromString(image.read_bytes()).file
    return [file for file in files if file.package.startswith("ratoon.")]


def comments(files: list[FileDescriptorProto]) -> Iterator[tuple[str, tuple[int, ...], str]]:
    """Yield file and line, path and comment of each element that has a comment."""
    for file in files:
        for place in file.source_code_info.location:
            if place.leading_comments:
                text = " ".join(place.leading_comments.split())
                yield f"{file.name}:{place.span[0] + 1}", tuple(place.path), text


def remove_comment(path: Path, declaration: str) -> int:
    """Remove the comment of a declaration, and return the new line number of the declaration."""
    lines = path.read_text().splitlines()
    place = next(number for number, line in enumerate(lines) if line.strip().startswith(declaration))
    start = place
    while lines[start - 1].strip().startswith("//"):
        start -= 1
    assert start < place
    path.write_text("\n".join(lines[:start] + lines[place:]) + "\n")
    return start + 1


ELEMENTS = {
    "service": (SERVICE, "service RegistryService"),
    "rpc": (SERVICE, "rpc GetModel("),
    "rpc of jobs": (JOBS, "rpc StartJob("),
    "message": (PROGRESS, "message Failure"),
    "nested message": (RUN, "message Diagnosis"),
    "field": (PROGRESS, "string unit = 5;"),
    "oneof": (EVENTS, "oneof event"),
    "enum": (RUN, "enum State"),
    "enum value": (RUN, "STATE_PREPARING = 7;"),
}


@pytest.mark.parametrize(("file", "declaration"), ELEMENTS.values(), ids=ELEMENTS)
def test_an_element_without_a_comment_is_refused_with_its_line(copy, file, declaration):
    try:
        protos.install_buf()
    except protos.ProtoError as error:
        pytest.skip(str(error))
    line = remove_comment(copy / file, declaration)
    with pytest.raises(protos.ProtoError, match=rf"{file}:{line}:\d+:.* non-empty comment"):
        protos.lint(copy)


def test_every_comment_is_made_of_whole_sentences(described):
    faults = [
        f"{place}: {text}"
        for place, _, text in comments(described)
        if not (re.match(r"[A-Z0-9`]", text) and re.search(r"[.…`]$", text)) or "TODO" in text
    ]
    assert faults == []


def test_the_first_sentence_of_an_rpc_is_a_summary_of_one_line(described):
    summaries = {
        place: text.partition(". ")[0].removesuffix(".")
        for place, path, text in comments(described)
        if path[::2] == RPC
    }
    assert len(summaries) > 100
    assert [f"{place}: {text}" for place, text in summaries.items() if len(text) > SUMMARY_WIDTH] == []


def test_no_line_of_a_proto_is_too_long():
    lines = [
        f"{path.relative_to(protos.PROTOS)}:{number}"
        for path in protos.PROTOS.rglob("*.proto")
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if len(line) > LINE_WIDTH
    ]
    assert lines == []
