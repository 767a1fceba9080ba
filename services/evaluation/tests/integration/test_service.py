"""The evaluation service: its gRPC API over a real socket, database and event log, with real and fake scoring."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from ratoon.common.v1.compute_pb2 import Compute as Kinds
from ratoon.evaluation.v1 import evaluation_run_pb2
from ratoon.evaluation.v1 import evaluation_service_pb2 as pb
from ratoon.evaluation.v1.evaluation_service_pb2_grpc import (
    EvaluationServiceStub,
    add_EvaluationServiceServicer_to_server,
)
from ratoon.jobs.v1.job_pb2 import JobEnvironment
from ratoon.operations.job_machine import JobObservation, Phase
from ratoon.operations.jobs import LocalJobs
from ratoon.process.errors import FailedPrecondition, InvalidArgument, NotFound, PermissionDenied
from ratoon.runtime.lifecycle import App, Rpc
from ratoon.security.identity import Role
from ratoon.service.app import Platform, ServiceRuntime
from ratoon.service.compute import JobDevices
from ratoon.storage.artifacts import ArtifactStore
from ratoon.storage.migrations import migrate
from ratoon.storage.paging import PageTokens
from ratoon.tasks.compute import Accelerator
from ratoon.testkit.services import State, serving
from ratoon_evaluation import mapping
from ratoon_evaluation.adapters import tables
from ratoon_evaluation.adapters.agreements import JsonCases, agreement_jobs
from ratoon_evaluation.adapters.answers import ParquetAnswers
from ratoon_evaluation.adapters.exports import JsonLinesExports
from ratoon_evaluation.adapters.models import StoredModels
from ratoon_evaluation.adapters.scoring import Effort, scoring_jobs
from ratoon_evaluation.application.judges import judge_procedure
from ratoon_evaluation.application.ports import Parts
from ratoon_evaluation.application.procedures import run_procedure
from ratoon_evaluation.domain.costs import Rates
from ratoon_evaluation.domain.errors import SplitNotReady
from ratoon_evaluation.domain.runs import Progress
from ratoon_evaluation.entrypoints.grpc import EvaluationServicer, Ports
from ratoon_evaluation.settings import Settings

from .conftest import mails, part_blob

SPLIT = "projects/p/datasets/d/splits/s1"
RUNS = evaluation_run_pb2.EvaluationRun
KINDS = evaluation_run_pb2.GateRule


@dataclass
class FakeSplits:
    """One split, and who read it."""

    parts: Parts | None = None
    readings: list[tuple[str, str]] = field(default_factory=list)

    def open(self, split, readers, purpose):
        if split != SPLIT or self.parts is None:
            raise SplitNotReady(f"{split} is QUEUED.")
        self.readings += [(reader, purpose) for reader in readers]
        return self.parts


class SlowScoring:
    """Runs until it is stopped."""

    def __init__(self):
        self.running = set()

    def observe(self, job_id):
        return (
            JobObservation(Phase.RUNNING, Progress(0.5, "half"))
            if job_id in self.running
            else JobObservation(Phase.ABSENT)
        )

    def start(self, job_id, job):
        self.running.add(job_id)

    def forget(self, job_id):
        self.stop(job_id)

    def stop(self, job_id):
        self.running.discard(job_id)


class NoPeople:
    """A project without human ratings."""

    def tasks(self, project, kind):
        return iter(())

    def record(self, dataset_version, record_id):
        return None


def build(settings: Settings, scoring, splits, people=None, jobs=None, endpoints=None) -> App:
    people = people or NoPeople()
    base = ServiceRuntime(settings, Platform.of_process(), tables.METADATA)
    store = base.store(tables.RESOURCES, mapping.event)
    artifacts = ArtifactStore(settings.artifacts_url)
    agreements = agreement_jobs(
        jobs or base.jobs(), JobEnvironment(artifacts=settings.artifacts_url), endpoints or {}
    )
    procedures = (
        run_procedure(store, splits, scoring, people, StoredModels(artifacts)),
        judge_procedure(store, people, JsonCases(artifacts), agreements),
    )
    operations = base.operations(store, procedures)
    answers, tokens = ParquetAnswers(artifacts), PageTokens(b"test")
    exports = JsonLinesExports(artifacts)
    changes = base.changes(store)
    ports = Ports(
        store,
        operations,
        changes,
        base.threads,
        base.clock,
        splits,
        answers,
        tokens,
        exports,
        JobDevices(is_local=True, root=settings.folder),
        people,
        StoredModels(artifacts),
        endpoints or {},
        Rates({Accelerator.CPU: 3.6}, "EUR"),
    )
    servicer = EvaluationServicer(ports)
    rpc = Rpc("ratoon.evaluation.v1.EvaluationService", add_EvaluationServiceServicer_to_server, servicer)
    return base.app([rpc], [operations])


@pytest.fixture(scope="module")
def splits(store):
    test, train = store.put_bytes(part_blob(mails(30))), store.put_bytes(part_blob(mails(40, spam_every=4)))
    return FakeSplits(Parts(test, train))


@pytest.fixture(scope="module")
def state(tmp_path_factory, databases, store, splits, warm_folder) -> Iterator[State]:
    folder: Path = tmp_path_factory.mktemp("evaluation")
    url = databases.url("evaluation", folder)
    settings = Settings(state=folder, artifacts_url=store.url, database_url=url)
    migrate("evaluation", settings.database_url)
    jobs = LocalJobs(folder / "jobs")
    environment = JobEnvironment(artifacts=store.url, warm=warm_folder)
    scoring = scoring_jobs(jobs, environment, Effort(threads=1, resamples=500))
    with State(folder) as state, serving([build(settings, scoring, splits)]):
        yield state


@pytest.fixture
def evaluation(state) -> EvaluationServiceStub:
    return EvaluationServiceStub(state.as_role(Role.ENGINEER, "evaluation"))


def ask(evaluation, candidate, reference="", split=SPLIT, run_id="", request_id="", rules=()):
    run = RUNS(
        candidate_digest=candidate,
        reference_digest=reference,
        domains=[evaluation_run_pb2.Domain(name="old", split=split)],
        labels=["ham", "spam"],
        gate=rules,
    )
    return evaluation.CreateEvaluationRun(
        pb.CreateEvaluationRunRequest(
            parent="projects/p", evaluation_run_id=run_id, evaluation_run=run, request_id=request_id
        )
    )


def watched(evaluation, name, revision=0):
    request = pb.WatchEvaluationRunRequest(name=name, revision=revision)
    return list(evaluation.WatchEvaluationRun(request, timeout=120))


def test_devices_that_are_missing_are_refused_before_a_test_part_is_opened(evaluation, splits):
    readings = list(splits.readings)

    def create(**compute):
        run = RUNS(
            candidate_digest="a" * 64,
            domains=[evaluation_run_pb2.Domain(name="old", split=SPLIT)],
            labels=["ham", "spam"],
            compute=Kinds(**compute),
        )
        return evaluation.CreateEvaluationRun(
            pb.CreateEvaluationRunRequest(parent="projects/p", evaluation_run=run)
        )

    with pytest.raises(FailedPrecondition, match="no NVIDIA GPU") as missing:
        create(accelerator=Kinds.ACCELERATOR_CUDA)
    assert missing.value.reason == "ACCELERATOR_UNAVAILABLE"
    with pytest.raises(FailedPrecondition, match="does not run on neuron"):
        create(accelerator=Kinds.ACCELERATOR_NEURON)
    assert splits.readings == readings


def test_a_plan_needs_a_rate_and_follows_from_runs_that_were_measured(evaluation, taught):
    parent = "projects/p"
    with pytest.raises(FailedPrecondition, match="seconds_per_answer") as missing:
        evaluation.PlanEvaluation(pb.PlanEvaluationRequest(parent="projects/none", record_count=9))
    assert missing.value.reason == "NO_MEASURED_RATE"
    last = watched(evaluation, ask(evaluation, taught).name)[-1]
    assert last.state == RUNS.STATE_SUCCEEDED, last.failure
    request = pb.PlanEvaluationRequest(parent=parent, record_count=3_000, candidate_digest=taught)
    plan = evaluation.PlanEvaluation(request)
    assert plan.answer_count == 3_000
    assert plan.seconds > plan.fixed_seconds >= 0
    assert plan.cost == pytest.approx(plan.seconds / 1_000)
    assert plan.currency == "EUR"
    assert plan.memory_bytes > 760 * 2**20


def test_a_run_is_scored_gated_and_watched(evaluation, splits, taught, always_ham, store):
    rules = [
        KINDS(kind=KINDS.KIND_BEATS_MAJORITY, domain="old"),
        KINDS(kind=KINDS.KIND_BETTER, domain="old"),
    ]
    created = ask(evaluation, taught, always_ham, rules=rules, request_id="one")
    states = watched(evaluation, created.name)
    last = states[-1]
    assert last.state == RUNS.STATE_SUCCEEDED, last.failure
    assert [s.revision for s in states] == sorted({s.revision for s in states})
    assert last.verdict.passed, last.verdict.summary
    (result,) = last.results
    assert result.candidate.macro_f1.lower > result.majority.macro_f1.value
    assert result.difference.lower > 0
    assert result.tfidf.record_count == 30
    assert {each.slice for each in result.slices} == {"html=no", "html=yes"}
    assert b"Passed." in store.read(last.report_html_digest)
    readers = [reader for reader, purpose in splits.readings if purpose.endswith(created.name)]
    assert readers == [taught, always_ham]
    assert ask(evaluation, taught, always_ham, rules=rules, request_id="one").name == created.name


def test_a_refused_candidate_shows_its_wrong_answers_and_the_reading_is_logged(
    evaluation, splits, always_ham
):
    rules = [KINDS(kind=KINDS.KIND_BEATS_MAJORITY, domain="old")]
    name = ask(evaluation, always_ham, rules=rules, run_id="refused").name
    last = watched(evaluation, name)[-1]
    assert not last.verdict.passed
    assert "not above" in last.verdict.summary
    first = evaluation.ListBadCases(pb.ListBadCasesRequest(parent=name, page_size=6))
    rest = evaluation.ListBadCases(
        pb.ListBadCasesRequest(parent=name, page_size=6, page_token=first.next_page_token)
    )
    cases = [*first.bad_cases, *rest.bad_cases]
    assert len({case.record_id for case in cases}) == last.results[0].wrong_answer_count == 10
    assert all((case.label, case.predicted, case.domain) == ("spam", "ham", "old") for case in cases)
    assert all("number" in case.text for case in cases)
    assert rest.next_page_token == ""
    of_domain = evaluation.ListBadCases(pb.ListBadCasesRequest(parent=name, page_size=6, domain="old"))
    assert of_domain.bad_cases == first.bad_cases
    for request in (
        pb.ListBadCasesRequest(parent=name, domain="new"),
        pb.ListBadCasesRequest(parent=name, page_token=of_domain.next_page_token),
    ):
        with pytest.raises(InvalidArgument):
            evaluation.ListBadCases(request)
    assert [reader for reader, purpose in splits.readings if "shown to" in purpose] == [name] * 3


def test_viewers_see_neither_the_records_of_wrong_answers_nor_blobs_that_name_them(evaluation, state, splits):
    name = (
        evaluation.ListEvaluationRuns(pb.ListEvaluationRunsRequest(parent="projects/p"))
        .evaluation_runs[-1]
        .name
    )
    viewer = EvaluationServiceStub(state.as_role(Role.VIEWER, "evaluation"))
    logged = len(splits.readings)
    cases = viewer.ListBadCases(pb.ListBadCasesRequest(parent=name)).bad_cases
    assert len(cases) == 10
    assert {(case.record_id, case.text, case.label) for case in cases} == {("", "", "spam")}
    assert len(splits.readings) == logged
    results = [
        each.GetEvaluationRun(pb.GetEvaluationRunRequest(name=name)).results[0]
        for each in (viewer, evaluation)
    ]
    assert [bool(each.predictions_digest) for each in results] == [False, True]


def test_wrong_answers_are_exported_and_the_reading_is_logged(evaluation, splits, always_ham, store):
    name = ask(evaluation, always_ham, run_id="exported").name
    count = watched(evaluation, name)[-1].results[0].wrong_answer_count
    before = len(splits.readings)
    export = evaluation.ExportBadCases(pb.ExportBadCasesRequest(parent=name, domain="old"))
    rows = [json.loads(line) for line in store.read(export.digest).decode().splitlines()]
    assert len(rows) == export.record_count == count
    assert {(row["label"], row["predicted"], row["domain"]) for row in rows} == {("spam", "ham", "old")}
    assert [reader for reader, purpose in splits.readings[before:] if "exported by" in purpose] == [name]
    with pytest.raises(InvalidArgument, match="has the domains old, not 'new'"):
        evaluation.ExportBadCases(pb.ExportBadCasesRequest(parent=name, domain="new"))
    with pytest.raises(InvalidArgument, match="0 to 10,000"):
        evaluation.ExportBadCases(pb.ExportBadCasesRequest(parent=name, max_record_count=10_001))


def test_runs_of_tasks_that_generate_state_their_settings(evaluation):
    run = RUNS(
        candidate_digest="a" * 64,
        base_digest="b" * 64,
        domains=[evaluation_run_pb2.Domain(name="old", split="projects/p/datasets/d/splits/other")],
        task={"generate": {"form": "FORM_CHAT", "defaults": {"max_tokens": 99, "top_p": 0.9}}},
        metric="chrf",
        generation={"sampling": {"temperature": 0.5}, "seed": 3},
    )
    created = evaluation.CreateEvaluationRun(
        pb.CreateEvaluationRunRequest(parent="projects/p", evaluation_run=run)
    )
    assert created.task == run.task
    assert (created.metric, created.base_digest, created.few_shot) == ("chrf", "b" * 64, 3)
    sampling = created.generation.sampling
    assert (sampling.temperature, sampling.top_p, sampling.max_tokens) == (0.5, 0.9, 99)
    assert created.generation.engine == evaluation_run_pb2.GenerationSettings.ENGINE_TRANSFORMERS
    assert evaluation.GetEvaluationRun(pb.GetEvaluationRunRequest(name=created.name)).task == run.task


def test_free_text_is_scored_compared_and_shown_with_both_answers(evaluation, always_ham, untaught, store):
    """The candidate always answers `ham`, which is right for two mails of three."""
    run = RUNS(
        candidate_digest=always_ham,
        reference_digest=untaught,
        domains=[evaluation_run_pb2.Domain(name="old", split=SPLIT)],
        task={"generate": {"defaults": {"max_tokens": 4}}},
        metric="exact_match",
        gate=[
            KINDS(kind=KINDS.KIND_BETTER, domain="old"),
            KINDS(kind=KINDS.KIND_BETTER, domain="old", metric="token_f1"),
            KINDS(kind=KINDS.KIND_MIN_VALUE, domain="old", metric="json_validity"),
        ],
    )
    request = pb.CreateEvaluationRunRequest(parent="projects/p", evaluation_run=run)
    last = watched(evaluation, evaluation.CreateEvaluationRun(request).name)[-1]
    assert last.state == RUNS.STATE_SUCCEEDED, last.failure
    (result,) = last.results
    assert result.candidate.metrics["exact_match"].value == pytest.approx(20 / 30)
    assert result.difference == result.differences["exact_match"]
    assert [rule.passed for rule in last.verdict.rules] == [True, True, False]
    assert "JSON validity was not measured" in last.verdict.summary
    assert [each.name for each in result.baselines] == ["nearest_reference"]
    report = store.read(last.report_html_digest).decode()
    assert "exact match" in report
    assert "macro-F1" not in report
    cases = evaluation.ListBadCases(pb.ListBadCasesRequest(parent=last.name)).bad_cases
    assert len(cases) == result.wrong_answer_count == 10
    assert {(case.label, case.predicted, case.score) for case in cases} == {("spam", "ham", 0.0)}
    assert all(case.HasField("reference_predicted") for case in cases)
    assert all("number" in case.text for case in cases)


def test_a_split_that_is_not_ready_fails_the_run_with_a_sentence(evaluation, taught):
    created = ask(evaluation, taught, split="projects/p/datasets/d/splits/other")
    last = watched(evaluation, created.name)[-1]
    assert (last.state, last.failure.reason) == (RUNS.STATE_FAILED, "SPLIT_NOT_READY")


def test_an_artifact_that_does_not_exist_fails_the_run_by_name(evaluation):
    last = watched(evaluation, ask(evaluation, "f" * 64).name)[-1]
    assert (last.state, last.failure.reason) == (RUNS.STATE_FAILED, "ARTIFACT_NOT_FOUND")
    with pytest.raises(FailedPrecondition, match="SUCCEEDED"):
        evaluation.ListBadCases(pb.ListBadCasesRequest(parent=last.name))


def test_a_run_without_a_result_is_deleted_and_one_with_a_verdict_is_refused(evaluation, taught):
    def delete(name, **options):
        evaluation.DeleteEvaluationRun(pb.DeleteEvaluationRunRequest(name=name, **options))

    done, failed = ask(evaluation, taught).name, ask(evaluation, "f" * 64).name
    for name in (done, failed):
        watched(evaluation, name)
    with pytest.raises(FailedPrecondition, match=f"{done} succeeded") as refused:
        delete(done)
    assert refused.value.reason == "IN_USE"
    delete(failed)
    with pytest.raises(NotFound):
        delete(failed)
    delete(failed, allow_missing=True)


def test_nonsense_is_refused_before_anything_starts(evaluation, taught):
    with pytest.raises(InvalidArgument, match="digest"):
        ask(evaluation, "nonsense")
    with pytest.raises(InvalidArgument, match="unknown domains"):
        ask(evaluation, taught, rules=[KINDS(kind=KINDS.KIND_BETTER, domain="new")])
    with pytest.raises(InvalidArgument, match="kind"):
        ask(evaluation, taught, rules=[KINDS(domain="old")])
    with pytest.raises(InvalidArgument):
        ask(evaluation, taught, split="../../etc/passwd")
    with pytest.raises(NotFound):
        evaluation.GetEvaluationRun(pb.GetEvaluationRunRequest(name="projects/p/evaluationRuns/none"))


def test_runs_are_listed_oldest_first(evaluation):
    page = evaluation.ListEvaluationRuns(pb.ListEvaluationRunsRequest(parent="projects/p", page_size=2))
    times = [run.create_time.ToNanoseconds() for run in page.evaluation_runs]
    assert times == sorted(times)
    assert page.next_page_token


def test_a_viewer_may_list_but_not_start(state, taught):
    viewer = EvaluationServiceStub(state.as_role(Role.VIEWER, "evaluation"))
    assert viewer.ListEvaluationRuns(pb.ListEvaluationRunsRequest(parent="projects/p")).evaluation_runs
    with pytest.raises(PermissionDenied):
        ask(viewer, taught)


def test_cancel_stops_the_scoring(tmp_path, databases, store, splits, taught):
    url = databases.url("evaluation", tmp_path)
    settings = Settings(state=tmp_path, artifacts_url=store.url, database_url=url)
    migrate("evaluation", settings.database_url)
    scoring = SlowScoring()
    with State(tmp_path) as state, serving([build(settings, scoring, splits)]):
        evaluation = EvaluationServiceStub(state.as_role(Role.ENGINEER, "evaluation"))
        name = ask(evaluation, taught).name
        stream = evaluation.WatchEvaluationRun(pb.WatchEvaluationRunRequest(name=name), timeout=30)
        for run in stream:
            if run.state == RUNS.STATE_RUNNING and scoring.running:
                evaluation.CancelEvaluationRun(pb.CancelEvaluationRunRequest(name=name))
        assert run.state == RUNS.STATE_CANCELLED
        assert not scoring.running
