"""The checker finds losses and duplicates: a sound installation passes, each tampered one is named."""

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from ratoon.storage.migrations import migrate

from .checker import SERVICES, STEPS, Ledger, check

P = "projects/p"
RUN, LATER = f"{P}/pipelineRuns/1", f"{P}/pipelineRuns/2"
VERSION = f"{P}/models/p/versions/v1.0"
LEDGER = Ledger((RUN,), ("answer-1",), (f"{P}/annotations/1",), ((f"{P}/sources/1", 3),))


class Tables:
    """The tables of a state folder, to be written by hand."""

    def __init__(self, state: Path) -> None:
        self.state = state

    def run(self, service: str, statement: str, values: tuple = ()) -> None:
        with closing(sqlite3.connect(self.state / service / f"{service}.db")) as connection, connection:
            connection.execute(statement, values)

    def add(
        self, service: str, table: str, name: str, time: str = "2026-01-01T10:00:00+00:00", **body: object
    ) -> None:
        whole = {"name": name, "create_time": time, **body}
        self.run(
            service,
            f"INSERT INTO {table} (name, parent, create_time, revision, body) VALUES (?, ?, ?, 1, ?)",
            (name, name.rsplit("/", 2)[0], time, json.dumps(whole)),
        )

    def change(self, service: str, table: str, name: str, field: str, value: object) -> None:
        self.run(
            service, f"UPDATE {table} SET body = json_set(body, '$.{field}', ?) WHERE name = ?", (value, name)
        )


def names_of(run: str) -> dict[str, str]:
    """Return the resource of each stage of a run."""
    number = int(run.rsplit("/", 1)[-1])
    version = {"registration": f"{P}/models/p/versions/v1.{number - 1}"}
    return {stage: f"{P}/{table}/{number}" for stage, (_, table) in STEPS.items()} | version


def add_run(tables: Tables, name: str, time: str, trigger: str, policy: str = "") -> None:
    """A run that succeeded, and what did its stages."""
    names = names_of(name)
    stages = [{"id": stage, "resource": resource} for stage, resource in names.items()]
    products = {"model_version": names["registration"]}
    tables.add(
        "flywheel",
        "pipeline_runs",
        name,
        time,
        trigger=trigger,
        policy=policy,
        state="SUCCEEDED",
        end_time=time,
        stages=stages,
        products=products,
    )
    counts = {"record_count": 2, "rejected_count": 1, "item_count": 3, "sources": [f"{P}/sources/1"]}
    more = {
        "dataset": {"state": "READY", **counts},
        "registration": {"artifact_digest": f"digest of {name}"},
        "rollout": {"phase": "SUCCEEDED", "to_version": names["registration"]},
    }
    for stage, (service, table) in STEPS.items():
        tables.add(service, table, names[stage], **more.get(stage, {}))
    moved = {"alias": f"{P}/models/p/aliases/production", "to_version": names["registration"]}
    tables.add("registry", "alias_changes", f"{P}/models/p/aliasChanges/{name[-1]}", **moved)


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The databases of a new installation."""
    state = tmp_path_factory.mktemp("empty")
    for service in SERVICES:
        migrate(service, f"sqlite:///{state}/{service}/{service}.db")
    return state


@pytest.fixture
def tables(empty: Path, tmp_path: Path) -> Tables:
    """An installation after one loop: a requested run and one that a policy started."""
    tables = Tables(Path(shutil.copytree(empty, tmp_path / "state")))
    tables.add("flywheel", "policies", f"{P}/policies/default", cooldown_seconds=3600)
    tables.add("ingestion", "sources", f"{P}/sources/1")
    add_run(tables, RUN, "2026-01-01T10:00:00+00:00", "MANUAL")
    add_run(tables, LATER, "2026-01-01T11:00:00+00:00", "DRIFT", f"{P}/policies/default")
    tables.add("labeling", "annotations", f"{P}/annotations/1")
    tables.add("flywheel", "feedback", f"{P}/feedback/1", answer_id="answer-1")
    tables.run(
        "flywheel",
        "INSERT INTO judgements (project, answer_id, version, time, verdict, correction)"
        " VALUES ('p', 'answer-1', '', 0, 1, '')",
    )
    return tables


def test_a_sound_installation_passes(tables):
    assert check(tables.state, LEDGER) == []


TAMPERED = {
    "a requested run is lost": (
        lambda t: t.run("flywheel", "DELETE FROM pipeline_runs WHERE name = ?", (RUN,)),
        f"{RUN} was requested and does not exist",
    ),
    "a request created two runs": (
        lambda t: add_run(t, f"{P}/pipelineRuns/3", "2026-01-02T10:00:00+00:00", "MANUAL"),
        "pipelineRuns/3 was created without a request",
    ),
    "a trigger window started two runs": (
        lambda t: add_run(
            t, f"{P}/pipelineRuns/3", "2026-01-01T11:30:00+00:00", "DRIFT", f"{P}/policies/default"
        ),
        "pipelineRuns/3 was started in the trigger window",
    ),
    "a run hangs": (
        lambda t: t.change("flywheel", "pipeline_runs", LATER, "state", "RUNNING"),
        f"{LATER} has not ended: RUNNING",
    ),
    "a training was done twice": (
        lambda t: t.add("training", "training_runs", f"{P}/training_runs/again"),
        "training_runs/again (training) exists and no run knows it",
    ),
    "an evaluation is lost": (
        lambda t: t.run("evaluation", "DELETE FROM evaluation_runs WHERE name LIKE '%/1'"),
        "evaluation_runs/1 (evaluation) is not in evaluation",
    ),
    "a run registered twice": (
        lambda t: t.add(
            "registry", "model_versions", f"{P}/models/p/versions/v1.2", artifact_digest=f"digest of {RUN}"
        ),
        f"{P}/models/p has 2 versions of the artifact",
    ),
    "production moved twice": (
        lambda t: t.add(
            "registry",
            "alias_changes",
            f"{P}/models/p/aliasChanges/9",
            alias=f"{P}/models/p/aliases/production",
            to_version=VERSION,
        ),
        f"1 rollouts to {VERSION} succeeded, production moved there 2 times",
    ),
    "production moved by a rollout that went back": (
        lambda t: t.change("serving", "rollouts", names_of(RUN)["rollout"], "phase", "ROLLED_BACK"),
        f"0 rollouts to {VERSION} succeeded, production moved there 1 times",
    ),
    "feedback is lost": (
        lambda t: t.run("flywheel", "DELETE FROM feedback"),
        "the feedback on answer answer-1 was acknowledged and does not exist",
    ),
    "feedback does not count": (
        lambda t: t.run("flywheel", "DELETE FROM judgements"),
        "the feedback on answer answer-1 counts 0 times",
    ),
    "an annotation is lost": (
        lambda t: t.run("labeling", "DELETE FROM annotations"),
        f"{P}/annotations/1 was acknowledged and does not exist",
    ),
    "a record is lost": (
        lambda t: t.change("ingestion", "dataset_versions", names_of(RUN)["dataset"], "record_count", 1),
        f"{names_of(RUN)['dataset']} counts 2 of 3 items",
    ),
    "a source is lost": (
        lambda t: t.run("ingestion", "DELETE FROM sources"),
        f"{P}/sources/1 was acknowledged and does not exist",
    ),
    "work is left": (
        lambda t: t.run(
            "training",
            "INSERT INTO operations (name, kind, epoch, due, lease_until, owner, fence, failures)"
            " VALUES (?, 'TrainingRun', '', 0, 0, '', 1, 0)",
            (f"{P}/training_runs/1",),
        ),
        f"training: work on {P}/training_runs/1 is left",
    ),
    "an event was never published": (
        lambda t: t.run(
            "serving", "INSERT INTO outbox (topic, key, value, headers) VALUES ('t', x'00', x'00', '')"
        ),
        "serving: 1 events were never published",
    ),
}


@pytest.mark.parametrize("what", TAMPERED)
def test_a_tampered_one_is_named(tables, what):
    tamper, sentence = TAMPERED[what]
    tamper(tables)
    assert [each for each in check(tables.state, LEDGER) if sentence in each], check(tables.state, LEDGER)


def test_a_ledger_counts_what_was_acknowledged_twice_once(tmp_path):
    lines = [{"kind": "feedback", "name": "a"}] * 2 + [{"kind": "source", "name": "s", "items": 4}]
    (tmp_path / "ledger").write_text("\n".join(map(json.dumps, lines)))
    assert Ledger.read(tmp_path / "ledger") == Ledger(feedback=("a",), sources=(("s", 4),))
