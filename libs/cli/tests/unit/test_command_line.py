"""The command line takes its global options anywhere, and says what is wrong with a file that a user names."""

import pytest
import typer
from typer.testing import CliRunner

from ratoon.cli import app, keys
from ratoon.cli.context import resolve_name
from ratoon.cli.documents import read_settings
from ratoon.cli.root import ordered


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (["runs", "list", "-o", "json"], ["-o", "json", "runs", "list"]),
        (["runs", "list", "--project", "p"], ["--project", "p", "runs", "list"]),
        (["-p", "p", "runs", "list", "--output=json"], ["-p", "p", "--output=json", "runs", "list"]),
        (["ask", "--", "-o", "json"], ["ask", "--", "-o", "json"]),
        (["help", "runs"], ["runs", "--help"]),
        (["help"], ["--help"]),
        (["runs", "list", "-o"], ["runs", "list", "-o"]),
    ],
)
def test_global_options_may_stand_anywhere(text, expected):
    assert ordered(text) == expected


@pytest.mark.parametrize("arguments", [["-h"], ["runs", "-h"], ["runs", "list", "-h"], ["help", "runs"]])
def test_help_has_the_usual_spellings(arguments):
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0
    assert "Usage:" in result.output


def test_the_version_is_printed():
    result = CliRunner().invoke(app, ["--version"])
    assert result.exit_code == 0
    assert result.output.startswith("ratoon ")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b'{"a": 1,\n "b": }', "line 2"),
        (b"[1]", "must be an object with fields of Policy; it is a number"),
        (b"\xff\xfe{", "not UTF-8"),
    ],
)
def test_a_settings_file_that_cannot_be_read_is_named(tmp_path, content, sentence):
    path = tmp_path / "settings.json"
    path.write_bytes(content)
    with pytest.raises(typer.BadParameter, match=sentence):
        read_settings(path, "policies")


def test_a_settings_file_that_is_missing_is_named(tmp_path):
    with pytest.raises(typer.BadParameter, match="cannot be read"):
        read_settings(tmp_path / "missing.json", "policies")


def test_a_settings_file_may_begin_with_a_byte_order_mark(tmp_path):
    path = tmp_path / "settings.json"
    path.write_bytes(b'\xef\xbb\xbf{"minAnswers": 1}')
    assert read_settings(path, "policies") == {"min_answers": 1}
    assert read_settings(None, "policies") == {}


@pytest.mark.parametrize(
    "text", ["2026-12-31", "2026-12-31T18:00", "2026-12-31T18:00:00+02:00", "30d", "12h"]
)
def test_a_keys_end_is_a_time_or_a_span(text):
    assert keys._expiry(text).tzinfo


@pytest.mark.parametrize("text", ["soon", "30", "30y", "2026-13-01"])
def test_what_is_no_time_is_refused(text):
    with pytest.raises(typer.BadParameter, match="is not a time"):
        keys._expiry(text)


def test_a_role_that_does_not_exist_is_refused_with_those_that_do():
    result = CliRunner().invoke(app, ["keys", "create", "x", "--role", "admin"])
    assert result.exit_code == 2
    assert "'caller'" in result.output and "'operator'" in result.output


@pytest.mark.parametrize(
    ("text", "collection", "expected"),
    [
        ("v1", "datasets/p/versions", "projects/p/datasets/p/versions/v1"),
        ("datasets/p/versions/v1", "datasets/p/versions", "projects/p/datasets/p/versions/v1"),
        ("versions/v1", "datasets/p/versions", "projects/p/datasets/p/versions/v1"),
        ("projects/q/datasets/p/versions/v1", "datasets/p/versions", "projects/q/datasets/p/versions/v1"),
        ("abc", "trainingRuns", "projects/p/trainingRuns/abc"),
        ("trainingRuns/abc", "trainingRuns", "projects/p/trainingRuns/abc"),
        ("models/m/versions/v1.0", "models", "projects/p/models/m/versions/v1.0"),
        ("deployments/d/rollouts/x", "deployments/p/rollouts", "projects/p/deployments/d/rollouts/x"),
    ],
)
def test_names_that_tables_print_are_taken(text, collection, expected):
    assert resolve_name(text, "projects/p", collection) == expected
