"""Retention of ended resources in a whole installation: what nothing names goes, the rest stays."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, insert, select
from typer.testing import CliRunner

from ratoon.cli import app
from ratoon.local.installation import Installation
from ratoon.runtime.services import service_names
from ratoon.storage import outbox, retention
from ratoon.storage.database import Database
from ratoon.storage.gc import GcSettings, survey
from ratoon.storage.paging import PageTokens
from ratoon.storage.store import Store
from ratoon.tasks.classify import Classify
from ratoon.testkit.migrated import migrate_all
from ratoon_flywheel import mapping as flywheel_mapping
from ratoon_flywheel.adapters import tables as flywheel_tables
from ratoon_flywheel.adapters.runs import MAX_RECENT_RUNS
from ratoon_flywheel.domain.pipelines.runs import PipelineRun, Products
from ratoon_flywheel.domain.pipelines.runs import State as PipelineState
from ratoon_flywheel.domain.projects import Project
from ratoon_serving import mapping as serving_mapping
from ratoon_serving.adapters import tables as serving_tables
from ratoon_serving.domain.deployment import Deployment
from ratoon_serving.domain.engine import Engine, EngineState
from ratoon_serving.domain.rollouts.rollout import Phase, Rollout
from ratoon_training import mapping as training_mapping
from ratoon_training.adapters import tables as training_tables
from ratoon_training.domain.recipes import Recipe
from ratoon_training.domain.runs import State as TrainingState
from ratoon_training.domain.runs import TrainingRun

LONG_AGO = datetime(2024, 1, 1, tzinfo=UTC)
MAIL = "projects/p/deployments/mail"
VERSION = "projects/p/models/mail/versions/v1.0"


class Environment:
    """An installation that does not run, and the stores of three of its services."""

    def __init__(self, state) -> None:
        self.installation = Installation(state)
        self.services = [self.installation.settings(service) for service in service_names()]
        migrate_all(self.services)
        self.serving = self._store("serving", serving_tables, serving_mapping)
        self.flywheel = self._store("flywheel", flywheel_tables, flywheel_mapping)
        self.training = self._store("training", training_tables, training_mapping)

    def _store(self, service, tables, mapping) -> Store:
        database = Database(self.installation.settings(service).database_url)
        return Store(database, tables.RESOURCES, mapping.event, outbox.append, PageTokens(b"secret"))

    def add(self, store: Store, *resources) -> None:
        with store.write() as tx:
            for resource in resources:
                tx.create(resource)

    def expired(self) -> set[str]:
        return {each.name.removeprefix("projects/p/") for each in retention.survey(self.services)}

    def set(self, service: str, **settings: object) -> None:
        self.services = [
            each.model_copy(update=settings) if each.service == service else each for each in self.services
        ]

    def close(self) -> None:
        for store in (self.serving, self.flywheel, self.training):
            store.database.close()


@pytest.fixture
def environment(tmp_path):
    environment = Environment(tmp_path / "state")
    yield environment
    environment.close()


def engine(name: str, state: EngineState = EngineState.ABSENT) -> Engine:
    absent = Engine(f"{MAIL}/engines/{name}", LONG_AGO, LONG_AGO, 0, VERSION, "", "", "", "mail")
    return replace(absent, state=state)


def rollout(name: str, day: int, phase: Phase = Phase.SUCCEEDED, blue: str = "") -> Rollout:
    time = LONG_AGO + timedelta(days=day)
    return Rollout(
        name=f"{MAIL}/rollouts/{name}",
        create_time=time,
        update_time=time,
        revision=0,
        deployment=MAIL,
        to_version=VERSION,
        green=f"{MAIL}/engines/{name}",
        blue=blue and f"{MAIL}/engines/{blue}",
        phase=phase,
    )


def pipeline_run(number: int, state=PipelineState.SUCCEEDED, **products: str) -> PipelineRun:
    time = LONG_AGO + timedelta(hours=number)
    name = f"projects/p/pipelineRuns/r{number:03}"
    project = Project("projects/p", time, time, Classify(("spam", "ham")))
    return PipelineRun(name, time, time, project, state=state, products=Products(**products))


def training_run(name: str, state: TrainingState) -> TrainingRun:
    return TrainingRun(f"projects/p/trainingRuns/{name}", LONG_AGO, LONG_AGO, "", "", Recipe(), state=state)


def two_rollouts(environment: Environment) -> None:
    """A deployment that went from a to b; b serves, and a third engine was stopped long ago."""
    deployment = Deployment(MAIL, LONG_AGO, LONG_AGO, 0, "projects/p/models/mail", engine=f"{MAIL}/engines/b")
    environment.add(
        environment.serving, deployment, engine("a"), engine("b", EngineState.READY), engine("lost")
    )
    environment.add(environment.serving, rollout("a", 0), rollout("b", 1))


def test_ended_rollouts_and_stopped_engines_go_and_the_latest_rollout_stays(environment):
    two_rollouts(environment)
    assert environment.expired() == {
        "deployments/mail/rollouts/a",
        *map("deployments/mail/engines/".__add__, ("a", "lost")),
    }


def test_what_a_resource_that_stays_names_stays(environment):
    two_rollouts(environment)
    environment.add(environment.serving, rollout("c", 2, blue="a"))
    assert environment.expired() == {
        f"deployments/mail/{each}" for each in ("rollouts/a", "rollouts/b", "engines/lost")
    }
    environment.add(environment.flywheel, pipeline_run(0, rollout=f"{MAIL}/rollouts/a"))
    assert environment.expired() == {"deployments/mail/rollouts/b", "deployments/mail/engines/lost"}


def test_an_unreadable_document_still_keeps_what_it_names(environment):
    two_rollouts(environment)
    environment.add(environment.flywheel, pipeline_run(0))
    table = flywheel_tables.RESOURCES[PipelineRun]
    with environment.flywheel.database.write() as connection:
        connection.execute(table.update().values(body=f'{{"odd": "{MAIL}/rollouts/a"}}'))
    assert environment.expired() == {"deployments/mail/engines/lost"}


def test_young_and_open_resources_stay_and_zero_days_keep_everything(environment):
    environment.add(environment.serving, replace(rollout("a", 0), update_time=datetime.now(UTC)))
    environment.add(environment.serving, rollout("b", 1, Phase.BAKING), rollout("c", 2), rollout("d", 3))
    with environment.serving.write() as tx:
        tx.connection.exec_driver_sql(
            "INSERT INTO operations (name, kind, epoch, due, lease_until, owner, fence, failures) "
            f"VALUES ('{MAIL}/rollouts/c', 'Rollout', '', 0, 0, '', 0, 0)"
        )
    assert environment.expired() == set()
    environment.add(environment.serving, rollout("e", 4))
    assert environment.expired() == {"deployments/mail/rollouts/d"}
    environment.set("serving", rollout_days=0)
    assert environment.expired() == set()


def test_runs_that_policies_read_stay(environment):
    environment.add(environment.flywheel, *(pipeline_run(number) for number in range(MAX_RECENT_RUNS + 2)))
    child = {"resource": "projects/p/splits/s", "run": pipeline_run(0).name}
    with environment.flywheel.database.write() as connection:
        connection.execute(insert(flywheel_tables.CHILDREN), child)
    assert environment.expired() == {"pipelineRuns/r000", "pipelineRuns/r001"}
    assert len(retention.remove(retention.survey(environment.services))) == 2
    with environment.flywheel.read() as tx:
        assert tx.count(PipelineRun, "projects/p") == MAX_RECENT_RUNS
        assert tx.connection.execute(select(func.count()).select_from(flywheel_tables.CHILDREN)).scalar() == 0


def test_training_runs_without_a_result_go_unless_a_pipeline_run_names_them(environment):
    environment.add(
        environment.training,
        training_run("failed", TrainingState.FAILED),
        training_run("named", TrainingState.CANCELLED),
        training_run("done", TrainingState.SUCCEEDED),
    )
    environment.add(environment.flywheel, pipeline_run(0, training_run="projects/p/trainingRuns/named"))
    assert environment.expired() == {"trainingRuns/failed"}


def test_a_resource_that_changed_since_the_survey_stays(environment):
    two_rollouts(environment)
    expired = survey(environment.services, GcSettings().limits()).expired
    with environment.serving.write() as tx:
        tx.save(replace(tx.get(Engine, f"{MAIL}/engines/lost"), message="changed"))
    removed = retention.remove(expired)
    assert {each.name for each in removed} == {f"{MAIL}/rollouts/a", f"{MAIL}/engines/a"}
    with environment.serving.read() as tx:
        assert set(tx.retired(Engine, MAIL)) == {f"{MAIL}/rollouts/a", f"{MAIL}/engines/a"}
        assert tx.find(Engine, f"{MAIL}/engines/a") is None
        assert tx.find(Engine, f"{MAIL}/engines/lost") is not None


def test_ratoon_gc_removes_them_and_lists_them_first(environment):
    two_rollouts(environment)
    for arguments, sentence in (
        (["--dry-run"], "Would remove 3 ended resources."),
        ([], "Removed 3 ended resources."),
        ([], "Removed 0 ended resources."),
    ):
        result = CliRunner().invoke(app, ["gc", "--state", str(environment.installation.state), *arguments])
        assert sentence in result.output, result.output
        assert ("no resource names it" in result.output) == ("3" in sentence)
