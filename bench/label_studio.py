"""Label Studio on this machine, in an environment of its own: a server on SQLite and loopback, and its HTTP API.

It is the peer of `bench/labeling/load.py`, and reads and writes the files of `tests/outside/test_label_studio.py`.
"""

import json
import os
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.environments import environment
from ratoon.testkit.ports import free_ports

TOKEN = "0123456789abcdef0123456789abcdef01234567"
_START_S = 240.0
_SETTINGS = {
    "COLLECT_ANALYTICS": "false",
    "LATEST_VERSION_CHECK": "false",
    "SENTRY_DSN": "",
    "FRONTEND_SENTRY_DSN": "",
    "SSRF_PROTECTION_ENABLED": "false",
    "DJANGO_SETTINGS_MODULE": "label_studio.core.settings.label_studio",
}
_SEED = """
import json, sys
from pathlib import Path
import label_studio
sys.path.insert(0, str(Path(label_studio.__file__).parent))
import django
django.setup()
from django.contrib.auth import get_user_model
from organizations.models import Organization
from projects.models import Project
from rest_framework.authtoken.models import Token
from tasks.models import Task
spec = json.load(sys.stdin)
User, organization = get_user_model(), Organization.objects.first()
keys = []
for number in range(spec["annotators"]):
    user = User.objects.create_user(f"a{number}@example.com", "password-of-a-test")
    user.active_organization = organization
    user.save()
    organization.add_user(user)
    keys.append(Token.objects.get_or_create(user=user)[0].key)
project = Project.objects.get(pk=spec["project"])
for start in range(0, spec["tasks"], 5000):
    texts = [f"{spec['text']} {n}" for n in range(start, min(start + 5000, spec["tasks"]))]
    Task.objects.bulk_create([Task(project=project, data={"text": text}) for text in texts])
print(json.dumps(keys))
"""


@dataclass(frozen=True)
class LabelStudio:
    """A running server."""

    url: str
    folder: Path
    pid: int

    def call(self, method: str, path: str, body: object = None, token: str = TOKEN) -> Any:
        """Call the API; returns the JSON of the answer, None without one."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"authorization": f"Token {token}", "content-type": "application/json"}
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=120) as response:
                text = response.read()
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"{method} {path}: {error.code} {error.read()[:500]!r}") from error
        return json.loads(text) if text.strip() else None

    def create_project(self, title: str, label_config: str) -> int:
        """Create a project with a labeling config; its id."""
        created = self.call("POST", "/api/projects/", {"title": title, "label_config": label_config})
        return int(created["id"])

    def add(self, project: int, tasks: int, annotators: int, text: str) -> list[str]:
        """Write tasks and users into the database; returns the tokens of the users."""
        spec = {"project": project, "tasks": tasks, "annotators": annotators, "text": text}
        python = environment("label-studio") / "bin/python"
        ended = subprocess.run(
            [python, "-c", _SEED],
            input=json.dumps(spec),
            env=_environment(self.folder),
            capture_output=True,
            text=True,
            check=False,
        )
        if ended.returncode:
            raise RuntimeError(f"Label Studio's data could not be written: {ended.stderr[-2000:]}")
        keys: Sequence[str] = json.loads(ended.stdout.splitlines()[-1])
        return list(keys)


@contextmanager
def running(folder: Path) -> Iterator[LabelStudio]:
    """Start Label Studio with its data in a directory; stop it when the block ends."""
    (port,) = free_ports(1)
    program = environment("label-studio") / "bin/label-studio"
    command = [
        str(program), "start", "--no-browser", "--data-dir", str(folder), "--internal-host", "127.0.0.1",
        "-p", str(port), "--username", "a@example.com", "--password", "password-of-a-test",
        "--user-token", TOKEN, "--enable-legacy-api-token",
    ]  # fmt: skip
    log = folder / "server.log"
    with (
        log.open("wb") as out,
        subprocess.Popen(command, env=_environment(folder), stdout=out, stderr=out) as process,
    ):
        try:
            server = LabelStudio(f"http://127.0.0.1:{port}", folder, process.pid)
            _wait(server, process, log)
            yield server
        finally:
            process.terminate()


def _environment(folder: Path) -> dict[str, str]:
    return {**os.environ, **_SETTINGS, "LABEL_STUDIO_BASE_DATA_DIR": str(folder)}


def _wait(server: LabelStudio, process: "subprocess.Popen[bytes]", log: Path) -> None:
    until = time.monotonic() + _START_S
    while True:
        try:
            server.call("GET", "/api/version")
            return
        except (OSError, RuntimeError):
            if process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"Label Studio did not start: {log.read_text()[-2000:]}") from None
            time.sleep(0.5)
