"""Shell completion: scripts, verbs, resources, and names of resources."""

import os
import subprocess
import sys

import httpx
import pytest
from typer.testing import CliRunner

from ratoon import client as client_package
from ratoon.cli import app, completions
from ratoon.client import Ratoon


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_has_a_script(shell):
    done = CliRunner().invoke(app, ["completion", shell])
    assert done.exit_code == 0
    assert f"_RATOON_COMPLETE=complete_{shell}" in done.output


def test_another_shell_is_refused():
    done = CliRunner().invoke(app, ["completion", "csh"])
    assert done.exit_code == 2


def completed(*words: str) -> list[str]:
    """Return what bash would offer after these words."""
    script = "from ratoon.cli import app; app(prog_name='ratoon')"
    environment = {
        **os.environ,
        "_RATOON_COMPLETE": "complete_bash",
        "COMP_WORDS": " ".join(("ratoon", *words)),
        "COMP_CWORD": str(len(words)),
        "RATOON_URL": "http://127.0.0.1:1",
        "RATOON_API_KEY": "key",
    }
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True)
    return done.stdout.split()


def test_verbs_and_resources_are_completed():
    assert "get" in completed("ge")
    assert "training-runs" in completed("cancel", "tr")
    assert completed("-p", "p", "get", "datasets", "x") == []


def test_names_are_those_that_begin_like_the_word(monkeypatch, server):
    rows = [{"name": f"projects/p/datasets/{id_}"} for id_ in ("mails", "market", "tickets")]
    server.listing("projects/p/datasets", "datasets", rows)
    http = httpx.Client(transport=httpx.MockTransport(server))
    monkeypatch.setattr(client_package, "Ratoon", lambda **options: Ratoon(**options, http_client=http))
    assert completions.complete_names(Context(project="p"), "datasets", "ma") == ["mails", "market"]
    assert completions.complete_names(Context(), "datasets", "") == []
    server.answers["GET", "projects/p/datasets"] = httpx.ConnectError("refused")
    assert completions.complete_names(Context(project="p"), "datasets", "") == []


class Context:
    """Context of a command while it is completed."""

    def __init__(self, **options: str) -> None:
        self.params = options

    def find_root(self) -> "Context":
        return self
