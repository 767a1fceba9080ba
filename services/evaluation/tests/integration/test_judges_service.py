"""Judges over the gRPC API: compared with people, and asked by a run whose gate may name them."""

import pytest

from ratoon.common.v1.task_pb2 import Generate, TaskSpec
from ratoon.evaluation.v1 import evaluation_run_pb2 as runs_pb2
from ratoon.evaluation.v1 import evaluation_service_pb2 as pb
from ratoon.evaluation.v1 import judge_pb2
from ratoon.evaluation.v1.evaluation_service_pb2_grpc import EvaluationServiceStub
from ratoon.jobs.v1.job_pb2 import JobEnvironment
from ratoon.operations.jobs import LocalJobs
from ratoon.process.errors import FailedPrecondition, InvalidArgument, NotFound
from ratoon.security.identity import Role
from ratoon.storage.migrations import migrate
from ratoon.tasks.kind import Record, Turn
from ratoon.testkit.services import State, serving
from ratoon_evaluation.adapters.scoring import Effort, scoring_jobs
from ratoon_evaluation.application.ports import Parts
from ratoon_evaluation.domain.human import HumanTask
from ratoon_evaluation.domain.judging import Choice
from ratoon_evaluation.settings import Settings

from .conftest import mails, part_blob
from .judge_server import answers_in, judge_server
from .test_service import SPLIT, FakeSplits, build

KIND = judge_pb2.Judge
IDS = [f"{n:064x}" for n in range(12)]


class People:
    """People who prefer `spam`, as the judge does, but for one pair."""

    def tasks(self, project, kind):
        pairs = [(("spam", "ham"), Choice.FIRST), (("ham", "spam"), Choice.SECOND)] * 30
        for n, (answers, choice) in enumerate([(("spam", "ham"), Choice.SECOND), *pairs]):
            yield HumanTask(IDS[n % 12], f"v{n}", answers, ("new", "old"), (choice,))

    def record(self, dataset_version, record_id):
        return Record((Turn("user", dataset_version),)) if dataset_version != "v1" else None

    def create(self, project, tasks, request_id):
        assert all(set(task.answers) == {"ham", "spam"} for task in tasks)


def prefer_spam(prompt):
    first, _ = answers_in(prompt)
    return f"Verdict: {'A' if first == 'spam' else 'B'}"


@pytest.fixture(scope="module")
def server():
    with judge_server(prefer_spam) as running:
        yield running


@pytest.fixture(scope="module")
def evaluation(tmp_path_factory, databases, store, server, warm_folder):
    splits = FakeSplits(Parts(store.put_bytes(part_blob(mails(12))), ""))
    folder = tmp_path_factory.mktemp("evaluation")
    settings = Settings(
        state=folder, artifacts_url=store.url, database_url=databases.url("evaluation", folder)
    )
    migrate("evaluation", settings.database_url)
    environment = JobEnvironment(artifacts=store.url, warm=warm_folder)
    jobs, endpoints = LocalJobs(folder / "jobs"), {server.url: ""}
    scoring = scoring_jobs(jobs, environment, Effort(threads=1, resamples=200), endpoints)
    with (
        State(folder) as state,
        serving([build(settings, scoring, splits, People(), jobs, endpoints)]),
    ):
        yield EvaluationServiceStub(state.as_role(Role.ENGINEER, "evaluation"))


def create(evaluation, name, **fields):
    judge = judge_pb2.Judge(**{"kind": KIND.KIND_PAIRWISE, "model": "m", **fields})
    return evaluation.CreateJudge(pb.CreateJudgeRequest(parent="projects/p", judge_id=name, judge=judge))


def run(evaluation, taught, always_ham, judge, **fields):
    requested = runs_pb2.EvaluationRun(
        candidate_digest=taught,
        reference_digest=always_ham,
        domains=[runs_pb2.Domain(name="new", split=SPLIT)],
        task=TaskSpec(generate=Generate(defaults={"max_tokens": 6})),
        judges=[judge],
        gate=[
            runs_pb2.GateRule(
                kind=runs_pb2.GateRule.KIND_MIN_VALUE, domain="new", metric="judge_win_rate", threshold=0.5
            )
        ],
        **fields,
    )
    return evaluation.CreateEvaluationRun(
        pb.CreateEvaluationRunRequest(parent="projects/p", evaluation_run=requested)
    )


def test_a_judge_agrees_with_people_and_then_gates(evaluation, server, taught, always_ham):
    created = create(evaluation, "pairs", base_url=f"{server.url}/", criteria="Right")
    assert (created.base_url, created.max_tokens) == (server.url, 512)
    last = list(evaluation.WatchJudge(pb.WatchJudgeRequest(name=created.name), timeout=120))[-1]
    assert last.state == KIND.STATE_SUCCEEDED, last.failure
    agreement = last.agreement
    assert (agreement.pair_count, agreement.missing_count, agreement.consistency) == (60, 1, 1.0)
    assert agreement.raw == pytest.approx(59 / 60)
    assert 0.9 < agreement.kappa < 1
    assert list(evaluation.ListJudges(pb.ListJudgesRequest(parent="projects/p")).judges) == [last]
    human = runs_pb2.HumanRatings(candidate_origin="new", reference_origin="old")
    started = run(evaluation, taught, always_ham, created.name, human_ratings=human)
    assert started.judge_requirements.min_pair_count == 50
    watch = pb.WatchEvaluationRunRequest(name=started.name)
    done = list(evaluation.WatchEvaluationRun(watch, timeout=180))[-1]
    assert done.state == runs_pb2.EvaluationRun.STATE_SUCCEEDED, done.failure
    (result,) = done.results
    (scores,) = result.judges
    assert (scores.judge, scores.win_count, scores.identical_count) == (created.name, 4, 8)
    assert result.candidate.metrics["judge_win_rate"].value == pytest.approx(8 / 12)
    assert result.candidate.metrics["human_win_rate"].value == pytest.approx(30 / 61, abs=0.1)
    assert result.human.pair_count == 12
    assert done.verdict.rules[0].measured.value == pytest.approx(8 / 12)
    request = pb.RequestRatingsRequest(
        name=started.name, domain="new", work=pb.RequestRatingsRequest.WORK_COMPARE
    )
    requested = evaluation.RequestRatings(request)
    assert (requested.task_count, requested.left_out_count) == (4, 8)
    count = len(server.requests)
    again = run(evaluation, taught, always_ham, created.name)
    watch = pb.WatchEvaluationRunRequest(name=again.name)
    assert list(evaluation.WatchEvaluationRun(watch, timeout=180))[-1].results[0].judges[0] == scores
    assert len(server.requests) == count
    evaluation.DeleteJudge(pb.DeleteJudgeRequest(name=created.name))
    with pytest.raises(NotFound):
        evaluation.GetJudge(pb.GetJudgeRequest(name=created.name))


def test_a_judge_without_ratings_to_compare_with_does_not_gate(evaluation, server, taught, always_ham):
    created = create(evaluation, "scores", kind=KIND.KIND_PAIRWISE, base_url=server.url, criteria="Other")
    list(evaluation.WatchJudge(pb.WatchJudgeRequest(name=created.name), timeout=120))
    with pytest.raises(FailedPrecondition, match="100 are needed") as refused:
        run(
            evaluation,
            taught,
            always_ham,
            created.name,
            judge_requirements=judge_pb2.JudgeRequirements(min_pair_count=100),
        )
    assert refused.value.reason == "JUDGE_NOT_TRUSTED"


def test_what_only_the_operator_can_allow_is_refused(evaluation):
    for url in ("http://169.254.169.254/v1", "https://judge.example/v1"):
        with pytest.raises(FailedPrecondition) as refused:
            create(evaluation, "", base_url=url)
        assert refused.value.reason == "JUDGE_ENDPOINT_NOT_ALLOWED"
    with pytest.raises(InvalidArgument) as refused:
        create(evaluation, "", kind=KIND.KIND_UNSPECIFIED, base_url="https://judge.example/v1")
    assert (refused.value.reason, refused.value.field) == ("BAD_JUDGE", "kind")


def test_a_judge_that_is_down_fails_with_a_sentence(evaluation, server):
    created = create(evaluation, "down", base_url=server.url, criteria="Down")
    server.statuses = [401] * 200
    last = list(evaluation.WatchJudge(pb.WatchJudgeRequest(name=created.name), timeout=120))[-1]
    server.statuses = []
    assert (last.state, last.failure.reason) == (KIND.STATE_FAILED, "JUDGE_UNAVAILABLE")
    assert "status 401" in last.failure.message
