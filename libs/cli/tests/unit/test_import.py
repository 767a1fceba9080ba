"""Import of data: requests to the API, the preview for a person, and what stops it."""

import hashlib
import io
import json
import tarfile
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from ratoon.cli import app
from ratoon.cli.context import Session
from ratoon.cli.datasets import preview_lines
from ratoon.client import RatoonError
from ratoon.client.local_data import archive, create_source

TABLE = "Meldung;Art\na;b\n"
DIGEST_PATH = f"blobs/{hashlib.sha256(TABLE.encode()).hexdigest()}"

PREVIEW = {
    "format": "FORMAT_CSV",
    "encoding": "cp1252",
    "encodingFrom": "detected",
    "columns": ["Meldung", "Art"],
    "itemCount": "500",
    "recordCount": "499",
    "estimatedItemCount": "9000",
    "labelCounts": {"Störung": "300", "Rechnung": "199"},
    "unlabelledCount": "0",
    "rejectedCounts": {"BAD_ROW": "1"},
    "rejections": [{"sourcePath": "line-4", "reason": "BAD_ROW", "detail": "3 fields"}],
    "records": [{"text": "Der Drücker\nklemmt", "label": "Störung"}],
}


@pytest.fixture(autouse=True)
def api(server):
    """Serve a project, a preview and 5,000 records."""
    server.answers["GET", "projects/c"] = {"name": "projects/c", "labels": ["Störung", "Lob"]}
    server.answers["POST", "projects/c/sources:preview"] = PREVIEW
    server.answers["HEAD", DIGEST_PATH] = httpx.Response(200)
    rows = [{"recordId": f"r{n}", "text": "a"} for n in range(5000)]
    server.listing("projects/c/datasets/c/versions/v1/records", "records", rows)
    return server


def created(server):
    return [each for each in server.sent("POST") if each[1] == "projects/c/sources"]


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "tickets.csv"
    path.write_text(TABLE)
    return path


def run(*arguments: str):
    return CliRunner().invoke(app, ["-p", "c", "datasets", *arguments])


def test_what_the_data_become_is_shown_before_they_are_imported(api, table):
    done = run("import", str(table), "--text", "Meldung", "--label", "Art", "--encoding", "windows-1252")
    assert done.exit_code == 0, done.output
    for line in (
        "Read as csv, cp1252 (detected), columns Meldung, Art.",
        "The first 500 items read (of about 9,000): 499 records; rejected: 1 BAD_ROW.",
        "Labels: Störung 300, Rechnung 199; without a label: 0.",
        "rejected line-4: BAD_ROW 3 fields",
        "[Störung] Der Drücker klemmt",
        "Labels that are not used: Rechnung",
    ):
        assert line in done.output
    [(_, _, _, body)] = created(api)
    assert (body["format"], body["encoding"]) == ("FORMAT_CSV", "windows-1252")
    assert body["columns"] == {"text": "Meldung", "label": "Art"}


EXAMPLES = {
    "format": "FORMAT_JSONL",
    "itemCount": "3",
    "recordCount": "3",
    "complete": True,
    "layoutCounts": {"prompt": "2", "preference": "1"},
    "kindCounts": {"answer": "1", "preference": "1", "unpaired_preference": "1"},
    "records": [
        {"text": "Two\nplus two?", "example": {"answers": ["4"], "rejected": "5"}},
        {"text": "Hello", "example": {"answers": ["Hi\nthere"]}},
        {"text": "Thanks", "example": {"answers": ["No"], "good": False}},
    ],
}
ROLES = {"messages", "prompt", "answer", "rejected", "system", "tools", "weight", "text", "label", "time"}


def test_columns_of_conversations_are_named_and_their_answers_shown(api, table):
    api.answers["POST", "projects/c/sources:preview"] = EXAMPLES
    named = [option for role in sorted(ROLES) for option in (f"--{role}", f"the_{role}")]
    done = run("import", str(table), *named, "--attribute", "user", "--attribute", "team")
    assert done.exit_code == 0, done.output
    [(_, _, _, body)] = created(api)
    assert body["columns"] == {role: f"the_{role}" for role in ROLES} | {"attributes": ["user", "team"]}
    for line in (
        "Layouts: preference 1, prompt 2. Records: answer 1, preference 1, unpaired preference 1.",
        "  Two plus two?\n    chosen: 4\n    rejected: 5\n",
        "  Hello\n    answer: Hi there\n",
        "  Thanks\n    bad: No\n",
    ):
        assert line in done.output


def test_columns_of_a_source_are_changed_and_unset(api):
    name = "projects/c/sources/s"
    api.answers["GET", name] = {"name": name, "etag": "e"}
    api.answers["PATCH", name] = {"name": name}
    changes = ("--answer", "reply", "--weight", "", "--attribute", "")
    done = run("sources", "update", "s", *changes)
    assert done.exit_code == 0, done.output
    [(_, _, _, body)] = api.sent("PATCH")
    assert body["columns"] == {"answer": "reply", "weight": "", "attributes": []}


def test_a_text_file_is_imported_by_paragraphs(api, tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("One.\n\nTwo.\n")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    api.answers["HEAD", f"blobs/{digest}"] = httpx.Response(200)
    api.answers["POST", "projects/c/sources:preview"] = {
        "format": "FORMAT_TEXT",
        "sampleBy": "SAMPLE_BY_PARAGRAPH",
        "encoding": "utf-8",
        "encodingFrom": "utf-8",
    }
    done = run("import", str(path), "--sample-by", "paragraph")
    assert done.exit_code == 0, done.output
    assert "Read as text, utf-8 (utf-8), one record a paragraph." in done.output
    [(_, _, _, body)] = created(api)
    assert (body["format"], body["sampleBy"]) == ("FORMAT_TEXT", "SAMPLE_BY_PARAGRAPH")


def test_a_preview_of_a_table_names_no_unit_of_records():
    first = next(preview_lines({"format": "FORMAT_CSV", "sampleBy": "SAMPLE_BY_UNSPECIFIED"}))
    assert first == "Read as csv."


def test_a_preview_shows_what_each_step_of_curation_does(api, table):
    change = {"sourcePath": "line-2", "before": "１２３", "after": "123"}
    steps = [
        {"name": "normalize", "recordCount": "9", "changedCount": "1", "changes": [change]},
        {"name": "c4", "recordCount": "9", "removedCounts": {"C4_FEW_SENTENCES": "4"}},
    ]
    api.answers["POST", "projects/c/sources:preview"] = {**PREVIEW, "steps": steps}
    done = run(
        "import",
        str(table),
        "--preview",
        "--step",
        "normalize",
        "--step",
        "c4:min_sentences=3;end_punctuation=false",
    )
    assert done.exit_code == 0
    assert "Step normalize: 9 records, 1 changed, removed: none." in done.output
    assert "  - １２３\n  + 123\n" in done.output
    assert "Step c4: 9 records, 0 changed, removed: 4 C4_FEW_SENTENCES." in done.output
    [request] = [each for each in api.requests if each.url.path.endswith(":preview")]
    assert request.url.params.get_list("steps") == ["normalize", "c4:min_sentences=3;end_punctuation=false"]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--preview", "--step", "gopher"), "is not one of the steps"),
        (("--preview", "--step", "c4:x"), "is not PARAMETER=VALUE"),
        (("--step", "c4"), "goes with --preview"),
    ],
)
def test_a_step_that_is_not_valid_is_refused_before_the_upload(api, table, options, sentence):
    done = run("import", str(table), *options)
    assert done.exit_code == 2
    assert sentence in " ".join(done.output.replace("│", " ").split())
    assert api.sent() == []


def test_a_preview_imports_nothing(api, table):
    assert run("import", str(table), "--preview").exit_code == 0
    assert [name for _, name, *_ in api.sent()] == ["projects/c/sources:preview"]


def test_an_import_that_would_bring_nothing_stops_and_says_why(api, table):
    api.answers["POST", "projects/c/sources:preview"] = {
        "problem": "tickets.csv has no column 'text'.",
        "problemReason": "COLUMN_MISSING",
    }
    done = run("import", str(table))
    assert isinstance(done.exception, RatoonError)
    assert "Nothing was imported" in str(done.exception)
    assert "--text COLUMN" in str(done.exception)
    assert not created(api)


def test_the_same_data_read_in_another_way_are_another_request(api, table):
    ways: list[dict[str, Any]] = [
        {"columns": {"text": "a"}},
        {"columns": {"text": "b"}},
        {"columns": {"text": "a"}, "license": "MIT"},
        {"columns": {"text": "a"}, "encoding": "gbk"},
        {"columns": {"text": "a"}, "labels_by_folder": {"a": "b"}},
        {"columns": {"text": "a"}, "format": "jsonl"},
        {"columns": {"text": "a"}, "source_id": "mine"},
    ]
    for way in (*ways, *ways):
        create_source(Session.client, "projects/c", table, **way)
    requests = [
        each.url.params["requestId"] for each in api.requests if each.url.path == "/v1/projects/c/sources"
    ]
    assert len(set(requests)) == len(ways)
    assert requests[: len(ways)] == requests[len(ways) :]


def test_records_are_shown_page_after_page():
    done = run("records", "v1", "--limit", "3000", "-o", "json")
    assert done.exit_code == 0, done.output
    assert len(json.loads(done.stdout)) == 3000


def test_brackets_of_the_data_are_no_markup(api, table):
    api.answers["POST", "projects/c/sources:preview"] = {
        "problem": "Its columns are: '[/b]', '[red]'.",
        "problemReason": "COLUMN_MISSING",
    }
    done = run("import", str(table), "--preview")
    assert done.exit_code == 1
    assert "Its columns are: '[/b]', '[red]'." in done.output


def test_texts_in_a_table_are_no_markup_and_steer_no_terminal(api):
    rows = [{"recordId": "r", "text": "a [/b] text \x1b[31m of [red]one[/red]"}]
    api.listing("projects/c/datasets/c/versions/v1/records", "records", rows)
    done = run("records", "v1")
    assert done.exit_code == 0, done.output
    assert "a [/b] text \ufffd[31m of [red]one[/red]" in done.output


@pytest.mark.parametrize("root", [".", ".ratoon"])
def test_the_keys_of_an_installation_are_never_imported(tmp_path, root):
    for name in ("billing/1.txt", ".Sent/2.txt", ".ratoon/keys/operator.key", ".ratoon/logs/gateway.log"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("text")
    if root == ".":
        with tarfile.open(fileobj=io.BytesIO(archive(tmp_path))) as packed:
            assert packed.getnames() == [".Sent/2.txt", "billing/1.txt"]
        return
    with pytest.raises(RatoonError, match="contains no files"):
        archive(tmp_path / root)
