"""Training as a service: its gRPC API over a real socket, database and event log; the driver is a fake."""

from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

from ratoon.common.v1 import reference_service_pb2 as reference_pb
from ratoon.common.v1.reference_service_pb2_grpc import (
    ReferenceServiceServicer,
    add_ReferenceServiceServicer_to_server,
)
from ratoon.common.v1.task_pb2 import Classify, Generate, Regress, TaskSpec
from ratoon.operations.job_machine import Failure, JobObservation, Phase
from ratoon.process.errors import (
    AlreadyExists,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    Unavailable,
)
from ratoon.runtime.lifecycle import App
from ratoon.runtime.settings import socket_address
from ratoon.security.identity import Role
from ratoon.service.app import Platform, ServiceRuntime
from ratoon.service.tasks import task_of
from ratoon.storage.artifacts import ArtifactStore
from ratoon.storage.migrations import migrate
from ratoon.tasks.compute import Accelerator
from ratoon.testkit.jobs import report_change
from ratoon.testkit.models import tiny_adapter, tiny_llama
from ratoon.testkit.postgresql import Databases
from ratoon.testkit.services import State, answering, serving
from ratoon.training.v1 import compression_pb2, model_export_pb2
from ratoon.training.v1 import training_run_pb2 as run_pb
from ratoon.training.v1 import training_service_pb2 as pb
from ratoon.training.v1.training_service_pb2_grpc import TrainingServiceStub
from ratoon_training import bootstrap
from ratoon_training.adapters import tables
from ratoon_training.adapters.compression_jobs import compression_jobs
from ratoon_training.adapters.model_export_jobs import model_export_jobs
from ratoon_training.adapters.shared_workers import SharedWorkers
from ratoon_training.domain.diagnosis import Diagnosis
from ratoon_training.domain.estimates import DataSample
from ratoon_training.domain.places import Place
from ratoon_training.domain.runs import Progress, Trained, TrainingRun
from ratoon_training.settings import Settings

GIB = 2**30
SAMPLE = DataSample(records=1000, validation_records=100, sampled_records=500, samples=500, tokens=32_000)
STATE = run_pb.TrainingRun.State
RESULT = Trained("a" * 64, "c" * 64, 1000, Diagnosis("healthy", "Nothing to do."), {"seconds": 2.0})


class FakeDrivers:
    """Trains in three polls. The name of a run decides its outcome: `lost…` once, `bad…`, `slow…`.

    One that is slow has no progress to report.
    """

    def __init__(self) -> None:
        self.jobs: dict[str, TrainingRun] = {}
        self.polls: dict[str, int] = {}
        self.stopped: set[str] = set()
        self.cleaned: set[str] = set()
        self.finished: set[str] = set()
        self.fences: dict[str, list[int]] = {}

    def observe(self, job_id: str) -> JobObservation[Trained]:
        run = self.jobs.get(job_id)
        if run is None:
            return JobObservation(Phase.ABSENT)
        self.polls[job_id] = polls = self.polls.get(job_id, 0) + 1
        fate = run.name.rpartition("/")[2]
        if job_id in self.stopped:
            return JobObservation(Phase.FAILED, failure=Failure("STOPPED", "Stopped on request."))
        if run.name in self.finished:
            return JobObservation(Phase.SUCCEEDED, result=RESULT)
        if fate.startswith("slow") or polls < 3:
            if not fate.startswith("slow"):
                report_change()
            return JobObservation(
                Phase.RUNNING, Progress(0.1 * polls, "Training.", polls, 10, "steps", 5.0, {"loss": 1.0})
            )
        if fate.startswith("lost") and run.attempt == 1:
            return JobObservation(Phase.LOST, failure=Failure(message="Killed."))
        if fate.startswith("bad"):
            return JobObservation(
                Phase.FAILED, failure=Failure("LOSS_NOT_FINITE", "The loss is nan: lower the rate.")
            )
        return JobObservation(Phase.SUCCEEDED, result=RESULT)

    def start(self, job_id: str, run: TrainingRun, place: Place, fence: int) -> None:
        if job_id not in self.jobs:
            self.jobs[job_id] = run
            self.fences.setdefault(run.name, []).append(fence)

    def stop(self, job_id: str) -> None:
        self.stopped.add(job_id)

    def finish(self, run: TrainingRun) -> None:
        self.finished.add(run.name)

    def clean(self, run: TrainingRun) -> None:
        self.cleaned.add(run.name)


class FakeEstimates:
    """Samples of data: a run whose training part has the digest `9…` has unreadable data."""

    def __init__(self) -> None:
        self.jobs: dict[str, TrainingRun] = {}

    def observe(self, job_id: str) -> JobObservation[DataSample]:
        if self.jobs[job_id].train_digest.startswith("9"):
            return JobObservation(Phase.FAILED, failure=Failure("DATA_EMPTY", "No record: add some."))
        return JobObservation(Phase.SUCCEEDED, result=SAMPLE)

    def start(self, job_id: str, job: TrainingRun) -> None:
        self.jobs[job_id] = job

    def stop(self, job_id: str) -> None:
        raise AssertionError("no job runs")

    def forget(self, job_id: str) -> None:
        del self.jobs[job_id]


class FakeReferences(ReferenceServiceServicer):
    """Resources of another service that name runs, by the name of the run."""

    def __init__(self, users: dict[str, list[str]]) -> None:
        self.users = users

    def FindReferrers(
        self, request: reference_pb.FindReferrersRequest, context: object
    ) -> reference_pb.FindReferrersResponse:
        return reference_pb.FindReferrersResponse(referrers=self.users.get(request.values[0], []))


def build(settings: Settings, drivers: FakeDrivers) -> App:
    runtime = ServiceRuntime(settings, Platform.of_process(), tables.METADATA)
    return bootstrap.assemble(
        runtime,
        drivers,
        bootstrap.machine(settings),
        SharedWorkers(),
        estimates=FakeEstimates(),
        compressions=compression_jobs(runtime.jobs(), ""),
        model_exports=model_export_jobs(runtime.jobs(), settings.artifacts_url, settings.llama_cpp_folder),
        hourly_costs={Accelerator.CPU: 2.0},
    )


@pytest.fixture(scope="module")
def drivers() -> FakeDrivers:
    return FakeDrivers()


@pytest.fixture(scope="module")
def state(
    tmp_path_factory: pytest.TempPathFactory, drivers: FakeDrivers, databases: Databases
) -> Iterator[State]:
    folder: Path = tmp_path_factory.mktemp("service")
    url = databases.url("training", folder)
    settings = Settings(state=folder, memory_bytes=4 * GIB, database_url=url)
    migrate("training", settings.database_url)
    with State(folder) as state, serving([build(settings, drivers)]):
        yield state


@pytest.fixture
def training(state: State) -> TrainingServiceStub:
    return TrainingServiceStub(state.as_role(Role.ENGINEER, "training"))


def spec(**recipe: object) -> run_pb.TrainingRun:
    return run_pb.TrainingRun(
        train_digest="1" * 64,
        validation_digest="2" * 64,
        recipe=run_pb.Recipe(**{"labels": ["ham", "spam"], **recipe}),
    )


def create(training: TrainingServiceStub, name: str, **recipe: object) -> run_pb.TrainingRun:
    request = pb.CreateTrainingRunRequest(
        parent="projects/p", training_run_id=name, training_run=spec(**recipe)
    )
    return training.CreateTrainingRun(request)


def watched(training: TrainingServiceStub, name: str) -> list[run_pb.TrainingRun]:
    return list(training.WatchTrainingRun(pb.WatchTrainingRunRequest(name=name), timeout=30))


def test_a_run_is_watched_to_its_end_with_plan_progress_and_result(training, drivers):
    created = create(training, "first")
    states = watched(training, created.name)
    last = states[-1]
    assert last.state == STATE.STATE_SUCCEEDED
    assert (last.artifact_digest, last.curves_digest, last.parameter_count) == ("a" * 64, "c" * 64, 1000)
    assert (last.diagnosis.verdict, last.metrics["seconds"]) == ("healthy", 2.0)
    assert last.plan.admitted
    assert last.plan.measured_bytes > last.plan.rule_of_thumb_bytes > 0
    assert list(last.plan.machine_families)[0] == "C"
    assert last.recipe.learning_rate == 2e-3
    assert any(each.progress.metrics.get("loss") == 1.0 for each in states)
    assert [each.revision for each in states] == sorted({each.revision for each in states})


TASKS = {
    "generate": TaskSpec(generate=Generate(form=Generate.FORM_CHAT, stop=["\n"])),
    "regress": TaskSpec(regress=Regress(unit="points", min=0.0)),
    "several": TaskSpec(classify=Classify(labels=["billing", "urgent"], multi_label=True)),
}


@pytest.mark.parametrize("kind", TASKS)
def test_a_run_of_a_task_with_texts_says_its_settings(training, kind):
    settings = {"train_on": run_pb.Recipe.TRAIN_ON_LAST_ANSWER, "max_tokens": 300}
    created = create(training, kind, labels=[], task=TASKS[kind], **settings)
    recipe = watched(training, created.name)[-1].recipe
    assert (task_of(recipe.task), list(recipe.labels)) == (task_of(TASKS[kind]), [])
    assert (recipe.train_on, recipe.max_tokens) == (settings["train_on"], 300)
    assert recipe.truncation == run_pb.Recipe.TRUNCATION_MIDDLE
    with pytest.raises(InvalidArgument) as refused:
        create(training, f"{kind}-labels", task=TASKS[kind])
    assert (refused.value.reason, refused.value.field) == ("BAD_TASK", "labels")


def test_a_lost_worker_gets_another_attempt_under_a_higher_number(training, drivers):
    last = watched(training, create(training, "lost-once").name)[-1]
    assert (last.state, last.attempt) == (STATE.STATE_SUCCEEDED, 2)
    first, second = drivers.fences[last.name]
    assert second > first


def test_a_failed_run_says_why(training, drivers):
    last = watched(training, create(training, "bad-data").name)[-1]
    assert (last.state, last.failure.reason) == (STATE.STATE_FAILED, "LOSS_NOT_FINITE")
    assert "lower the rate" in last.failure.message


def test_a_cancelled_run_ends_cancelled_and_is_cleaned_up(training, drivers):
    name = create(training, "slow").name
    training.CancelTrainingRun(pb.CancelTrainingRunRequest(name=name))
    assert watched(training, name)[-1].state == STATE.STATE_CANCELLED
    assert training.CancelTrainingRun(pb.CancelTrainingRunRequest(name=name)).state == STATE.STATE_CANCELLED
    assert name not in drivers.cleaned
    training.DeleteTrainingRun(pb.DeleteTrainingRunRequest(name=name))
    assert name in drivers.cleaned


def test_a_run_is_planned_before_it_begins(training):
    listed = pb.ListTrainingRunsRequest(parent="projects/planned")
    request = pb.CreateTrainingRunRequest(
        parent="projects/planned", training_run=spec(batch_size=1, epochs=2.0), validate_only=True
    )
    planned = training.CreateTrainingRun(request)
    estimate = planned.plan.estimate
    assert (estimate.steps, estimate.samples, estimate.tokens) == (2000, 1000, 128_000)
    assert estimate.cost == pytest.approx(2 * estimate.device_hours)
    assert planned.plan.admitted and planned.recipe.learning_rate == 2e-3
    assert [(each.reason, each.blocking) for each in planned.plan.problems] == [("BATCH_OF_ONE", False)]
    request.training_run.train_digest = "9" * 64
    refused = training.CreateTrainingRun(request).plan.problems[0]
    assert (refused.reason, refused.message, refused.blocking) == ("DATA_EMPTY", "No record: add some.", True)
    request.training_run.recipe.learning_rate = 10.0
    with pytest.raises(InvalidArgument, match=r"learning_rate must be above 0 and at most 1\.") as rate:
        training.CreateTrainingRun(request)
    assert rate.value.reason == "BAD_RECIPE"
    assert not training.ListTrainingRuns(listed).training_runs


def test_every_value_that_cannot_be_trained_with_is_named_at_once(training):
    with pytest.raises(InvalidArgument) as refused:
        create(training, "wrong", learning_rate=10.0, batch_size=5000, lora_rank=999)
    for field in ("learning_rate", "batch_size", "lora_rank"):
        assert f"recipe.{field} must be" in str(refused.value)


def test_a_run_that_is_stopped_ends_with_a_result(training, drivers):
    name = create(training, "slow-stopped").name
    running = (each for each in training.WatchTrainingRun(pb.WatchTrainingRunRequest(name=name), timeout=30))
    next(each for each in running if each.state == STATE.STATE_RUNNING)
    assert training.StopTrainingRun(pb.StopTrainingRunRequest(name=name)).stop_requested
    last = watched(training, name)[-1]
    assert (last.state, last.artifact_digest) == (STATE.STATE_SUCCEEDED, "a" * 64)
    assert training.StopTrainingRun(pb.StopTrainingRunRequest(name=name)).state == STATE.STATE_SUCCEEDED


def test_a_run_without_a_checkpoint_cannot_be_stopped(training):
    huge = run_pb.Recipe.Architecture(hidden_size=4096, layers=32, heads=32)
    name = create(training, "unstopped", architecture=huge).name
    watched(training, name)
    assert training.StopTrainingRun(pb.StopTrainingRunRequest(name=name)).state == STATE.STATE_FAILED
    with pytest.raises(NotFound):
        training.StopTrainingRun(pb.StopTrainingRunRequest(name="projects/p/trainingRuns/none"))


def test_a_run_that_failed_is_resumed_as_another_attempt_and_one_that_succeeded_is_not(training, drivers):
    name = create(training, "bad-resumed").name
    assert watched(training, name)[-1].state == STATE.STATE_FAILED
    assert name not in drivers.cleaned
    resumed = training.ResumeTrainingRun(pb.ResumeTrainingRunRequest(name=name))
    assert (resumed.state, resumed.attempt) == (STATE.STATE_QUEUED, 2)
    again = watched(training, name)[-1]
    assert (again.state, again.attempt, len(drivers.fences[name])) == (STATE.STATE_FAILED, 2, 2)
    done = create(training, "done-resumed").name
    watched(training, done)
    with pytest.raises(FailedPrecondition) as refused:
        training.ResumeTrainingRun(pb.ResumeTrainingRunRequest(name=done))
    assert refused.value.reason == "RUN_SUCCEEDED"


def test_a_clone_has_the_recipe_of_its_origin_but_for_what_changes(training):
    origin = create(training, "origin", seed=7, batch_size=4).name
    watched(training, origin)
    change = run_pb.Recipe(learning_rate=0.01, architecture=run_pb.Recipe.Architecture(layers=2))
    request = pb.CloneTrainingRunRequest(name=origin, training_run_id="clone", recipe=change)
    clone = training.CloneTrainingRun(request)
    assert (clone.name, clone.origin) == ("projects/p/trainingRuns/clone", origin)
    recipe = clone.recipe
    assert (recipe.learning_rate, recipe.seed, recipe.batch_size) == (0.01, 7, 4)
    assert (recipe.architecture.layers, recipe.architecture.hidden_size) == (2, 128)
    assert (list(recipe.labels), clone.train_digest) == (["ham", "spam"], "1" * 64)
    labels = pb.CloneTrainingRunRequest(
        name=origin, recipe=run_pb.Recipe(labels=["a", "b", "c"]), validate_only=True
    )
    assert list(training.CloneTrainingRun(labels).recipe.labels) == ["a", "b", "c"]


def test_a_run_without_a_model_is_not_continued(training):
    failed = create(training, "bad-continued").name
    watched(training, failed)
    with pytest.raises(FailedPrecondition) as refused:
        training.CloneTrainingRun(pb.CloneTrainingRunRequest(name=failed, continue_training=True))
    assert refused.value.reason == "NO_CHECKPOINT"


def test_the_metrics_of_a_run_are_read_by_name_and_by_page(training):
    name = create(training, "bad-metrics").name
    watched(training, name)
    listed = training.ListTrainingRunMetrics(pb.ListTrainingRunMetricsRequest(parent=name))
    assert [each.metric for each in listed.series] == ["loss"]
    series = listed.series[0]
    assert series.name == f"{name}/metrics/loss"
    assert [(each.step, each.value) for each in series.points] == [(1, 1.0), (2, 1.0)]
    for wrong in ({"max_points": 1}, {"max_points": 1001}, {"page_token": "x"}, {"page_size": -1}):
        with pytest.raises(InvalidArgument):
            training.ListTrainingRunMetrics(pb.ListTrainingRunMetricsRequest(parent=name, **wrong))


def test_a_run_that_failed_has_a_diagnosis(training):
    name = create(training, "bad-diagnosed").name
    diagnosis = watched(training, name)[-1].diagnosis
    assert diagnosis.verdict == "loss-not-finite"
    assert diagnosis.remedy and diagnosis.evidence


def test_a_run_without_a_result_is_deleted_and_others_are_refused(training):
    def delete(name, **options):
        training.DeleteTrainingRun(pb.DeleteTrainingRunRequest(name=name, **options))

    slow, done, failed = (create(training, name).name for name in ("slow-two", "done-two", "bad-two"))
    with pytest.raises(FailedPrecondition, match=f"{slow} is in progress") as refused:
        delete(slow)
    assert refused.value.reason == "IN_USE"
    training.CancelTrainingRun(pb.CancelTrainingRunRequest(name=slow))
    for name in (slow, done, failed):
        watched(training, name)
    for name in (slow, failed):
        delete(name)
        with pytest.raises(NotFound):
            delete(name)
        delete(name, allow_missing=True)
        with pytest.raises(AlreadyExists, match=f"{name} was deleted"):
            create(training, name.rpartition("/")[2])


USERS = {"registry": "projects/p/models/m/versions/v1.0", "flywheel": "projects/p/pipelineRuns/r"}


def test_a_run_that_succeeded_is_deleted_only_after_what_names_it(training, state):
    def delete(name):
        training.DeleteTrainingRun(pb.DeleteTrainingRunRequest(name=name))

    run, other = (create(training, name).name for name in ("done-three", "done-four"))
    for name in (run, other):
        watched(training, name)
    peers: dict[str, FakeReferences] = {}
    with ExitStack() as stack:
        for service, user in USERS.items():
            servicer = FakeReferences({run: [user]})
            add = partial(add_ReferenceServiceServicer_to_server, servicer)
            stack.enter_context(answering(socket_address(state.folder, service), add))
            peers[service] = servicer
        for service, user in USERS.items():
            with pytest.raises(FailedPrecondition, match=f"{run} is used by {user}") as refused:
                delete(run)
            assert refused.value.reason == "IN_USE"
            peers[service].users = {}
        delete(run)
    with pytest.raises(NotFound):
        training.GetTrainingRun(pb.GetTrainingRunRequest(name=run))
    with pytest.raises(Unavailable):
        delete(other)


def test_a_run_that_does_not_fit_is_refused_by_the_measured_model(training):
    huge = run_pb.Recipe.Architecture(hidden_size=4096, layers=32, heads=32)
    last = watched(training, create(training, "huge", architecture=huge).name)[-1]
    assert (last.state, last.failure.reason) == (STATE.STATE_FAILED, "OUT_OF_MEMORY")
    request = pb.PlanTrainingRequest(parent="projects/p", training_run=spec(architecture=huge))
    assert not training.PlanTraining(request).admitted


def test_a_retry_with_the_same_request_id_gives_the_same_run(training):
    request = pb.CreateTrainingRunRequest(parent="projects/p", training_run=spec(), request_id="r-1")
    assert training.CreateTrainingRun(request).name == training.CreateTrainingRun(request).name


def test_a_base_model_says_its_shape_and_its_labels(state, training, tmp_path):
    base = ArtifactStore(str(state.folder / "artifacts")).put_tree(tiny_llama(tmp_path / "base"))
    request = run_pb.TrainingRun(train_digest="1" * 64, validation_digest="2" * 64, base_artifact_digest=base)
    created = training.CreateTrainingRun(
        pb.CreateTrainingRunRequest(parent="projects/p", training_run=request)
    )
    assert created.recipe.method == run_pb.Recipe.METHOD_CONTINUE
    assert list(created.recipe.labels) == ["ham", "spam"]
    assert (created.recipe.architecture.hidden_size, created.recipe.max_chars) == (64, 400)


def test_an_adapter_is_continued_by_its_own_method_or_as_a_whole_model(state, training, tmp_path):
    store = ArtifactStore(str(state.folder / "artifacts"))
    base = tiny_llama(tmp_path / "base")
    adapter = store.put_tree(tiny_adapter(tmp_path / "adapter", base, store.put_tree(base), rank=2))
    digests = {"train_digest": "1" * 64, "validation_digest": "2" * 64, "base_artifact_digest": adapter}
    request = run_pb.TrainingRun(**digests)
    created = training.CreateTrainingRun(
        pb.CreateTrainingRunRequest(parent="projects/p", training_run=request)
    )
    assert (created.recipe.method, created.recipe.lora_rank) == (run_pb.Recipe.METHOD_LORA, 2)
    request.recipe.method = run_pb.Recipe.METHOD_CONTINUE
    whole = training.CreateTrainingRun(pb.CreateTrainingRunRequest(parent="projects/p", training_run=request))
    assert (whole.recipe.method, whole.base_artifact_digest) == (run_pb.Recipe.METHOD_CONTINUE, adapter)


def test_an_invalid_request_is_refused_by_name(state, training):
    for field, changed in {
        "recipe.labels": spec(labels=[]),
        "recipe.learning_rate": spec(learning_rate=7.0),
        "recipe.max_tokens": spec(labels=[], task=TASKS["generate"], max_tokens=4096),
        "train_digest": run_pb.TrainingRun(validation_digest="2" * 64),
        "base_artifact_digest": spec(method=run_pb.Recipe.METHOD_LORA),
    }.items():
        with pytest.raises(InvalidArgument) as refused:
            training.CreateTrainingRun(pb.CreateTrainingRunRequest(parent="projects/p", training_run=changed))
        assert refused.value.field == field
    neuron = spec(packed=True)
    neuron.resources.accelerator = run_pb.Resources.ACCELERATOR_NEURON
    with pytest.raises(FailedPrecondition) as accelerator:
        training.CreateTrainingRun(pb.CreateTrainingRunRequest(parent="projects/p", training_run=neuron))
    assert accelerator.value.reason == "ACCELERATOR_REFUSED"
    with pytest.raises(NotFound):
        training.GetTrainingRun(pb.GetTrainingRunRequest(name="projects/p/trainingRuns/none"))
    with pytest.raises(PermissionDenied):
        create(TrainingServiceStub(state.as_role(Role.VIEWER, "training")), "viewer")


@pytest.mark.parametrize("part", ["train_digest", "validation_digest"])
def test_parts_that_held_erased_records_are_refused(state, training, part):
    store = ArtifactStore(str(state.folder / "artifacts"))
    request = spec()
    setattr(request, part, store.put_bytes(part.encode()))
    store.erase(getattr(request, part), "it held records that projects/p/erasures/e erased.")
    with pytest.raises(FailedPrecondition, match="erasures/e") as refused:
        training.CreateTrainingRun(pb.CreateTrainingRunRequest(parent="projects/p", training_run=request))
    assert refused.value.reason == "ARTIFACT_ERASED"


def test_runs_are_listed(training):
    listed = training.ListTrainingRuns(pb.ListTrainingRunsRequest(parent="projects/p", page_size=2))
    assert len(listed.training_runs) == 2
    assert listed.next_page_token


def model_export(
    training: TrainingServiceStub, digest: str, **fields: object
) -> model_export_pb2.ModelExport:
    requested = model_export_pb2.ModelExport(source_digest=digest, **fields)
    return training.CreateModelExport(
        pb.CreateModelExportRequest(parent="projects/p", model_export=requested)
    )


def test_model_exports_that_do_not_fit_are_refused_by_field(state, training, tmp_path):
    base = ArtifactStore(str(state.folder / "artifacts")).put_tree(tiny_llama(tmp_path / "base"))
    Export = model_export_pb2.ModelExport
    for fields, reason in (
        ({}, "BAD_MODEL_EXPORT"),
        ({"format": Export.FORMAT_ADAPTER}, "BAD_MODEL_EXPORT"),
        ({"format": Export.FORMAT_ONNX, "gguf_type": Export.GGUF_TYPE_F16}, "BAD_MODEL_EXPORT"),
        (
            {"format": Export.FORMAT_ONNX, "source_version": "projects/q/models/m/versions/v1.0"},
            "OTHER_PROJECT",
        ),
    ):
        with pytest.raises(InvalidArgument) as refused:
            model_export(training, base, **fields)
        assert refused.value.reason == reason
    with pytest.raises(InvalidArgument, match="source_digest"):
        model_export(training, "", format=Export.FORMAT_ONNX)


@pytest.mark.thorough
def test_a_model_export_is_watched_to_its_files(state, training, tmp_path):
    store = ArtifactStore(str(state.folder / "artifacts"))
    base = store.put_tree(tiny_llama(tmp_path / "base"))
    created = model_export(training, base, format=model_export_pb2.ModelExport.FORMAT_HUGGING_FACE)
    *_, last = training.WatchModelExport(pb.WatchModelExportRequest(name=created.name), timeout=300)
    assert last.state == model_export_pb2.ModelExport.STATE_SUCCEEDED, last.failure
    assert {file.path for file in last.files} == {file.path for file in store.tree(last.artifact_digest)}
    assert "model.safetensors" in {file.path for file in last.files}
    assert last.parity.comparison.max_difference < 1e-4
    listed = training.ListModelExports(pb.ListModelExportsRequest(parent="projects/p")).model_exports
    assert [each.name for each in listed] == [created.name]
    training.DeleteModelExport(pb.DeleteModelExportRequest(name=created.name))
    assert not training.ListModelExports(pb.ListModelExportsRequest(parent="projects/p")).model_exports


def test_compressions_that_cannot_be_done_are_refused_by_field(state, training, tmp_path):
    source = ArtifactStore(str(state.folder / "artifacts")).put_tree(tiny_llama(tmp_path / "source"))
    usual = {"source_digest": source, "method": compression_pb2.Compression.METHOD_INT8}
    refusals = {
        "method": {"method": compression_pb2.Compression.METHOD_UNSPECIFIED},
        "source_digest": {"source_digest": ""},
        "group_size": {"group_size": 64},
        "train_digest": {"rounding": compression_pb2.Compression.ROUNDING_GPTQ},
    }
    for field, changes in refusals.items():
        compression = compression_pb2.Compression(**{**usual, **changes})
        with pytest.raises(InvalidArgument) as refused:
            training.CreateCompression(
                pb.CreateCompressionRequest(parent="projects/p", compression=compression)
            )
        assert (refused.value.reason, refused.value.field) == ("BAD_COMPRESSION", field)
    assert not training.ListCompressions(pb.ListCompressionsRequest(parent="projects/p")).compressions


def test_bootstrap_builds_the_service(tmp_path):
    State(tmp_path)
    settings = Settings(state=tmp_path)
    migrate("training", settings.database_url)
    assert bootstrap.build(settings, Platform.of_process()) is not None
