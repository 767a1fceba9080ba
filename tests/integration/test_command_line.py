"""The command line over the public API of all services: what is refused says what to do, and nothing is half done."""

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import yaml

from ratoon import cli
from ratoon.runtime.services import service_names
from ratoon.runtime.settings import run_folder, settings_class
from ratoon.testkit.ports import free_ports
from ratoon.testkit.services import State, running

Ratoon = Callable[..., tuple[int, str, str]]
DIGEST = "0" * 64


@dataclass(frozen=True)
class Environment:
    """All services in this process: the address of their gateway, and the operator's key."""

    url: str
    key: str


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Environment]:
    folder = tmp_path_factory.mktemp("installation")
    run_folder(folder).mkdir(parents=True, exist_ok=True, mode=0o700)
    options = {"gateway": {"port": 0, "grpc": "off"}, "ingestion": {"processes": 1}}
    settings = [settings_class(name)(state=folder, **options.get(name, {})) for name in service_names()]
    with State(folder), running(settings) as apps:
        gateway = next(app for app in apps if app.settings.service == "gateway")
        key = (folder / "keys" / "operator.key").read_text().strip()
        yield Environment(f"http://127.0.0.1:{gateway.listeners[-1].port}", key)


@pytest.fixture
def ratoon(
    environment: Environment, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Ratoon:
    """Run the program with the operator's role: exit status, standard output, standard error."""
    monkeypatch.setenv("COLUMNS", "400")
    monkeypatch.setenv("RATOON_URL", environment.url)
    monkeypatch.setenv("RATOON_API_KEY", environment.key)
    monkeypatch.setenv("RATOON_PROJECT", "p")

    def run(*arguments: str) -> tuple[int, str, str]:
        cli._SESSION.__dict__.pop("client", None)
        monkeypatch.setattr(sys, "argv", ["ratoon", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        printed = capsys.readouterr()
        return int(ended.value.code or 0), printed.out, " ".join(printed.err.split())

    return run


@pytest.fixture(autouse=True)
def project(ratoon: Ratoon, tmp_path: Path) -> None:
    """A project, created once."""
    file = tmp_path / "project.yaml"
    file.write_text("labels: [ham, spam]\ninstructions: Ham or spam?\n")
    status, _, errors = ratoon("create", "projects", "p", "-f", str(file), "--request-id", "project")
    assert status == 0, errors


def test_a_resource_is_read_changed_and_deleted(ratoon, tmp_path):
    file = tmp_path / "policy.yaml"
    file.write_text("minAnswers: 300\ndryRun: true\n")
    assert ratoon("create", "policies", "a", "-f", str(file))[0] == 0
    _, printed, _ = ratoon("get", "policies", "a", "-o", "yaml")
    policy = yaml.safe_load(printed)
    assert (policy["minAnswers"], policy["dryRun"]) == (300, True)
    file.write_text(yaml.safe_dump({**policy, "minAnswers": 301}))
    assert ratoon("update", "policies", "a", "-f", str(file))[0] == 0
    status, _, errors = ratoon("update", "policies", "a", "-f", str(file), "--min-answers", "302")
    assert (status, "etag" in errors.lower() or "changed" in errors) == (5, True), errors
    assert json.loads(ratoon("get", "policies", "a", "-o", "json")[1])["minAnswers"] == 301
    assert ratoon("update", "policies", "a", "--paused")[0] == 0
    assert ratoon("list", "policies", "-o", "name")[1].split() == ["projects/p/policies/a"]
    assert ratoon("delete", "policies", "a", "--yes")[0] == 0
    status, _, errors = ratoon("get", "policies", "a")
    assert (status, "policies/a" in errors) == (3, True), errors


def test_what_is_printed_is_what_the_api_answered(ratoon, environment, tmp_path):
    file = tmp_path / "policy.yaml"
    file.write_text("minAnswers: 300\ndriftThreshold: 0.25\nsettleSeconds: 5\ncooldownSeconds: 3600\n")
    assert ratoon("create", "policies", "b", "-f", str(file))[0] == 0
    headers = {"authorization": f"Bearer {environment.key}"}
    for name in ("projects/p", "projects/p/policies/b"):
        answered = httpx.get(f"{environment.url}/v1/{name}", headers=headers).json()
        printed = json.loads(ratoon("get", name.split("/")[-2], name, "-o", "json")[1])
        assert json.dumps(printed, sort_keys=True) == json.dumps(answered, sort_keys=True)
    assert ratoon("delete", "policies", "b", "--yes")[0] == 0


def test_several_documents_are_created_and_what_exists_is_a_conflict(ratoon, tmp_path):
    file = tmp_path / "datasets.yaml"
    file.write_text("name: one\ndisplayName: One\n---\nname: two\n---\nname: three\n")
    status, printed, errors = ratoon("create", "datasets", "-f", str(file), "-o", "name")
    assert status == 0, errors
    assert printed.split() == [f"projects/p/datasets/{name}" for name in ("one", "two", "three")]
    file.write_text("name: four\n---\nname: one\ndisplayName: Other\n---\nname: five\n")
    status, printed, errors = ratoon("create", "datasets", "-f", str(file), "-o", "name")
    assert (status, printed.split()) == (5, ["projects/p/datasets/four", "projects/p/datasets/five"]), errors
    assert "datasets.yaml:3: " in errors


def test_the_token_of_another_list_is_refused(ratoon, tmp_path):
    file = tmp_path / "guidelines.yaml"
    file.write_text("".join(f"---\nname: g{n}\nlabels: [a, b]\ninstructions: Which?\n" for n in range(3)))
    assert ratoon("create", "guidelines", "-f", str(file))[0] == 0
    status, printed, errors = ratoon("list", "guidelines", "--page-size", "2", "-o", "name")
    assert (status, len(printed.split())) == (0, 2)
    token = errors.rpartition("--page-token ")[2]
    rest = ratoon("list", "guidelines", "--page-size", "2", "--page-token", token, "-o", "name")
    assert rest[1].split() == ["projects/p/guidelines/g2"]
    status, printed, errors = ratoon("list", "datasets", "--page-token", token)
    assert (status, printed) == (2, ""), errors
    assert "page token" in errors


@pytest.mark.parametrize(
    ("arguments", "status", "sentence"),
    [
        (["create", "sources", "s", "--digest", DIGEST, "--format", "csv"], 5, "blob"),
        (["create", "policies", "x", "--drift-threshold", "-1"], 2, "drift"),
        (["create", "datasets", "Not an ID"], 2, "dataset"),
        (["get", "dataset-versions", "v1", "--in", "nothing"], 3, "nothing"),
        (["list", "tasks", "--filter", "colour = red"], 2, "colour"),
        (["list", "datasets", "--order-by", "size"], 2, "order"),
    ],
)
def test_what_the_server_refuses_says_why(ratoon, arguments, status, sentence):
    ended, printed, errors = ratoon(*arguments)
    assert (ended, printed) == (status, ""), errors
    assert sentence in errors.lower()


def test_a_key_without_the_role_is_denied(ratoon, monkeypatch):
    created = ratoon("create", "api-keys", "reader", "--role", "viewer", "-o", "json")[1]
    monkeypatch.setenv("RATOON_API_KEY", json.loads(created)["secret"])
    assert ratoon("get", "projects", "p")[0] == 0
    status, _, errors = ratoon("create", "datasets", "d")
    assert (status, "engineer" in errors) == (4, True), errors
    monkeypatch.setenv("RATOON_API_KEY", "wrong")
    assert ratoon("get", "projects", "p")[0] == 4


def test_a_server_that_is_away_is_unreachable(ratoon, monkeypatch):
    monkeypatch.setenv("RATOON_URL", f"http://127.0.0.1:{free_ports()[0]}")
    status, _, errors = ratoon("create", "datasets", "d")
    assert (status, "No server responds" in errors) == (6, True), errors


def test_files_go_into_the_store_and_out_of_it(ratoon, tmp_path):
    (tmp_path / "a.csv").write_text("text,label\nhello,ham\n")
    _, printed, _ = ratoon("blobs", "upload", str(tmp_path / "a.csv"), "-o", "name")
    digest = printed.strip()
    assert ratoon("blobs", "exists", digest)[0] == 0
    assert ratoon("blobs", "download", digest, str(tmp_path / "b.csv"))[0] == 0
    assert (tmp_path / "b.csv").read_text() == (tmp_path / "a.csv").read_text()
    assert ratoon("blobs", "download", DIGEST, str(tmp_path / "c.csv"))[0] == 3
    assert not (tmp_path / "c.csv").exists()
    source = ["create", "sources", "a", "--digest", digest, "--format", "csv"]
    assert ratoon(*source, "--columns", "{text: text, label: label}", "--license", "CC0-1.0")[0] == 0
    status, printed, errors = ratoon(
        *("preview", "sources", "--digest", digest, "--format", "csv"),
        *("--columns", "{text: text, label: label}", "-o", "json"),
    )
    assert (status, json.loads(printed)["recordCount"]) == (0, "1"), errors


def test_keys_are_created_rotated_and_revoked(ratoon, monkeypatch):
    _, printed, _ = ratoon("create", "api-keys", "k", "--role", "viewer", "--expire-time", "1d", "-o", "json")
    secret = json.loads(printed)["secret"]
    assert ratoon("keys", "limit", "k", "--requests-per-minute", "60")[0] == 0
    assert ratoon("update", "api-keys", "k", "--limits", "{tokensPerDay: 9000}")[0] == 0
    limits = json.loads(ratoon("get", "api-keys", "k", "-o", "json")[1])["limits"]
    assert (int(limits["requestsPerMinute"]), int(limits["tokensPerDay"])) == (60, 9000)
    assert json.loads(ratoon("usage", "api-keys", "k", "-o", "json")[1])["total"] is not None
    _, printed, _ = ratoon("issue", "token", "--key", secret, "-o", "json")
    assert json.loads(printed)["accessToken"]
    assert ratoon("revoke", "api-keys", "k")[0] == 0
    monkeypatch.setenv("RATOON_API_KEY", secret)
    assert ratoon("get", "projects", "p")[0] == 4


def test_served_models_are_listed(ratoon):
    assert ratoon("models", "served", "-o", "json")[1].strip() == "[]"
    status, _, errors = ratoon("ask", "hello")
    assert status == 3, errors
