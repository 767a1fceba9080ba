"""Suites over the gRPC API, and a run that applies one."""

import json
from io import BytesIO

import pyarrow.parquet as pq
import pytest

from ratoon.evaluation.v1 import evaluation_run_pb2 as runs_pb2
from ratoon.evaluation.v1 import evaluation_service_pb2 as pb
from ratoon.evaluation.v1 import suite_pb2
from ratoon.evaluation.v1.evaluation_service_pb2_grpc import EvaluationServiceStub
from ratoon.jobs.v1.job_pb2 import JobEnvironment
from ratoon.operations.jobs import LocalJobs
from ratoon.process.errors import FailedPrecondition, InvalidArgument, NotFound, RatoonError
from ratoon.security.identity import Role
from ratoon.storage.migrations import migrate
from ratoon.testkit.services import State, serving
from ratoon_evaluation.adapters.scoring import Effort, scoring_jobs
from ratoon_evaluation.application.ports import Parts
from ratoon_evaluation.settings import Settings

from .conftest import mails, part_blob
from .test_service import SPLIT, FakeSplits, build

TASK = """task: mails
dataset_path: json
dataset_kwargs:
  data_files: {test: mails.jsonl}
output_type: multiple_choice
test_split: test
doc_to_text: "{{text}}"
doc_to_target: label
doc_to_choice: ["ham", "spam"]
metric_list:
  - metric: acc
"""


@pytest.fixture(scope="module")
def evaluation(tmp_path_factory, databases, store, warm_folder):
    splits = FakeSplits(Parts(store.put_bytes(part_blob(mails(12))), ""))
    folder = tmp_path_factory.mktemp("evaluation")
    settings = Settings(
        state=folder, artifacts_url=store.url, database_url=databases.url("evaluation", folder)
    )
    migrate("evaluation", settings.database_url)
    environment = JobEnvironment(artifacts=store.url, warm=warm_folder)
    scoring = scoring_jobs(LocalJobs(folder / "jobs"), environment, Effort(threads=1, resamples=200))
    with State(folder) as state, serving([build(settings, scoring, splits)]):
        yield EvaluationServiceStub(state.as_role(Role.ENGINEER, "evaluation"))


def create(evaluation, name, *tests, description=""):
    suite = suite_pb2.Suite(tests=tests, description=description)
    return evaluation.CreateSuite(pb.CreateSuiteRequest(parent="projects/p", suite_id=name, suite=suite))


def records(store, count, **more):
    lines = [json.dumps({"prompt": text, "label": label}) for text, label in mails(count)]
    return suite_pb2.RecordsTest(digest=store.put_bytes("\n".join(lines).encode()), **more)


def harness(store, text=TASK):
    lines = [json.dumps({"text": text, "label": label}) for text, label in mails(6)]
    file = suite_pb2.HarnessTest.File(name="mails.jsonl", digest=store.put_bytes("\n".join(lines).encode()))
    return suite_pb2.HarnessTest(yaml=text, files=[file])


def test_a_suite_is_created_listed_changed_and_deleted(evaluation, store):
    test = suite_pb2.SuiteTest(name="plain", records=records(store, 6))
    field = suite_pb2.SuiteTest(name="field", harness=harness(store))
    created = create(evaluation, "own", test, field, description="Own mails")
    assert (created.name, created.tests[1].metric) == ("projects/p/suites/own", "acc")
    assert evaluation.GetSuite(pb.GetSuiteRequest(name=created.name)) == created
    assert list(evaluation.ListSuites(pb.ListSuitesRequest(parent="projects/p")).suites) == [created]
    change = suite_pb2.Suite(name=created.name, etag=created.etag, description="Others")
    request = pb.UpdateSuiteRequest(suite=change)
    request.update_mask.paths.append("description")
    changed = evaluation.UpdateSuite(request)
    assert (changed.description, list(changed.tests)) == ("Others", list(created.tests))
    with pytest.raises(RatoonError) as stale:
        evaluation.UpdateSuite(request)
    assert stale.value.reason == "STALE_ETAG"
    evaluation.DeleteSuite(pb.DeleteSuiteRequest(name=created.name, etag=changed.etag))
    with pytest.raises(NotFound):
        evaluation.GetSuite(pb.GetSuiteRequest(name=created.name))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (TASK + "process_docs: !function utils.process_docs\n", "names Python code"),
        (TASK.replace("path: json", "path: openai/gsm8k"), "dataset_path must be `json`"),
        (TASK.replace("mails.jsonl", "others.jsonl"), "name it in files"),
        (TASK.replace("{{text}}", "{{text"), "is not a Jinja template"),
        ("- [", "not YAML"),
    ],
)
def test_a_task_that_is_not_supported_is_refused_with_a_sentence(evaluation, store, text, reason):
    with pytest.raises(InvalidArgument, match=reason) as refused:
        create(evaluation, "", suite_pb2.SuiteTest(name="field", harness=harness(store, text)))
    assert refused.value.reason == "BAD_SUITE"
    assert refused.value.field.startswith("tests[0].harness.")


def test_a_run_applies_a_suite_and_keeps_it(evaluation, store, taught, always_ham):
    noise = suite_pb2.RecordsTest.Noise(
        perturbations=[suite_pb2.RecordsTest.PERTURBATION_TYPOS], rate=0.02, seed=3
    )
    broken = suite_pb2.RecordsTest(
        digest=store.put_bytes(b'{"prompt": "a", "label": "ham"}\n{"prompt": 3}\n{')
    )
    suite = create(
        evaluation,
        "mails",
        suite_pb2.SuiteTest(name="plain", records=records(store, 12)),
        suite_pb2.SuiteTest(
            name="typos", kind=suite_pb2.SuiteTest.KIND_NOISE, records=records(store, 12, noise=noise)
        ),
        suite_pb2.SuiteTest(name="field", difficulty="easy", harness=harness(store)),
    )
    other = create(evaluation, "broken", suite_pb2.SuiteTest(name="rows", records=broken))
    rules = [
        runs_pb2.GateRule(
            kind=runs_pb2.GateRule.KIND_MIN_VALUE, metric="suite:mails/plain.macro_f1", threshold=0.5
        ),
        runs_pb2.GateRule(
            kind=runs_pb2.GateRule.KIND_MIN_VALUE, metric="suite:broken.macro_f1", threshold=0.0
        ),
    ]
    run = runs_pb2.EvaluationRun(
        candidate_digest=taught,
        reference_digest=always_ham,
        domains=[runs_pb2.Domain(name="old", split=SPLIT)],
        labels=["ham", "spam"],
        gate=rules,
        suites=[suite.name, other.name],
    )
    created = evaluation.CreateEvaluationRun(
        pb.CreateEvaluationRunRequest(parent="projects/p", evaluation_run=run)
    )
    evaluation.DeleteSuite(pb.DeleteSuiteRequest(name=suite.name))
    watch = pb.WatchEvaluationRunRequest(name=created.name)
    last = list(evaluation.WatchEvaluationRun(watch, timeout=180))[-1]
    assert last.state == runs_pb2.EvaluationRun.STATE_SUCCEEDED, last.failure
    mails_result, broken_result = last.suite_results
    assert (mails_result.suite, mails_result.suite_revision) == (suite.name, suite.revision)
    plain, typos, field = mails_result.tests
    assert plain.candidate["macro_f1"].value > 0.9 > plain.reference["macro_f1"].value
    assert plain.differences["macro_f1"].lower > 0
    assert (typos.kind, typos.record_count) == (suite_pb2.SuiteTest.KIND_NOISE, 12)
    assert typos.answers_digest not in ("", plain.answers_digest)
    assert (field.difficulty, field.record_count, set(field.candidate)) == ("easy", 6, {"acc"})
    assert mails_result.metrics["macro_f1"].value > 0
    assert "Line 3 is not JSON" in broken_result.tests[0].unmeasured[""]
    first, second = last.verdict.rules
    assert first.passed
    assert not second.passed
    assert "Line 3" in second.reason
    rows = pq.read_table(BytesIO(store.read(field.answers_digest))).to_pylist()
    assert {row["answer"] for row in rows} <= {"ham", "spam"}
    assert b"Suite mails" in store.read(last.report_html_digest)
    assert [test.wrong_answer_count for test in mails_result.tests] == [0, typos.wrong_answer_count, 0]


def wrong(evaluation, run, **more):
    request = pb.ListBadCasesRequest(parent=run.name, **more)
    return evaluation.ListBadCases(request)


def test_wrong_answers_to_tests_are_shown_with_their_texts(evaluation, store, taught, always_ham):
    part = suite_pb2.RecordsTest(digest=store.put_bytes(part_blob(mails(8))))
    suite = create(
        evaluation,
        "wrong",
        suite_pb2.SuiteTest(name="field", harness=harness(store)),
        suite_pb2.SuiteTest(name="own", records=records(store, 8)),
        suite_pb2.SuiteTest(name="of-split", records=part),
    )
    broken = create(
        evaluation, "gone", suite_pb2.SuiteTest(name="rows", records=suite_pb2.RecordsTest(digest="0" * 64))
    )
    run = evaluation.CreateEvaluationRun(
        pb.CreateEvaluationRunRequest(
            parent="projects/p",
            evaluation_run=runs_pb2.EvaluationRun(
                candidate_digest=always_ham,
                reference_digest=taught,
                domains=[runs_pb2.Domain(name="old", split=SPLIT)],
                labels=["ham", "spam"],
                suites=[suite.name, broken.name],
            ),
        )
    )
    watch = pb.WatchEvaluationRunRequest(name=run.name)
    last = list(evaluation.WatchEvaluationRun(watch, timeout=180))[-1]
    assert last.state == runs_pb2.EvaluationRun.STATE_SUCCEEDED, last.failure
    spam = [text for text, label in mails(8) if label == "spam"]
    of_task = [text for text, label in mails(6) if label == "spam"]
    count = len(of_task)
    assert [test.wrong_answer_count for test in last.suite_results[0].tests] == [count, len(spam), len(spam)]
    cases, token = [], ""
    while not cases or token:
        page = wrong(evaluation, run, suite="wrong", page_token=token)
        cases, token = [*cases, *page.bad_cases], page.next_page_token
    assert [(case.test, case.predicted, case.label) for case in cases] == [
        *[("field", "ham", "spam")] * count,
        *[("own", "ham", "spam")] * len(spam),
        *[("of-split", "ham", "spam")] * len(spam),
    ]
    assert {case.suite for case in cases} == {suite.name}
    assert {case.domain for case in cases} == {""}
    for test in ("own", "of-split"):
        assert sorted(case.text for case in cases if case.test == test) == sorted(spam)
    assert [case.text for case in cases[:count]] == of_task
    assert {case.reference_predicted for case in cases[:count]} == {"spam"}
    assert [case.score for case in cases[:count]] == [0.0] * count
    whole = pb.ExportBadCasesRequest(parent=run.name, suite="wrong")
    exported = [json.loads(line) for line in store.read(evaluation.ExportBadCases(whole).digest).splitlines()]
    assert [(row["domain"], row["predicted"], row["label"]) for row in exported] == [
        *[("wrong/field", "ham", "spam")] * count,
        *[("wrong/own", "ham", "spam")] * len(spam),
        *[("wrong/of-split", "ham", "spam")] * len(spam),
    ]
    one = pb.ExportBadCasesRequest(parent=run.name, suite=suite.name, test="own", max_record_count=1)
    assert evaluation.ExportBadCases(one).record_count == 1
    with pytest.raises(InvalidArgument):
        evaluation.ExportBadCases(pb.ExportBadCasesRequest(parent=run.name, suite="wrong", domain="old"))
    (own,) = {case.test for case in wrong(evaluation, run, suite=suite.name, test="own").bad_cases}
    assert own == "own"
    first = wrong(evaluation, run, suite="wrong", page_size=5)
    assert len(first.bad_cases) == count
    second = wrong(evaluation, run, suite="wrong", page_size=5, page_token=first.next_page_token)
    assert {case.test for case in second.bad_cases} == {"own"}
    assert all(case.domain == "old" for case in wrong(evaluation, run).bad_cases)
    with pytest.raises(InvalidArgument):
        wrong(evaluation, run, page_token=first.next_page_token)
    for fields, field in (
        ({"suite": "other"}, "suite"),
        ({"suite": "projects/p/datasets/wrong"}, "suite"),
        ({"suite": "wrong", "domain": "old"}, "suite"),
        ({"test": "own"}, "suite"),
        ({"suite": "wrong", "test": "other"}, "test"),
    ):
        with pytest.raises(InvalidArgument) as refused:
            wrong(evaluation, run, **fields)
        assert (refused.value.reason, refused.value.field) == ("BAD_EVALUATION", field)
    with pytest.raises(FailedPrecondition, match="not in the store") as refused:
        wrong(evaluation, run, suite="gone", test="rows")
    assert refused.value.reason == "NOT_EVALUATED"
    assert list(wrong(evaluation, run, suite="gone").bad_cases) == []
    store.seal("p", part.digest)
    sealed = wrong(evaluation, run, suite="wrong", test="of-split").bad_cases
    assert [(case.text, case.record_id, case.test) for case in sealed] == [("", "", "of-split")] * len(spam)
    with pytest.raises(InvalidArgument, match="are a test part, whose reading is logged"):
        evaluation.ExportBadCases(whole)


def test_a_suite_of_another_project_is_refused(evaluation, store):
    run = runs_pb2.EvaluationRun(
        candidate_digest="a" * 64,
        domains=[runs_pb2.Domain(name="old", split=SPLIT)],
        labels=["ham", "spam"],
        suites=["projects/p/suites/none"],
    )
    with pytest.raises(NotFound):
        evaluation.CreateEvaluationRun(pb.CreateEvaluationRunRequest(parent="projects/p", evaluation_run=run))
