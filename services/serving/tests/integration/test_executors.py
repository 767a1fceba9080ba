"""One executor at a time, even while two pods of serving run: by the lease, and by fences after a lost lease."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import select

from ratoon.operations.operations import Operations
from ratoon.serving.v1 import rollout_pb2
from ratoon.storage import outbox
from ratoon.storage.database import Database
from ratoon.storage.paging import PageTokens
from ratoon.storage.store import Store
from ratoon.testkit.clock import FakeClock
from ratoon_serving import mapping
from ratoon_serving.adapters import tables
from ratoon_serving.adapters.traffic import TableTrafficBook
from ratoon_serving.application import handlers
from ratoon_serving.application.commands import CreateDeployment, CreateRollout
from ratoon_serving.application.executor import Executor
from ratoon_serving.application.procedures import DeploymentProcedure, RolloutProcedure
from ratoon_serving.domain.engine import EngineState
from ratoon_serving.domain.rollouts.analysis import Bake
from ratoon_serving.domain.rollouts.rollout import Phase, Rollout
from ratoon_serving.domain.routes import TABLE, RouteTable

S = rollout_pb2.Rollout


def test_two_replicas_on_one_database_execute_each_action_once(two_replicas):
    service = two_replicas
    models = [f"projects/p/models/m{place}" for place in range(3)]
    deployments = {model: service.deployment(model) for model in models}
    with ThreadPoolExecutor(3) as pool:
        for number in ("v1.0", "v1.1"):
            versions = [service.models.add(f"{model}/versions/{number}") for model in models]
            rollouts = list(map(service.begin, deployments.values(), versions))
            ended = list(pool.map(service.end, rollouts))
    assert [each.state for each in ended] == [S.STATE_SUCCEEDED] * 3
    assert len(service.host.begun) == len(set(service.host.begun)) == 6
    assert sorted(service.models.moves) == sorted({*service.models.moves})
    for name, rollout in zip(deployments.values(), ended, strict=True):
        assert [t.version for t in service.route(name).targets] == [rollout.to_version]


class Two:
    """Two executors over one store and one host, run step by step."""

    def __init__(self, simulation, host) -> None:
        self.clock, database = FakeClock(), Database("sqlite://")
        with database.write() as connection:
            tables.METADATA.create_all(connection)
        self.store = Store(
            database, tables.RESOURCES, mapping.event, outbox.append, PageTokens(b"s"), self.clock
        )
        self.host, self.models = host, simulation.FakeModels()
        self.host.prepare()
        handlers.ensure_route_table(self.store, self.clock)
        self.first, self.second = self._operations(), self._operations()

    def _operations(self) -> Operations:
        book = TableTrafficBook(self.store.database)
        executor = Executor(self.store, self.host, self.models)
        rollouts = RolloutProcedure(self.store, self.models, executor, book, self.clock)
        procedures = [rollouts, DeploymentProcedure(self.store, executor, book, self.clock)]
        return Operations(self.store, tables.METADATA.tables["operations"], procedures, self.clock)

    def begin(self, deployment: str, version: str) -> str:
        command = CreateRollout(deployment, "", self.models.add(version), bake=Bake(seconds=1))
        ports = (self.store, self.first, self.models, self.host, self.clock)
        return handlers.create_rollout(command, *ports).name

    def deployment(self) -> str:
        command = CreateDeployment("projects/p", "d", "projects/p/models/m")
        return handlers.create_deployment(command, self.store, self.first, self.host, self.clock).name

    def rollout(self, name: str) -> Rollout:
        with self.store.read() as tx:
            return tx.get(Rollout, name)

    def move(self, operations: Operations, name: str, until) -> Rollout:
        for _ in range(200):
            if until(rollout := self.rollout(name)):
                return rollout
            self.clock.advance(1)
            operations.run_due()
        raise AssertionError(f"{name} does not come so far: {rollout.phase} {rollout.notes}")


@pytest.fixture
def two(tmp_path, simulation) -> Iterator[Two]:
    with simulation.SimulatedEngineHost(tmp_path) as host:
        yield Two(simulation, host)


def test_an_executor_that_slept_over_its_lease_ends_no_engine_that_serves_again(two):
    deployment = two.deployment()
    old = two.rollout(two.begin(deployment, "projects/p/models/m/versions/v1.0"))
    two.move(two.first, old.name, lambda rollout: rollout.ended)
    name = two.begin(deployment, "projects/p/models/m/versions/v1.1")
    slept = []

    def sleep_over_the_lease(engine) -> None:
        """Abort while the first executor is about to stop the old engine, and let the second one roll back."""
        if engine.name != old.green or slept:
            return
        slept.append(engine)
        two.clock.advance(60)
        handlers.abort_rollout(name, "it is not liked", two.store, two.second)
        two.move(two.second, name, lambda rollout: rollout.phase is Phase.DISCARDING)

    two.host.before_stop = sleep_over_the_lease
    two.move(two.first, name, lambda rollout: bool(slept))
    two.move(two.second, name, lambda rollout: rollout.ended)
    routes = two.store.get(RouteTable, TABLE).route(deployment)
    with two.store.read() as tx:
        operations = (
            tx.connection.execute(select(tables.METADATA.tables["operations"].c.name)).scalars().all()
        )
    assert two.rollout(name).phase is Phase.CANCELLED
    assert [target.engine for target in routes.targets] == [old.green]
    assert two.host.view(slept[0]).state is EngineState.READY
    assert two.host.begun.count(old.green) == 1, (
        "the engine that serves was ended, and had to be started again"
    )
    assert operations == [deployment]
