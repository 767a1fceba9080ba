"""Sweeps as a service: trials are training runs, a restart repeats none, and no part but two is read."""

import json
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from ratoon.operations.job_machine import Failure, JobObservation, Phase
from ratoon.process.errors import FailedPrecondition, InvalidArgument
from ratoon.runtime.lifecycle import App
from ratoon.security.identity import Role
from ratoon.service.app import Platform, ServiceRuntime
from ratoon.storage.migrations import migrate
from ratoon.testkit.jobs import report_change
from ratoon.testkit.services import State, serving
from ratoon.testkit.waiting import until
from ratoon.training.v1 import sweep_pb2 as sweep_pb
from ratoon.training.v1 import training_run_pb2 as run_pb
from ratoon.training.v1 import training_service_pb2 as pb
from ratoon.training.v1.training_service_pb2_grpc import TrainingServiceStub
from ratoon_training import bootstrap
from ratoon_training.adapters import tables
from ratoon_training.adapters.compression_jobs import compression_jobs
from ratoon_training.adapters.model_export_jobs import model_export_jobs
from ratoon_training.adapters.optimism import out_of_bag
from ratoon_training.adapters.shared_workers import SharedWorkers
from ratoon_training.domain.diagnosis import Diagnosis
from ratoon_training.domain.places import Place
from ratoon_training.domain.runs import Progress, Trained, TrainingRun
from ratoon_training.settings import Settings

from .conftest import LABELS, rows, train, train_once
from .test_service import FakeEstimates

GIB = 2**30
SWEEP, RUN = sweep_pb.Sweep, run_pb.TrainingRun
PARENT = "projects/p"
TRAIN, VALIDATION = "1" * 64, "2" * 64


@dataclass
class Drivers:
    """Trains four epochs a run, one a poll; the value is higher, the nearer the rate is to 0.01."""

    jobs: dict[str, TrainingRun] = field(default_factory=dict)
    polls: dict[str, int] = field(default_factory=dict)
    stopped: set[str] = field(default_factory=set)
    blocked: threading.Event = field(default_factory=threading.Event)
    """Set: runs do not end."""

    def observe(self, job_id: str) -> JobObservation[Trained]:
        run = self.jobs.get(job_id)
        if run is None:
            return JobObservation(Phase.ABSENT)
        if job_id in self.stopped:
            return JobObservation(Phase.FAILED, failure=Failure("STOPPED", "Stopped on request."))
        epoch = self.polls[job_id] = min(self.polls.get(job_id, 0) + 1, 4)
        value = 0.9 - abs(run.recipe.learning_rate - 0.01) * 10
        measured = {"validation_macro_f1": value, "epoch": float(epoch)}
        if epoch < 4 or self.blocked.is_set():
            if epoch < 4 and not run.sweep.endswith("asha"):  # whose runs end no sooner than it looks at them
                report_change()
            progress = Progress(0.1 * epoch, "Training.", epoch, 4, "steps", 5.0, measured)
            return JobObservation(Phase.RUNNING, progress)
        healthy = Diagnosis("healthy", "Nothing to do.")
        return JobObservation(
            Phase.SUCCEEDED, result=Trained("a" * 64, "", 1000, healthy, {**measured, "seconds": 36.0})
        )

    def start(self, job_id: str, run: TrainingRun, place: Place, fence: int) -> None:
        self.jobs.setdefault(job_id, run)

    def stop(self, job_id: str) -> None:
        self.stopped.add(job_id)

    def clean(self, run: TrainingRun) -> None:
        pass


@dataclass
class Service:
    """The service, which can be started again on its state."""

    state: State
    folder: Path
    drivers: Drivers

    def app(self) -> App:
        settings = Settings(state=self.folder, memory_bytes=4 * GIB)
        runtime = ServiceRuntime(settings, Platform.of_process(), tables.METADATA)
        return bootstrap.assemble(
            runtime,
            self.drivers,
            bootstrap.machine(settings),
            SharedWorkers(),
            estimates=FakeEstimates(),
            compressions=compression_jobs(runtime.jobs(), ""),
            model_exports=model_export_jobs(
                runtime.jobs(), settings.artifacts_url, settings.llama_cpp_folder
            ),
        )

    @property
    def training(self) -> TrainingServiceStub:
        return TrainingServiceStub(self.state.as_role(Role.ENGINEER, "training"))


@contextmanager
def installed(folder: Path) -> Iterator[Service]:
    migrate("training", Settings(state=folder).database_url)
    with State(folder) as state:
        yield Service(state, folder, Drivers())


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with installed(tmp_path_factory.mktemp("sweeps")) as service, serving([service.app()]):
        yield service


@pytest.fixture
def training(service: Service) -> TrainingServiceStub:
    return service.training


RATE = SWEEP.Parameter(name="learning_rate", min=0.001, max=0.1, log=True)


def sweep(**fields: object) -> sweep_pb.Sweep:
    usual = {
        "train_digest": TRAIN,
        "validation_digest": VALIDATION,
        "recipe": run_pb.Recipe(labels=LABELS),
        "parameters": [RATE],
        "budget": SWEEP.Budget(max_trials=4),
    }
    return SWEEP(**{**usual, **fields})


def create(training: TrainingServiceStub, name: str, **fields: object) -> sweep_pb.Sweep:
    request = pb.CreateSweepRequest(parent=PARENT, sweep_id=name, sweep=sweep(**fields))
    created: sweep_pb.Sweep = training.CreateSweep(request)
    return created


def ended(training: TrainingServiceStub, name: str) -> sweep_pb.Sweep:
    *_, last = training.WatchSweep(pb.WatchSweepRequest(name=f"{PARENT}/sweeps/{name}"), timeout=60)
    return last


def test_trials_are_training_runs_and_the_best_one_wins(service: Service, training: TrainingServiceStub):
    created = create(training, "rate")
    assert (created.metric, created.direction) == ("macro_f1", SWEEP.DIRECTION_MAXIMIZE)
    last = ended(training, "rate")
    assert last.state == SWEEP.STATE_SUCCEEDED
    assert [trial.state for trial in last.trials] == [SWEEP.Trial.STATE_COMPLETED] * 4
    best = max(last.trials, key=lambda trial: trial.value)
    assert last.best_trial == best.number
    assert last.usage.hours == pytest.approx(0.04)
    run = training.GetTrainingRun(pb.GetTrainingRunRequest(name=best.training_runs[0]))
    assert (run.sweep, run.trial, run.state) == (created.name, best.number, RUN.STATE_SUCCEEDED)
    assert run.recipe.learning_rate == float(best.settings["learning_rate"])
    listed = training.ListSweeps(pb.ListSweepsRequest(parent=PARENT))
    assert [each.name for each in listed.sweeps] == [created.name]


def test_t43_only_training_and_validation_parts_are_read(service: Service):
    runs = [run for run in service.drivers.jobs.values() if run.sweep]
    assert runs
    assert {(run.train_digest, run.validation_digest) for run in runs} == {(TRAIN, VALIDATION)}


@pytest.fixture
def restarted(tmp_path: Path) -> Iterator[Service]:
    with installed(tmp_path) as service:
        yield service


def test_t43_a_restart_and_a_larger_budget_repeat_no_trial(restarted: Service):
    service = restarted
    service.drivers.blocked.set()
    with serving([service.app()]):
        create(service.training, "again", parallel_trials=2)
        until(lambda: len(service.training.GetSweep(name("again")).trials) == 2)
    service.drivers.blocked.clear()
    with serving([service.app()]):
        last = ended(service.training, "again")
        assert len(last.trials) == 4
        with pytest.raises(FailedPrecondition) as refused:
            service.training.ResumeSweep(pb.ResumeSweepRequest(name=last.name))
        assert refused.value.reason == "BUDGET_SPENT"
        service.training.ResumeSweep(pb.ResumeSweepRequest(name=last.name, budget=SWEEP.Budget(max_trials=6)))
        last = ended(service.training, "again")
    assert [trial.number for trial in last.trials] == [1, 2, 3, 4, 5, 6]
    assert len({trial.settings["learning_rate"] for trial in last.trials}) == 6
    names = [run.name for run in service.drivers.jobs.values() if run.sweep == last.name]
    assert sorted(names) == sorted(f"{PARENT}/trainingRuns/again-{number}" for number in range(1, 7))


def name(sweep_id: str) -> pb.GetSweepRequest:
    return pb.GetSweepRequest(name=f"{PARENT}/sweeps/{sweep_id}")


def test_a_cancelled_sweep_cancels_its_runs_and_goes_on(service: Service, training: TrainingServiceStub):
    service.drivers.blocked.set()
    full = create(training, "stop", budget=SWEEP.Budget(max_trials=2)).name
    until(lambda: any(run.sweep == full for run in service.drivers.jobs.values()))
    with pytest.raises(FailedPrecondition):
        training.DeleteSweep(pb.DeleteSweepRequest(name=full))
    training.CancelSweep(pb.CancelSweepRequest(name=full))
    last = ended(training, "stop")
    assert (last.state, last.trials[0].state) == (SWEEP.STATE_CANCELLED, SWEEP.Trial.STATE_CANCELLED)
    run = training.GetTrainingRun(pb.GetTrainingRunRequest(name=last.trials[0].training_runs[0]))
    assert run.state == RUN.STATE_CANCELLED
    service.drivers.blocked.clear()
    training.ResumeSweep(pb.ResumeSweepRequest(name=full))
    resumed = ended(training, "stop")
    assert resumed.state == SWEEP.STATE_SUCCEEDED
    assert resumed.trials[0].settings == last.trials[0].settings
    assert resumed.trials[0].training_runs[0].endswith("stop-1-a2")
    training.DeleteSweep(pb.DeleteSweepRequest(name=full))


def test_asha_stops_the_run_of_a_trial(service: Service, training: TrainingServiceStub):
    values = ["0.01", "0.05", "0.06", "0.07"]
    last_of = create(
        training,
        "asha",
        parameters=[SWEEP.Parameter(name="learning_rate", values=values)],
        sampler=SWEEP.SAMPLER_GRID,
        pruning=SWEEP.Pruning(method=SWEEP.Pruning.METHOD_ASHA),
    ).name
    last = ended(training, "asha")
    states = [trial.state for trial in last.trials]
    assert states == [SWEEP.Trial.STATE_COMPLETED, *[SWEEP.Trial.STATE_PRUNED] * 3]
    run = training.GetTrainingRun(pb.GetTrainingRunRequest(name=last.trials[1].training_runs[0]))
    assert (run.sweep, run.state) == (last_of, RUN.STATE_CANCELLED)


@pytest.mark.parametrize(
    ("fields", "at"),
    [
        ({"parameters": [SWEEP.Parameter(name="rate", min=1, max=2)]}, "sweep.parameters[0]"),
        ({"parameters": [SWEEP.Parameter(name="labels", values=["a"])]}, "sweep.parameters[0]"),
        (
            {"parameters": [SWEEP.Parameter(name="reward_model_artifact_digest", values=["3" * 64])]},
            "sweep.parameters[0]",
        ),
        ({"parameters": [SWEEP.Parameter(name="batch_size", values=["8.5"])]}, "sweep.parameters[0]"),
        ({"parameters": [SWEEP.Parameter(name="dtype", values=["FLOAT8"])]}, "sweep.parameters[0]"),
        ({"parameters": [SWEEP.Parameter(name="packed", min=0, max=1)]}, "sweep.parameters[0]"),
        ({"direction": SWEEP.DIRECTION_MINIMIZE}, "sweep.direction"),
        ({"metric": "novel"}, "sweep.direction"),
        ({"recipe": run_pb.Recipe(labels=LABELS, method="METHOD_CLASSICAL")}, "sweep.recipe"),
        ({"recipe": run_pb.Recipe(labels=["one"])}, ""),
        ({"validation_digest": ""}, "sweep.validation_digest"),
    ],
)
def test_what_cannot_be_searched_is_refused(
    training: TrainingServiceStub, fields: dict[str, object], at: str
):
    with pytest.raises(InvalidArgument) as refused:
        create(training, "bad", **fields)
    assert not at or refused.value.field == at


def test_a_value_that_no_run_can_have_is_a_failed_trial(training: TrainingServiceStub):
    create(
        training,
        "values",
        parameters=[SWEEP.Parameter(name="architecture.heads", values=["4", "3"])],
        sampler=SWEEP.SAMPLER_GRID,
    )
    last = ended(training, "values")
    assert last.state == SWEEP.STATE_SUCCEEDED
    assert (last.trials[1].state, last.trials[1].reason) == (SWEEP.Trial.STATE_FAILED, "BAD_RECIPE")


def test_a_trial_stores_its_answers_and_the_best_of_equal_trials_is_corrected(task):
    result = train(task, "scored", record_scores=True)["result"]
    plain = train_once(task, "trained")["result"]
    assert result["artifact_digest"] == plain["artifact_digest"]  # the same bits
    assert "scores_digest" not in plain
    answers = json.loads(task.store.read(result["scores_digest"]))
    labels = [LABELS.index(label) for _, _, label in rows(40, seed=2)]
    assert sorted(answers["right"]) == sorted(labels) and answers["labels"] == 2
    right = sum(r == p for r, p in zip(answers["right"], answers["predicted"], strict=True)) / 40
    curves = json.loads(task.store.read(result["curves_digest"]))["curves"]["epochs"]
    published = curves["rows"][round(result["metrics"]["published_epoch"]) - 1]
    assert right == pytest.approx(published[curves["columns"].index("accuracy")])
    rng = random.Random(1)
    guesses = [answers | {"predicted": [rng.randint(0, 1) for _ in labels]} for _ in range(30)]
    best = max(
        sum(r == p for r, p in zip(each["right"], each["predicted"], strict=True)) / 40 for each in guesses
    )
    values = out_of_bag(guesses, "accuracy", 0)
    # Thirty coins: the best one looks better than 0.5, and is not.
    assert best > 0.6 and abs(values.mean() - 0.5) < 0.1
