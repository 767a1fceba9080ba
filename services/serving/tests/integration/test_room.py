"""Serving as a room: gRPC, database and mock engines over real sockets, a registry in memory."""

import importlib.util
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ratoon.chassis.app import Foundation, Platform
from ratoon.chassis.errors import FailedPrecondition, InvalidArgument
from ratoon.chassis.identity import Role
from ratoon.chassis.migrations import migrate
from ratoon.serving.v1 import deployment_pb2, rollout_pb2, route_pb2
from ratoon.serving.v1 import serving_service_pb2 as pb
from ratoon.serving.v1.serving_service_pb2_grpc import ServingServiceStub
from ratoon.testkit.rooms import State, serving
from ratoon_serving.adapters import tables
from ratoon_serving.bootstrap import assemble
from ratoon_serving.settings import Settings

_PATH = Path(__file__).parents[1] / "simulated.py"
_SPEC = importlib.util.spec_from_file_location("serving_simulated", _PATH)
simulated = importlib.util.module_from_spec(_SPEC)
sys.modules["serving_simulated"] = simulated
_SPEC.loader.exec_module(simulated)

MODEL = "projects/p/models/mail"
S = rollout_pb2.Rollout
BAKE = S.Bake(seconds=1)


class Installation:
    """A running room and what is around it."""

    def __init__(self, state: State, host, models) -> None:
        self.host, self.models = host, models
        self.operator = ServingServiceStub(state.as_role(Role.OPERATOR, "serving"))
        self.gateway = ServingServiceStub(state.as_service("gateway", "serving"))
        self._count = 0

    def deployment(self) -> str:
        self._count += 1
        asked = pb.CreateDeploymentRequest(
            parent="projects/p",
            deployment_id=f"d{self._count}",
            deployment=deployment_pb2.Deployment(model=MODEL),
        )
        return self.operator.CreateDeployment(asked).name

    def version(self, number: str) -> str:
        return self.models.add(f"{MODEL}/versions/{number}")

    def begin(self, deployment: str, version: str, **bake) -> rollout_pb2.Rollout:
        rollout = S(to_version=version, bake=S.Bake(**{"seconds": 1, **bake}))
        return self.operator.CreateRollout(pb.CreateRolloutRequest(parent=deployment, rollout=rollout))

    def end(self, rollout: rollout_pb2.Rollout) -> rollout_pb2.Rollout:
        *_, last = self.operator.WatchRollout(pb.WatchRolloutRequest(name=rollout.name), timeout=60)
        return last

    def until(self, rollout: rollout_pb2.Rollout, step: str) -> None:
        for state in self.operator.WatchRollout(pb.WatchRolloutRequest(name=rollout.name), timeout=60):
            if any(s.state == step for s in state.steps):
                return

    def serve(self, number: str) -> tuple[str, str]:
        deployment, version = self.deployment(), self.version(number)
        assert self.end(self.begin(deployment, version)).state == S.STATE_SUCCEEDED
        return deployment, version

    def route(self, deployment: str) -> route_pb2.Route:
        table = self.gateway.GetRouteTable(pb.GetRouteTableRequest())
        return next(r for r in table.routes if r.deployment == deployment)


@pytest.fixture(scope="module")
def room(tmp_path_factory) -> Iterator[Installation]:
    folder: Path = tmp_path_factory.mktemp("serving")
    state = State(folder)
    settings = Settings(state=folder)
    migrate("serving", settings.database_url)
    host, models = simulated.SimulatedEngineHost(folder / "e"), simulated.FakeModels()
    base = Foundation(settings, Platform.of_process("test"), tables.METADATA)
    with serving([assemble(base, host, models)]):
        yield Installation(state, host, models)


def test_the_first_rollout_serves_and_the_alias_follows(room):
    deployment, version = room.serve("v1.0")
    (target,) = room.route(deployment).targets
    assert (target.version, target.weight, target.served_name) == (
        version,
        100,
        deployment.rsplit("/", 1)[-1],
    )
    assert target.endpoint.startswith("unix://")
    assert room.host.engine_of(version).secret == target.secret
    assert room.models.alias == version
    seen = room.operator.GetDeployment(pb.GetDeploymentRequest(name=deployment))
    assert (seen.version, seen.previous_version) == (version, "")


def test_the_next_version_takes_over_and_the_old_engine_goes(room):
    deployment, old = room.serve("v2.0")
    new = room.version("v2.1")
    ended = room.end(room.begin(deployment, new))
    assert (ended.state, ended.from_version, ended.progress.fraction) == (S.STATE_SUCCEEDED, old, 1.0)
    assert [t.version for t in room.route(deployment).targets] == [new]
    engines = room.operator.ListEngines(pb.ListEnginesRequest(parent=deployment)).engines
    assert [e.state for e in engines] == [
        deployment_pb2.Engine.STATE_STOPPED,
        deployment_pb2.Engine.STATE_READY,
    ]
    assert [s.state for s in ended.steps] == [
        "STARTING",
        "ATTESTING",
        "PROBING",
        "SHIFTING",
        "BAKING",
        "DRAINING",
        "PROMOTING",
        "SUCCEEDED",
    ]


def test_a_version_that_lies_about_its_weights_never_serves(room):
    deployment, old = room.serve("v3.0")
    room.host.dishonest.add(bad := room.version("v3.1"))
    ended = room.end(room.begin(deployment, bad))
    assert (ended.state, ended.failure.reason) == (S.STATE_FAILED, "ROLLOUT_FAILED")
    assert [t.version for t in room.route(deployment).targets] == [old]


def test_injected_errors_roll_a_version_back_by_themselves(room):
    deployment, old = room.serve("v4.0")
    bad = room.version("v4.1")
    rollout = room.begin(deployment, bad, seconds=30)
    room.until(rollout, "BAKING")
    fault = pb.InjectFaultRequest(name=deployment, version=bad, error_rate=0.5, seconds=60)
    room.operator.InjectFault(fault)
    ended = room.end(rollout)
    assert ended.state == S.STATE_ROLLED_BACK
    assert "probes failed" in ended.reason
    assert [t.version for t in room.route(deployment).targets] == [old]
    assert room.models.alias == old


def test_errors_that_gateways_report_roll_it_back(room):
    deployment, _ = room.serve("v5.0")
    bad = room.version("v5.1")
    rollout = room.begin(deployment, bad, seconds=30)
    room.until(rollout, "BAKING")
    engine = next(t.engine for t in room.route(deployment).targets if t.version == bad)
    report = route_pb2.TrafficReport(engine=engine, version=bad, request_count=20, error_count=9)
    report.start_time.GetCurrentTime()
    report.end_time.FromSeconds(report.start_time.seconds + 1)
    room.gateway.ReportTraffic(pb.ReportTrafficRequest(gateway="g", reports=[report, report]))
    ended = room.end(rollout)
    assert (ended.state, ended.reason) == (S.STATE_ROLLED_BACK, "9 of 20 requests failed, more than 5%")


def test_pause_abort_and_undo(room):
    deployment, old = room.serve("v6.0")
    new = room.version("v6.1")
    rollout = room.begin(deployment, new)
    assert room.operator.PauseRollout(pb.PauseRolloutRequest(name=rollout.name)).paused
    room.until(rollout, "PROBING")
    with pytest.raises(FailedPrecondition) as busy:
        room.begin(deployment, room.version("v6.2"))
    assert busy.value.reason == "ROLLOUT_ACTIVE"
    assert [t.version for t in room.route(deployment).targets] == [old]
    room.operator.AbortRollout(pb.AbortRolloutRequest(name=rollout.name, reason="not today"))
    assert room.end(rollout).state == S.STATE_CANCELLED
    done = room.end(room.begin(deployment, new))
    back = room.operator.UndoRollout(pb.UndoRolloutRequest(name=done.name))
    assert (back.to_version, back.from_version) == (old, new)
    assert room.end(back).state == S.STATE_SUCCEEDED
    with pytest.raises(FailedPrecondition) as spent:
        room.operator.UndoRollout(pb.UndoRolloutRequest(name=done.name))
    assert spent.value.reason == "NOTHING_TO_UNDO"


def test_an_engine_that_dies_between_rollouts_is_brought_back_and_proves_itself(room):
    deployment, version = room.serve("v7.0")
    (target,) = room.route(deployment).targets
    dead = room.host.engines[target.engine]
    room.host.die(target.engine)
    deadline = time.monotonic() + 30
    while room.host.engines[target.engine] is dead or not room.route(deployment).targets:
        assert time.monotonic() < deadline, "the engine was not brought back"
        time.sleep(0.05)
    assert room.route(deployment).targets[0].version == version
    assert room.operator.GetEngine(pb.GetEngineRequest(name=target.engine)).attested


def test_what_makes_no_sense_is_refused(room):
    deployment, version = room.serve("v8.0")
    with pytest.raises(FailedPrecondition) as same:
        room.begin(deployment, version)
    assert same.value.reason == "ALREADY_SERVING"
    with pytest.raises(FailedPrecondition) as raw:
        room.begin(deployment, room.models.add(f"{MODEL}/versions/v8.1", ready=False))
    assert raw.value.reason == "VERSION_NOT_READY"
    with pytest.raises(InvalidArgument):
        room.begin(deployment, room.version("v8.2"), max_error_rate=7)
    strange = S(to_version=room.version("v8.3"), strategy=S.STRATEGY_IN_PLACE)
    with pytest.raises(FailedPrecondition) as refused:
        room.operator.CreateRollout(pb.CreateRolloutRequest(parent=deployment, rollout=strange))
    assert refused.value.reason == "STRATEGY_UNAVAILABLE"


def test_the_same_request_id_gives_the_same_rollout(room):
    deployment, version = room.deployment(), room.version("v9.0")
    asked = pb.CreateRolloutRequest(parent=deployment, rollout=S(to_version=version), request_id="once")
    first = room.operator.CreateRollout(asked)
    assert room.end(first).state == S.STATE_SUCCEEDED
    assert room.operator.CreateRollout(asked).name == first.name
