"""The command line takes its global options anywhere, and says what is wrong with a file that a user names."""

import shlex
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from ratoon.cli import app, keys
from ratoon.cli.context import resolve_name
from ratoon.cli.documents import read_settings
from ratoon.cli.examples import EXAMPLES
from ratoon.cli.root import GLOBAL_OPTIONS, ordered
from ratoon.cli.verbs import verbs


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (["runs", "list", "-o", "json"], ["-o", "json", "runs", "list"]),
        (["runs", "list", "--project", "p"], ["--project", "p", "runs", "list"]),
        (["-p", "p", "runs", "list", "--output=json"], ["-p", "p", "--output", "json", "runs", "list"]),
        (["runs", "list", "-ojson"], ["-o", "json", "runs", "list"]),
        (["runs", "list", "-o=json", "-p="], ["-o", "json", "-p", "", "runs", "list"]),
        (["blobs", "-ol"], ["blobs", "-ol"]),
        (["ask", "--", "-o", "json"], ["ask", "--", "-o", "json"]),
        (["help", "runs"], ["runs", "--help"]),
        (["help"], ["--help"]),
        (["runs", "list", "-o"], ["runs", "list", "-o"]),
    ],
)
def test_global_options_may_stand_anywhere(text, expected):
    assert ordered(text) == expected


@pytest.mark.parametrize("option", GLOBAL_OPTIONS)
def test_a_global_option_without_a_value_is_named(option):
    result = CliRunner().invoke(app, ["runs", "list", option])
    assert result.exit_code == 2
    assert f"Option '{option}' requires an argument" in result.output


def test_a_command_runs_without_a_standard_output():
    done = subprocess.run(
        f"{sys.executable} -c 'from ratoon.cli import main; main()' completion bash >&-",
        shell=True,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("arguments", [["-h"], ["runs", "-h"], ["runs", "list", "-h"], ["help", "runs"]])
def test_help_has_the_usual_spellings(arguments):
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0
    assert "Usage:" in result.output


def test_help_and_completion_load_no_models_and_no_server():
    code = "import ratoon.cli, sys; print([each for each in ('pydantic', 'grpc', 'sqlalchemy') if each in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


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


def commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the words of each command that is no group, verbs of resources apart."""
    children = getattr(command, "commands", None)
    if children is None:
        yield path
    for name, child in (children or {}).items():
        if path or name not in verbs():
            yield from commands(child, (*path, name))


@pytest.mark.parametrize("path", list(commands(typer.main.get_command(app))), ids=" ".join)
def test_every_command_has_an_example_that_it_takes(path):
    shown = CliRunner().invoke(app, [*path, "--help"], env={"COLUMNS": "300"})
    assert shown.exit_code == 0
    assert f"ratoon {' '.join(path)}" in shown.output.partition("Example")[2]


@pytest.mark.parametrize(
    "line", [line for lines in EXAMPLES.values() for line in lines if line != "make demo"]
)
def test_an_example_is_a_command_line_that_is_parsed(line):
    words = shlex.split(line.partition(" < ")[0])[1:]
    root = typer.main.get_command(app)
    command, context = root, root.make_context("ratoon", [], resilient_parsing=True)
    while children := getattr(command, "commands", None):
        name = words.pop(0)
        command = children[name]
    command.make_context(name, words, parent=context, resilient_parsing=True)
    assert not [
        each for each in words if each.startswith("--") and each.partition("=")[0] not in options(command)
    ]


def options(command: Any) -> set[str]:
    """Return the options of a command, those of the root included."""
    own = {name for each in command.params for name in (*each.opts, *each.secondary_opts)}
    return own | set(GLOBAL_OPTIONS)


@pytest.mark.parametrize("command", [("gc",), ("gc", "--dry-run"), ("backup", "ratoon.backup")])
def test_maintenance_without_an_installation_says_so_and_creates_nothing(tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RATOON_STATE", raising=False)
    result = CliRunner().invoke(app, command, env={"COLUMNS": "400"})
    assert result.exit_code == 2
    assert "No installation in" in result.output
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("port", ["0", "65530", "99999"])
def test_a_port_that_leaves_none_for_the_other_listeners_is_refused(port):
    result = CliRunner().invoke(app, ["up", "--port", port])
    assert result.exit_code == 2
    assert "--port" in result.output


def test_a_directory_that_cannot_be_created_is_named(ratoon, tmp_path):
    (tmp_path / "file").write_text("")
    status, _, errors = ratoon("up", "--state", str(tmp_path / "file" / "state"))
    assert status == 1
    assert "Not a directory" in errors and "Traceback" not in errors
