"""Adapters of two projects on one base in one process: each project reaches its own, and none ends another's."""

import sys
from collections.abc import Iterator
from dataclasses import replace

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

S = rollout_pb2.Rollout
MAX_DEPLOYMENTS = 2


class Machine:
    """Serving on one machine where two deployments may share an engine."""

    def __init__(self, state: State, host, models) -> None:
        self.host, self.models, self.adapter = host, models, sys.modules["serving_simulated"].ADAPTER
        self.operator = ServingServiceStub(state.as_role(Role.OPERATOR, "serving"))
        self.gateway = ServingServiceStub(state.as_service("gateway", "serving"))

    def deployment(self, project: str, name: str = "mail") -> str:
        model = f"projects/{project}/models/{name}"
        deployment = deployment_pb2.Deployment(model=model)
        request = pb.CreateDeploymentRequest(
            parent=f"projects/{project}", deployment_id=name, deployment=deployment
        )
        return self.operator.CreateDeployment(request).name

    def roll_out(self, deployment: str, number: str, **fields) -> rollout_pb2.Rollout:
        """Roll out an adapter of the base; `fields` change it."""
        version = f"{deployment.replace('/deployments/', '/models/')}/versions/{number}"
        self.models.add(version, model=replace(self.adapter, **fields))
        rollout = S(to_version=version, bake=S.Bake(seconds=0.1))
        begun = self.operator.CreateRollout(pb.CreateRolloutRequest(parent=deployment, rollout=rollout))
        return self.end(begun)

    def end(self, rollout: rollout_pb2.Rollout) -> rollout_pb2.Rollout:
        *_, last = self.operator.WatchRollout(pb.WatchRolloutRequest(name=rollout.name), timeout=60)
        assert last.state == S.STATE_SUCCEEDED, last.reason
        return last

    def target(self, deployment: str) -> route_pb2.Target:
        (target,) = self.targets(deployment)
        return target

    def targets(self, deployment: str) -> list[route_pb2.Target]:
        table = self.gateway.GetRouteTable(pb.GetRouteTableRequest())
        return [t for route in table.routes if route.deployment == deployment for t in route.targets]


@pytest.fixture
def machine(tmp_path, databases, simulation) -> Iterator[Machine]:
    settings = Settings(state=tmp_path, database_url=databases.url("serving", tmp_path))
    migrate("serving", settings.database_url)
    models = simulation.FakeModels()
    with State(tmp_path) as state, simulation.SimulatedEngineHost(tmp_path / "e") as host:
        host.max_shared_adapters = MAX_DEPLOYMENTS
        base = ServiceRuntime(settings, Platform.of_process(), tables.METADATA)
        with serving([assemble(base, host, models)]):
            yield Machine(state, host, models)


@pytest.fixture
def shared(machine: Machine) -> tuple[str, str]:
    """Deployments of the same id of two projects, in one process."""
    deployments = machine.deployment("a"), machine.deployment("b")
    for deployment in deployments:
        machine.roll_out(deployment, "v1.0")
    return deployments


def adapters(machine: Machine) -> dict[str, set[str]]:
    """Return the versions of the adapters of each process."""
    return {name: {a.version for a in each.adapters.values()} for name, each in machine.host.engines.items()}


def test_two_projects_share_a_process_under_names_of_their_own(machine, shared):
    a, b = (machine.target(deployment) for deployment in shared)
    assert list(adapters(machine).values()) == [{a.version, b.version}]
    assert (a.endpoint, a.secret) == (b.endpoint, b.secret)
    assert (a.served_name, b.served_name) == ("mail@v1.0@a", "mail@v1.0@b")
    for target in (a, b):
        served = next(iter(machine.host.engines.values())).adapters[target.served_name]
        assert served.version == target.version


def test_a_rollout_and_its_undo_leave_the_adapter_of_the_other_project(machine, shared):
    before = machine.target(shared[0])
    rollout = machine.roll_out(shared[1], "v1.1")
    assert rollout.strategy == S.STRATEGY_ADAPTER_SWAP
    undone = machine.end(machine.operator.UndoRollout(pb.UndoRolloutRequest(name=rollout.name)))
    assert undone.strategy == S.STRATEGY_ADAPTER_SWAP
    assert machine.target(shared[0]) == before
    assert list(adapters(machine).values()) == [{before.version, "projects/b/models/mail/versions/v1.0"}]


def test_the_end_of_the_first_deployment_leaves_the_other_one_its_process(machine, shared):
    machine.operator.DeleteDeployment(pb.DeleteDeploymentRequest(name=shared[0], force=True))
    target = machine.target(shared[1])
    assert list(adapters(machine).values()) == [{target.version}]
    third = machine.deployment("c")
    machine.roll_out(third, "v1.0")
    assert list(adapters(machine).values()) == [{target.version, machine.target(third).version}]
    for deployment in (shared[1], third):
        machine.operator.DeleteDeployment(pb.DeleteDeploymentRequest(name=deployment, force=True))


def test_a_process_that_is_killed_comes_back_with_the_adapters_of_both(machine, shared):
    versions = {machine.target(deployment).version for deployment in shared}
    (process,) = machine.host.engines
    machine.host.die(process)
    until(
        lambda: (
            list(adapters(machine).values()) == [versions]
            and all(machine.targets(deployment) for deployment in shared)
        ),
        30,
        lambda: adapters(machine),
    )


def test_what_does_not_fit_has_an_engine_of_its_own(machine, shared):
    cases = {
        "more": {},
        "otherbase": {"base_digest": "c" * 64},
        "othertemplate": {"shape": "two"},
        "larger": {"rank": 64},
    }
    for name, fields in cases.items():
        deployment = machine.deployment("c", name)
        rollout = machine.roll_out(deployment, "v1.0", **fields)
        assert rollout.strategy == S.STRATEGY_SECOND_ENGINE, name
        assert [process for process in machine.host.engines if process.startswith(f"{deployment}/")], name
