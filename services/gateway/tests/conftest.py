"""A house around the gateway: serving and flywheel as fakes on their sockets, engines as mocks."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, ExitStack, closing, contextmanager
from functools import partial
from pathlib import Path

import grpc
import httpx
import openai
import pytest

from ratoon.flywheel.v1 import (
    external_event_pb2,
    flywheel_service_pb2,
    pipeline_run_pb2,
    project_pb2,
    signal_pb2,
)
from ratoon.flywheel.v1.flywheel_service_pb2_grpc import (
    FlywheelServiceServicer,
    add_FlywheelServiceServicer_to_server,
)
from ratoon.runtime.settings import run_folder, socket_address
from ratoon.serving.v1 import route_pb2, serving_service_pb2
from ratoon.serving.v1.serving_service_pb2_grpc import (
    ServingServiceServicer,
    add_ServingServiceServicer_to_server,
)
from ratoon.testkit.engine import MockEngine, Pace
from ratoon.testkit.postgresql import Databases
from ratoon.testkit.services import State, answering, running
from ratoon.testkit.waiting import until
from ratoon_gateway.settings import Settings

DEPLOYMENT = "projects/p/deployments/mail-triage"
LONGEST_S = 0.3
"""Seconds until a segment of traffic is full: tests wait less for it."""


class FakeServing(ServingServiceServicer):
    """Streams the table it was given last, and remembers what gateways report."""

    def __init__(self) -> None:
        self.table = route_pb2.RouteTable(version=1)
        self.reports: list[serving_service_pb2.ReportTrafficRequest] = []
        self.changed = threading.Condition()

    def WatchRouteTable(self, request, context):
        version = 0
        while context.is_active():
            with self.changed:
                self.changed.wait_for(lambda seen=version: self.table.version > seen, timeout=0.2)
                table = self.table
            if table.version > version:
                version = table.version
                yield table

    def ReportTraffic(self, request, context):
        self.reports.append(request)
        return serving_service_pb2.ReportTrafficResponse()


class FakeFlywheel(FlywheelServiceServicer):
    """Takes segments and feedback; `away` makes it refuse as a service that is down does."""

    def __init__(self) -> None:
        self.segments: list[flywheel_service_pb2.CreateTrafficSegmentRequest] = []
        self.feedback: dict[str, flywheel_service_pb2.CreateFeedbackRequest] = {}
        self.events: list[flywheel_service_pb2.CreateExternalEventRequest] = []
        self.requests: list[object] = []
        self.failing: dict[int, grpc.StatusCode] = {}
        """What happens to the segment that comes as the n-th new one."""
        self.segment_ids: list[str] = []
        self.metadata: dict[str, str] = {}
        self.away = False

    def CreateTrafficSegment(self, request, context):
        self._check(context)
        if request.traffic_segment_id not in self.segment_ids:
            self.segment_ids.append(request.traffic_segment_id)
        code = self.failing.get(self.segment_ids.index(request.traffic_segment_id))
        if code is not None:
            context.abort(code, "This segment cannot be read.")
        self.segments.append(request)
        return request.traffic_segment

    def CreateFeedback(self, request, context):
        self._check(context)
        self.feedback[request.request_id] = request
        return signal_pb2.Feedback(name=f"{request.parent}/feedback/{request.request_id}")

    def CreateExternalEvent(self, request, context):
        self._check(context)
        if request.external_event.type == "unknown":
            context.abort(grpc.StatusCode.NOT_FOUND, "No policy expects it.")
        self.events.append(request)
        return external_event_pb2.ExternalEvent(name=f"{request.parent}/externalEvents/e")

    def GetProject(self, request, context):
        self.metadata = dict(context.invocation_metadata())
        if request.name.endswith("/none"):
            context.abort(grpc.StatusCode.NOT_FOUND, "projects/none does not exist.")
        return project_pb2.Project(name=request.name, display_name="Mail")

    def UpdateProject(self, request, context):
        self.requests.append(request)
        return request.project

    def ListFeedback(self, request, context):
        self.requests.append(request)
        return flywheel_service_pb2.ListFeedbackResponse()

    def WatchPipelineRun(self, request, context):
        for revision in range(request.revision + 1, 4):
            if self.away and revision == 3:
                context.abort(grpc.StatusCode.UNAVAILABLE, "away")
            yield pipeline_run_pb2.PipelineRun(name=request.name, revision=revision)
        while request.name.endswith("/endless") and context.is_active():
            time.sleep(0.05)

    def clear(self) -> None:
        """Forget all requests, and answer again."""
        self.away = False
        self.failing, self.metadata = {}, {}
        for each in (self.segments, self.feedback, self.events, self.requests, self.segment_ids):
            each.clear()

    def _check(self, context):
        if self.away:
            context.abort(grpc.StatusCode.UNAVAILABLE, "away")


class Engines:
    """Mock engines on an event loop of their own."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._loop = folder, asyncio.new_event_loop()
        self._stacks: dict[str, AsyncExitStack] = {}
        self._round = 0
        self._thread = threading.Thread(target=self._loop.run_forever, name="engines")
        self._thread.start()

    def start(self, name: str, version: str, pace: Pace | None = None) -> MockEngine:
        engine = MockEngine(version, secret=f"secret-of-{name}", pace=pace or Pace())
        stack = AsyncExitStack()
        self._run(stack.enter_async_context(engine.serve(self.socket(name))))
        self._stacks[name] = stack
        return engine

    def kill(self, name: str) -> None:
        self._run(self._stacks.pop(name).aclose())

    def call(self, function: Callable[[], object]) -> None:
        """Run this on the engines' loop."""

        async def call() -> None:
            function()

        self._run(call())

    def socket(self, name: str) -> Path:
        return self._folder / f"{name}-{self._round}.sock"

    def clear(self) -> None:
        """End all engines; later ones of the same names listen elsewhere, where no connection leads to yet."""
        for name in list(self._stacks):
            self.kill(name)
        self._round += 1

    def close(self) -> None:
        self.clear()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, work) -> object:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)


class Stack:
    """All of it."""

    def __init__(self, folder: Path, engines: Engines, serving: FakeServing, flywheel: FakeFlywheel) -> None:
        self.folder, self.engines = folder, engines
        self.serving, self.flywheel = serving, flywheel
        self.port = 0
        self.grpc = ""
        self._clients = ExitStack()
        self.settings: Settings

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def operator_key(self) -> str:
        return (self.folder / "keys" / "operator.key").read_text().strip()

    @contextmanager
    def second_gateway(self) -> Iterator[httpx.Client]:
        """A second gateway over the same database, as the operator calls it."""
        settings = self.settings.model_copy(
            update={"grpc": "off", "listen": f"unix://{run_folder(self.folder)}/gateway-2.sock"}
        )
        with running([settings]) as apps:
            headers = {"authorization": f"Bearer {self.operator_key}"}
            url = f"http://127.0.0.1:{apps[0].listeners[-1].port}"
            with httpx.Client(base_url=url, headers=headers, timeout=30.0) as client:
                yield client

    def client(self, **options) -> openai.OpenAI:
        arguments = {"api_key": self.operator_key, "max_retries": 0, "timeout": 30.0, **options}
        client = openai.OpenAI(base_url=f"{self.url}/v1", **arguments)
        self._clients.callback(client.close)
        return client

    def clear(self) -> None:
        """End the clients, engines and routes of a test, and forget what reached the fakes; keys and usage stay."""
        self.close()
        if self.serving.table.routes:
            self._publish()
        self.engines.clear()
        self.serving.reports.clear()
        self.flywheel.clear()

    def spooled(self) -> list[Path]:
        """Return the files of captured traffic that flywheel does not have yet."""
        return list((self.folder / "gateway" / "segments").iterdir())

    def close(self) -> None:
        """Close the clients."""
        self._clients.close()

    def target(self, engine: str, version: str, weight: int = 100, **more: object) -> route_pb2.Target:
        return route_pb2.Target(
            engine=f"{DEPLOYMENT}/engines/{engine}",
            version=f"projects/p/models/mail/versions/{version}",
            endpoint=f"unix://{self.engines.socket(engine)}",
            secret=f"secret-of-{engine}",
            weight=weight,
            served_name=f"served-{version}",
            **more,
        )

    def http(self, key: str | None = None) -> httpx.Client:
        """A plain HTTP client that shows a key, the operator's unless told otherwise."""
        shown = self.operator_key if key is None else key
        headers = {"authorization": f"Bearer {shown}"} if shown else {}
        client = httpx.Client(base_url=self.url, headers=headers, timeout=30.0)
        self._clients.callback(client.close)
        return client

    def route(self, *targets: route_pb2.Target, **settings: float) -> None:
        """Publish a table with these targets, and wait until the gateway routes by it."""
        self._publish(route_pb2.Route(deployment=DEPLOYMENT, targets=targets, **settings))

    def _publish(self, *routes: route_pb2.Route) -> None:
        with self.serving.changed:
            version = self.serving.table.version + 1
            self.serving.table = route_pb2.RouteTable(version=version, routes=routes)
            self.serving.changed.notify_all()
        until(lambda: any(r.route_table_version >= version for r in self.serving.reports[-3:]))


@contextmanager
def _running_stack(
    folders: pytest.TempPathFactory, databases: Databases, further: dict[str, object]
) -> Iterator[Stack]:
    tmp_path = folders.mktemp("g")
    state = State(tmp_path)
    run_folder(state.folder).mkdir(parents=True, exist_ok=True, mode=0o700)
    serving, flywheel = FakeServing(), FakeFlywheel()
    engines = Engines(run_folder(state.folder))
    add_serving = partial(add_ServingServiceServicer_to_server, serving)
    add_flywheel = partial(add_FlywheelServiceServicer_to_server, flywheel)
    stack = Stack(tmp_path, engines, serving, flywheel)
    stack.grpc = "unix://" + str(run_folder(tmp_path) / "proxy.sock")
    url = databases.url("gateway", tmp_path)
    settings = Settings(
        state=tmp_path, port=0, grpc=stack.grpc, drain_s=2, leave_s=0.1, database_url=url, **further
    )
    stack.settings = settings
    with (
        pytest.MonkeyPatch.context() as patched,
        closing(engines),
        answering(socket_address(tmp_path, "serving"), add_serving, threads=16),
        answering(socket_address(tmp_path, "flywheel"), add_flywheel, threads=16),
    ):
        patched.setattr("ratoon_gateway.domain.segments.LONGEST_S", LONGEST_S)
        with running([settings]) as apps, closing(stack):
            stack.port = apps[0].listeners[-1].port
            yield stack


@pytest.fixture(scope="session")
def running_stack(tmp_path_factory: pytest.TempPathFactory, databases: Databases):
    """Return a context in which a gateway runs with further settings, and with no engine yet."""
    return partial(_running_stack, tmp_path_factory, databases)


@pytest.fixture
def stack(request: pytest.FixtureRequest, running_stack) -> Iterator[Stack]:
    """A running gateway of the test's own; a test may give it further settings as the fixture's parameter."""
    with running_stack(getattr(request, "param", {})) as created:
        yield created
