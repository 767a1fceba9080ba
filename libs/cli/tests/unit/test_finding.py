"""Records are found by a part of their text, each once, in the newest version that holds it."""

from typer.testing import CliRunner

from ratoon.cli import app
from ratoon.cli.context import Session
from ratoon.client.raw.errors import ApiError
from ratoon.client.raw.finding import find_records

D = "projects/p/datasets/d"


class FakeClient:
    """Two versions that share a record, and one that is not ready."""

    def list(self, name):
        records = {
            "projects/p/datasets": [{"name": D}],
            f"{D}/versions": [
                {"name": f"{D}/versions/v{n}", "createTime": f"2026-01-0{n}"} for n in (1, 2, 3)
            ],
            f"{D}/versions/v1/records": [record("a", "Dear  Ann,\nthe bill"), record("b", "else")],
            f"{D}/versions/v2/records": [record("a", "Dear  Ann,\nthe bill"), record("c", "DEAR ANN, no")],
        }
        if name.endswith("v3/records"):
            raise ApiError(400, "NOT_READY", "It is not ready.")
        yield from records[name]


def record(record_id, text):
    return {"recordId": record_id * 64, "text": text}


def matches(text, version=""):
    return [
        (each["recordId"][0], each["version"][-2:])
        for each in find_records(FakeClient(), "projects/p", text, version)
    ]


def test_a_part_of_a_text_is_found_whatever_its_case_and_white_space():
    assert matches("dear ann,") == [("a", "v2"), ("c", "v2")]
    assert matches("ann, the BILL", f"{D}/versions/v1") == [("a", "v1")]
    assert matches("nothing of it") == []


def test_the_command_prints_whole_ids(monkeypatch):
    monkeypatch.setattr(Session, "client", FakeClient())
    result = CliRunner().invoke(app, ["-p", "p", "datasets", "find", "-"], input="the bill\n")
    assert (result.exit_code, "a" * 64 in result.output) == (0, True)
    nothing = CliRunner().invoke(app, ["-p", "p", "datasets", "find", "of it nothing"])
    assert (nothing.exit_code, "No record contains this text." in nothing.output) == (1, True)
