"""An environment for the console: a real gateway, services in memory, a mock engine, a headless Chromium."""

import asyncio
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from axe_playwright_python.base import AXE_SCRIPT, AxeResults
from playwright.sync_api import Browser, Page, sync_playwright

from ratoon.runtime.services import service_names
from ratoon.runtime.settings import run_folder, socket_address
from ratoon.serving.v1 import route_pb2
from ratoon.storage.artifacts import ArtifactStore
from ratoon.testkit.engine import MockEngine, Pace
from ratoon.testkit.services import State, running
from ratoon_console.entrypoints.request_context import COOKIE
from ratoon_gateway.settings import Settings
from services.console.tests import seed
from services.console.tests.memory import Memory
from services.console.tests.resources import JSON

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser") or ""
ROLES = ("caller", "viewer", "annotator", "engineer")
_COLOR_RULES = ("color-contrast", "link-in-text-block")


@dataclass
class ConsoleEnvironment:
    """The running processes; `memory` holds the resources of the services."""

    folder: Path
    memory: Memory
    artifacts: ArtifactStore
    gateway: str
    console: str
    engine: MockEngine
    keys: dict[str, str]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A headless Chromium of this machine."""
    if not CHROMIUM:
        pytest.skip("Chromium is missing: apt-get install chromium, or set CHROMIUM to its path")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def shared_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ConsoleEnvironment]:
    """The environment, started once; each test fills the memory again."""
    folder = tmp_path_factory.mktemp("console")
    state, memory = State(folder), Memory()
    run_folder(folder).mkdir(parents=True, exist_ok=True, mode=0o700)
    memory.own |= _methods()
    stack = ExitStack()
    for service in service_names():
        if service != "gateway":
            stack.callback(memory.serve(socket_address(folder, service)).stop, None)
    settings = Settings(state=state.folder, port=0, grpc="off", drain_s=1)
    with stack, _engine(folder) as engine, running([settings]) as apps:
        gateway = f"http://127.0.0.1:{apps[0].listeners[-1].port}"
        with _console(gateway, folder) as console:
            artifacts = ArtifactStore(settings.artifacts_url)
            seed.busy_project(memory, artifacts)
            keys = {"operator": (folder / "keys" / "operator.key").read_text().strip()}
            keys |= {role: _key(gateway, keys["operator"], role) for role in ROLES}
            yield ConsoleEnvironment(folder, memory, artifacts, gateway, console, engine, keys)


@pytest.fixture
def environment(shared_environment: ConsoleEnvironment) -> ConsoleEnvironment:
    """The environment with a busy project, and a mock engine that answers for v1.0."""
    shared_environment.memory.resources.clear()
    shared_environment.memory.calls.clear()
    shared_environment.memory.away = False
    seed.busy_project(shared_environment.memory, shared_environment.artifacts)
    shared_environment.memory.route(_route(shared_environment.folder))
    return shared_environment


@pytest.fixture
def open_page(browser: Browser, shared_environment: ConsoleEnvironment) -> Iterator[Callable[..., Page]]:
    """Opens a page of the console as a role; what the page's script complains of fails the test."""
    contexts, complaints = [], []

    def opened(path: str = "/", role: str = "operator", width: int = 1280, scheme: str = "light") -> Page:
        context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(20_000)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "console",
            lambda message: complaints.append(message.text) if "Content Security" in message.text else None,
        )
        if role:
            value, url = _session(shared_environment, role), shared_environment.console
            context.add_cookies([{"name": COOKIE, "value": value, "url": url, "sameSite": "Strict"}])
        page.goto(shared_environment.console + path)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert complaints == []


def log_in(page: Page, environment: ConsoleEnvironment, role: str) -> None:
    """Log in by the form of the page that is open."""
    page.get_by_label("API key").fill(environment.keys[role])
    page.get_by_role("button", name="Log in").click()


def accessible(page: Page) -> None:
    """Fail with what axe finds wrong."""
    _check(page, {})


def accessible_colors(page: Page) -> None:
    """Fail with what axe finds wrong in colors, which alone differ between the schemes."""
    _check(page, {"runOnly": list(_COLOR_RULES)})


def _check(page: Page, options: dict[str, object]) -> None:
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE_SCRIPT)
    response = page.evaluate("options => axe.run(options)", {"resultTypes": ["violations"], **options})
    results = AxeResults(response)
    assert results.violations_count == 0, results.generate_report()


def _session(environment: ConsoleEnvironment, role: str) -> str:
    """Log in as the form does; return the value of the cookie."""
    response = httpx.post(f"{environment.console}/login", data={"key": environment.keys[role]})
    return str(response.cookies[COOKIE])


def _methods() -> dict[str, Callable[[Memory, JSON], JSON]]:
    """Methods of services that do more than store."""

    def complete(memory: Memory, request: JSON) -> JSON:
        label = request.get("label", "")
        state = "STATE_DONE" if label else "STATE_SKIPPED"
        return memory.put(request["name"], label=label, state=state, annotator="somebody")

    def submit(memory: Memory, request: JSON) -> JSON:
        return {"task": memory.own["CompleteTask"](memory, request)}

    def rollout(**fields: object) -> Callable[[Memory, JSON], JSON]:
        return lambda memory, request: memory.put(request["name"], **fields)

    def undo(memory: Memory, request: JSON) -> JSON:
        undone = memory.resources[request["name"]]
        name = f"{seed.DEPLOYMENT}/rollouts/undo"
        return memory.put(
            name, state="STATE_QUEUED", toVersion=undone["fromVersion"], fromVersion=undone["toVersion"]
        )

    def decide(approved: bool) -> Callable[[Memory, JSON], JSON]:
        def decided(memory: Memory, request: JSON) -> JSON:
            approval = {"approved": approved, "decider": "somebody", "reason": request.get("reason", "")}
            return memory.put(request["name"], stages=[], approval=approval)

        return decided

    return {
        "CompleteTask": complete,
        "SubmitTask": submit,
        "PauseRollout": rollout(paused=True),
        "ResumeRollout": rollout(paused=False),
        "AbortRollout": rollout(state="STATE_ROLLING_BACK"),
        "UndoRollout": undo,
        "ApprovePipelineRun": decide(True),
        "RejectPipelineRun": decide(False),
        "CompareVersions": lambda _memory, request: {
            "version": {"version": request["version"], "satisfaction": 0.9, "satisfactionLow": 0.8},
            "otherVersion": {
                "version": request["otherVersion"],
                "satisfaction": 0.7,
                "satisfactionHigh": 0.8,
            },
            "difference": 0.2,
            "conclusive": True,
        },
        "CancelPipelineRun": rollout(state="STATE_CANCELLING"),
        "GetRecordLineage": lambda _memory, request: {"recordId": request["recordId"]},
    }


def _route(folder: Path) -> route_pb2.Route:
    target = route_pb2.Target(
        engine=f"{seed.DEPLOYMENT}/engines/a",
        version=f"{seed.MODEL}/versions/v1.0",
        endpoint=f"unix://{_engine_socket(folder)}",
        secret="secret-of-a",
        weight=100,
        served_name="served",
    )
    return route_pb2.Route(deployment=seed.DEPLOYMENT, targets=[target])


def _engine_socket(folder: Path) -> Path:
    return run_folder(folder) / "engine.sock"


class _engine:
    """A mock engine on a loop of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._loop, self._stop = folder, asyncio.new_event_loop(), asyncio.Event()
        self._engine = MockEngine("v1.0", secret="secret-of-a", pace=Pace(tokens=6, interval_s=0.02))
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(),))

    def __enter__(self) -> MockEngine:
        self._thread.start()
        self._ready.wait(10)
        return self._engine

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    async def _serve(self) -> None:
        async with self._engine.serve(_engine_socket(self._folder)):
            self._ready.set()
            await self._stop.wait()


class _console:
    """The console as its own process."""

    def __init__(self, gateway: str, folder: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self._port = probe.getsockname()[1]
        self._environment = {
            **os.environ,
            "RATOON_CONSOLE_GATEWAY": gateway,
            "RATOON_CONSOLE_PORT": str(self._port),
            "RATOON_CONSOLE_REFRESH_S": "1",
        }
        self._log = folder / "console.log"

    def __enter__(self) -> str:
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "ratoon_console"], env=self._environment, stdout=log, stderr=log
            )
        url, until = f"http://127.0.0.1:{self._port}", time.monotonic() + 30
        while True:
            try:
                urllib.request.urlopen(f"{url}/healthz", timeout=2).close()
                return url
            except OSError:
                assert time.monotonic() < until, self._log.read_text()
                time.sleep(0.1)

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(10)
        assert "Traceback" not in (log := self._log.read_text()), log


def _key(gateway: str, operator: str, role: str) -> str:
    response = httpx.post(
        f"{gateway}/v1/projects/mail/apiKeys",
        json={"role": f"ROLE_{role.upper()}"},
        headers={"authorization": f"Bearer {operator}"},
        params={"requestId": role},
    )
    response.raise_for_status()
    return str(response.json()["secret"])
