"""Import of data: requests to the API, the preview for a person, and what stops it."""

import io
import json
import tarfile
from typing import Any

import pytest
from typer.testing import CliRunner

from ratoon.cli import app
from ratoon.cli.context import Session
from ratoon.client.raw.errors import RatoonSdkError
from ratoon.client.raw.sources import archive, create_source

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


class Api:
    """Records the requests; `response` is the preview."""

    def __init__(self, response: dict[str, Any]) -> None:
        self.response, self.created, self.previewed = response, [], []

    def upload(self, source: object) -> str:
        return "d" * 64

    def get(self, name: str) -> dict[str, Any]:
        return {"name": name, "labels": ["Störung", "Lob"]}

    def post(self, name: str, body: dict[str, Any], **query: object) -> dict[str, Any]:
        self.previewed.append((name, body))
        return self.response

    def create(self, collection: str, body: dict[str, Any], id: str, request_id: str) -> dict[str, Any]:
        self.created.append((collection, body, id, request_id))
        return {"name": f"{collection}/{id or 'made-up'}"}

    def list(self, collection: str, page_size: int = 500):
        assert page_size <= 500
        yield from ({"recordId": f"r{n}", "text": "a"} for n in range(5000))


@pytest.fixture
def api(monkeypatch) -> Api:
    fake = Api(PREVIEW)
    monkeypatch.setattr(Session, "client", fake)
    return fake


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "tickets.csv"
    path.write_text("Meldung;Art\na;b\n")
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
    [(collection, body, _, _)] = api.created
    assert collection == "projects/c/sources"
    assert (body["format"], body["encoding"]) == ("FORMAT_CSV", "windows-1252")
    assert body["columns"] == {"text": "Meldung", "label": "Art"}


def test_a_preview_imports_nothing(api, table):
    assert run("import", str(table), "--preview").exit_code == 0
    assert not api.created
    assert len(api.previewed) == 1


def test_an_import_that_would_bring_nothing_stops_and_says_why(api, table):
    api.response = {"problem": "tickets.csv has no column 'text'.", "problemReason": "COLUMN_MISSING"}
    done = run("import", str(table))
    assert isinstance(done.exception, RatoonSdkError)
    assert "Nothing was imported" in str(done.exception)
    assert "--text COLUMN" in str(done.exception)
    assert not api.created


def test_the_same_data_read_in_another_way_are_another_request(table):
    api = Api(PREVIEW)
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
        create_source(api, "projects/c", table, **way)  # type: ignore[arg-type]
    requests = [request_id for *_, request_id in api.created]
    assert len(set(requests)) == len(ways)
    assert requests[: len(ways)] == requests[len(ways) :]


def test_records_are_shown_page_after_page(api):
    done = run("records", "v1", "--limit", "3000", "-o", "json")
    assert done.exit_code == 0, done.output
    assert len(json.loads(done.stdout)) == 3000


def test_brackets_of_the_data_are_no_markup(api, table):
    api.response = {"problem": "Its columns are: '[/b]', '[red]'.", "problemReason": "COLUMN_MISSING"}
    done = run("import", str(table), "--preview")
    assert done.exit_code == 1
    assert "Its columns are: '[/b]', '[red]'." in done.output


def test_texts_in_a_table_are_no_markup_and_steer_no_terminal(api, monkeypatch):
    rows = [{"recordId": "r", "text": "a [/b] text \x1b[31m of [red]one[/red]"}]
    monkeypatch.setattr(Api, "list", lambda self, collection, page_size: iter(rows))
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
    with pytest.raises(RatoonSdkError, match="contains no files"):
        archive(tmp_path / root)
