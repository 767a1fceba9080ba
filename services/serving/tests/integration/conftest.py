"""Serving with gRPC, database and mock engines over real sockets, and a registry in memory."""

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ratoon.security.identity import Role
from ratoon.service.app import Platform, ServiceRuntime
from ratoon.serving.v1 import deployment_pb2, rollout_pb2, route_pb2
from ratoon.serving.v1 import serving_service_pb2 as pb
from ratoon.serving.v1.serving_service_pb2_grpc import ServingServiceStub
from ratoon.storage.migrations import migrate
from ratoon.testkit.services import State, serving
from ratoon.testkit.waiting import until
from ratoon_serving.adapters import tables
from ratoon_serving.bootstrap import assemble
from ratoon_serving.settings import Settings


def _load_module(name: str):
    spec = importlib.util.spec_from_file_location(f"serving_{name}", Path(__file__).parents[1] / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


simulated, callers = _load_module("simulated"), _load_module("callers")

MODEL = "projects/p/models/mail"
S = rollout_pb2.Rollout
BAKE_S = 0.1


class Installation:
    """Running service with its fakes and clients."""

    def __init__(self, state: State, host, models) -> None:
        self.host, self.models = host, models
        self.operator = ServingServiceStub(state.as_role(Role.OPERATOR, "serving"))
        self.gateway = ServingServiceStub(state.as_service("gateway", "serving"))
        self._count = 0

    def deployment(self, model: str = MODEL) -> str:
        self._count += 1
        request = pb.CreateDeploymentRequest(
            parent="projects/p",
            deployment_id=f"d{self._count}",
            deployment=deployment_pb2.Deployment(model=model),
        )
        return self.operator.CreateDeployment(request).name

    def version(self, number: str, model=simulated.WHOLE) -> str:
        return self.models.add(f"{MODEL}/versions/{number}", model=model)

    def begin(
        self, deployment: str, version: str, strategy=S.STRATEGY_UNSPECIFIED, **bake
    ) -> rollout_pb2.Rollout:
        rollout = S(to_version=version, strategy=strategy, bake=S.Bake(**{"seconds": BAKE_S, **bake}))
        return self.operator.CreateRollout(pb.CreateRolloutRequest(parent=deployment, rollout=rollout))

    def end(self, rollout: rollout_pb2.Rollout) -> rollout_pb2.Rollout:
        *_, last = self.operator.WatchRollout(pb.WatchRolloutRequest(name=rollout.name), timeout=60)
        return last

    def until(self, rollout: rollout_pb2.Rollout, step: str) -> None:
        for state in self.operator.WatchRollout(pb.WatchRolloutRequest(name=rollout.name), timeout=60):
            if any(s.state == step for s in state.steps):
                return

    def routed(self, deployment: str, split: dict[str, int]) -> None:
        """Wait until the route has this split: actions follow the state of a rollout."""
        until(
            lambda: {t.version: t.weight for t in self.route(deployment).targets} == split,
            20,
            lambda: self.route(deployment),
        )

    def serve(self, number: str, model=simulated.WHOLE) -> tuple[str, str]:
        deployment, version = self.deployment(), self.version(number, model)
        ended = self.end(self.begin(deployment, version))
        assert ended.state == S.STATE_SUCCEEDED, ended.reason
        return deployment, version

    def route(self, deployment: str) -> route_pb2.Route:
        table = self.gateway.GetRouteTable(pb.GetRouteTableRequest())
        return next(r for r in table.routes if r.deployment == deployment)


@pytest.fixture(scope="module")
def service(tmp_path_factory, databases) -> Iterator[Installation]:
    folder: Path = tmp_path_factory.mktemp("serving")
    settings = Settings(state=folder, database_url=databases.url("serving", folder))
    migrate("serving", settings.database_url)
    models = simulated.FakeModels()
    with State(folder) as state, simulated.SimulatedEngineHost(folder / "e") as host:
        base = ServiceRuntime(settings, Platform.of_process(), tables.METADATA)
        with serving([assemble(base, host, models)]):
            yield Installation(state, host, models)


@pytest.fixture(scope="session")
def simulation():
    """The module of simulated engines."""
    return simulated


@pytest.fixture(scope="module")
def two_replicas(tmp_path_factory, databases) -> Iterator[Installation]:
    """Two replicas of serving on one database and one host of engines, as while a new pod replaces an old one."""
    folder: Path = tmp_path_factory.mktemp("two")
    url = databases.url("serving", folder)
    models = simulated.FakeModels()
    listens = ({}, {"listen": f"unix://{folder}/other.sock"})
    chosen = [Settings(state=folder, database_url=url, **listen) for listen in listens]
    migrate("serving", chosen[0].database_url)
    with State(folder) as state, simulated.SimulatedEngineHost(folder / "e") as host:
        bases = [ServiceRuntime(each, Platform.of_process(), tables.METADATA) for each in chosen]
        with serving([assemble(base, host, models) for base in bases]):
            yield Installation(state, host, models)


@pytest.fixture(scope="session")
def verified_models(tmp_path_factory) -> Iterator[object]:
    """State directory with verified models and the fork server of real engines; the test run has one."""
    created = _load_module("real").Installation(tmp_path_factory.mktemp("serving"))
    yield created
    created.end_processes()


@pytest.fixture(scope="module")
def installation(verified_models) -> Iterator[object]:
    """State directory without deployments, in which serving with real engines can be restarted."""
    yield verified_models
    verified_models.clear()
