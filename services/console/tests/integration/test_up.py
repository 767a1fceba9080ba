"""The console as `ratoon up` starts it: with a real platform, over its public API alone."""

import json
import os
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from ratoon.client import Ratoon
from ratoon.client.types import Regress, TaskSpec
from ratoon.local.installation import Installation
from ratoon.testkit.ports import free_ports
from ratoon.testkit.waiting import until

TEXTS = Path(__file__).parents[4] / "docs"
"""Directory that connections may read: texts of people, not of this test."""


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    installation = Installation(tmp_path_factory.mktemp("up") / "state")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("RATOON_INGESTION_CONNECTION_ENDPOINTS", json.dumps({TEXTS.as_uri(): ""}))
        up(installation)
        yield installation
        installation.down(keep_workers=False, say=lambda _line: None)


def up(installation: Installation) -> None:
    installation.up(False, "127.0.0.1", free_ports(2)[0], lambda _line: None)


@pytest.fixture
def sdk(installation: Installation) -> Iterator[Ratoon]:
    with Ratoon(state=installation.state) as client:
        yield client


def address(installation: Installation) -> str:
    (address,) = [each.address for each in installation.listeners() if each.name == "console"]
    return address


@contextmanager
def logged_in(installation: Installation) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=address(installation), follow_redirects=True) as client:
        key = Path(installation.state / "keys" / "operator.key").read_text()
        answer = client.post("/login", data={"key": key})
        assert answer.status_code == 200, answer.text
        yield client


def test_it_listens_on_this_machine_alone_and_is_one_of_three_processes(installation):
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+", address(installation))
    assert [each.name for each in installation.processes.running()] == ["control", "gateway", "console"]


def test_a_new_installation_says_how_to_begin(installation):
    with logged_in(installation) as client:
        assert "ratoon projects create" in client.get("/").text


def test_a_project_created_by_the_client_has_every_page(installation, sdk):
    sdk.projects.create(project_id="letters", labels=["a", "b"], instructions="Which?")
    with logged_in(installation) as client:
        assert "letters" in client.get("/").text
        for page in ("", "/data", "/labels", "/labels/review", "/training", "/evaluations", "/models", "/rollouts",
                     "/signals", "/playground"):  # fmt: skip
            answer = client.get(f"/p/letters{page}")
            assert answer.status_code == 200, f"{page}: {answer.text}"


def test_a_project_that_has_no_labels_has_every_page_too(installation, sdk):
    task = TaskSpec(regress=Regress(unit="points", min=0, max=5))
    sdk.projects.create(project_id="score", task=task)
    with logged_in(installation) as client:
        assert "regress" in client.get("/").text
        loop = client.get("/p/score").text
        assert "0 to 5" in loop
        assert "mae (lower is better)" in loop
        for page in (
            "/data",
            "/labels",
            "/labels/review",
            "/training",
            "/evaluations",
            "/models",
            "/signals",
            "/playground",
        ):
            assert client.get(f"/p/score{page}").status_code == 200, page


def test_a_policy_is_created_paused_and_resumed_by_its_buttons(installation, sdk):
    with logged_in(installation) as client:
        press(client, "create-policy", {})
        press(client, "pause-policy", {"name": "projects/letters/policies/default"})
        assert sdk.policies.get("projects/letters/policies/default").paused is True
        page = press(client, "resume-policy", {"name": "projects/letters/policies/default"})
        assert "is active again" in page
        press(client, "start-dry-run", {"name": "projects/letters/policies/default"})
        page = press(client, "end-dry-run", {"name": "projects/letters/policies/default"})
        assert "starts pipeline runs from now on" in page
        assert sdk.policies.get("projects/letters/policies/default").dry_run is False
        page = press(client, "change-project", {"labels": "a, b, news", "instructions": "Which?"})
        assert "Existing versions never answer with it" in page
        etag = sdk.projects.get("projects/letters").etag
        settings = {"settings": '{"budget": {"maxRuns": 5}}', "etag": etag}
        assert "The settings are changed" in press(client, "change-settings", settings)
        assert sdk.projects.get("projects/letters").budget.max_runs == 5
        assert "was changed after you read it" in press(client, "change-settings", settings, 409)
        cleared = {"settings": '{"budget": {}}', "etag": sdk.projects.get("projects/letters").etag}
        press(client, "change-settings", cleared)
        page = press(
            client, "change-policy", {"name": "projects/letters/policies/default", "minFeedback": "50"}
        )
        assert sdk.policies.get("projects/letters/policies/default").min_feedback == 50
        press(client, "delete-policy", {"name": "projects/letters/policies/default"})
        assert not sdk.policies.list("projects/letters").items


def test_data_arrive_by_a_connection_and_a_stream_and_leave_by_an_export(installation, sdk):
    with logged_in(installation) as client:
        place = {"kind": "KIND_FSSPEC", "url": (TEXTS / "guides").as_uri(), "format": "FORMAT_TEXT"}
        press(client, "create-connection", {"connection": "guides", "pattern": "s*.md", **place})
        guides = {"name": "projects/letters/connections/guides"}
        press(client, "read-connection", guides)
        until(lambda: sdk.connections.get(guides["name"]).last_reading is not None, 60, "the reading ends")
        page = client.get("/p/letters/connections/guides").text
        assert "Reading 1 ended" in page and "FORMAT" not in page
        links = set(re.findall(r"/p/letters/sources/guides-[0-9a-f]+", page))
        assert len(links) == len(list((TEXTS / "guides").glob("s*.md")))
        assert any("streams.md" in client.get(link).text for link in links)
        press(client, "create-stream", {"stream": "tickets", "segment_records": "100"})
        tickets = {"name": "projects/letters/streams/tickets"}
        texts = (TEXTS / "guides" / "streams.md").read_text().split("\n\n")
        for number, text in enumerate(texts[:5]):
            press(
                client, "append-record", {**tickets, "record_id": f"t-{number}", "text": text, "label": "a"}
            )
        change = {**tickets, "etag": sdk.streams.get(tickets["name"]).etag, "license": "Apache-2.0"}
        press(client, "change-stream", change)
        assert "was changed after you read it" in press(client, "change-stream", change, 409)
        assert "The latest source is tickets-000001." in press(client, "seal-stream", tickets)
        source = "projects/letters/sources/tickets-000001"
        assert sdk.sources.get(source).license == "Apache-2.0"
        sdk.datasets.create("projects/letters", dataset_id="mail")
        version = sdk.dataset_versions.create("projects/letters/datasets/mail", sources=[source]).name
        until(lambda: sdk.dataset_versions.get(version).state == "STATE_READY", 90, "the version is ready")
        assert "What each step took" in client.get(f"/p/letters/data/mail/{version.rpartition('/')[2]}").text
        plan = client.get("/p/letters/mixtures", params={"dataset": "mail", "version-0": version}).text
        assert "Build this mixture" in plan, plan
        export = {"name": "projects/letters/datasets/mail", "of": version, "format": "FORMAT_JSONL"}
        press(client, "create-export", export)
        until(lambda: bool(downloads(client)), 60, "the export has files")
        file = client.get(re.findall(r'href="(/p/letters/exports/mail/[^"]+jsonl)"', downloads(client))[0])
        assert json.loads(file.text.splitlines()[0])["label"] == "a"


def downloads(client: httpx.Client) -> str:
    """Return the page of exports once one of them has a file, else an empty text."""
    page = client.get("/p/letters/exports/mail").text
    return page if ".jsonl" in page else ""


def press(client: httpx.Client, action: str, fields: dict[str, str], status: int = 200) -> str:
    page = client.get("/p/letters").text
    form_key = re.search(r'name="form_key" value="([^"]+)"', page)
    assert form_key is not None
    form = {"form_key": form_key[1], "request_id": action, "back": "/p/letters", **fields}
    answer = client.post(f"/p/letters/do/{action}", data=form)
    assert answer.status_code == status, answer.text
    return answer.text


def test_a_missing_page_is_reported(installation):
    with logged_in(installation) as client:
        for path in ("/p/nothing", "/p/letters/training/none", "/nowhere"):
            answer = client.get(path)
            assert answer.status_code == 404
            assert 'class="notice bad"' in answer.text


def test_it_is_started_again_after_it_died(installation):
    (console,) = [each for each in installation.processes.running() if each.name == "console"]
    os.kill(console.mark.pid, signal.SIGKILL)
    until(lambda: not console.mark.alive(), 10, "the console ends")
    up(installation)
    assert installation.ready("console")
    with logged_in(installation) as client:
        assert "letters" in client.get("/").text
