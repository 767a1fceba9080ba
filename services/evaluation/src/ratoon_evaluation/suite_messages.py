"""Suites as protobuf and back, for the API and for the specs of jobs."""

from collections.abc import Mapping

from ratoon.evaluation.v1 import evaluation_run_pb2 as runs_pb2
from ratoon.evaluation.v1 import evaluation_service_pb2 as service_pb2
from ratoon.evaluation.v1 import suite_pb2 as pb
from ratoon.process.errors import InvalidArgument
from ratoon.runtime.timestamps import timestamp
from ratoon_evaluation.application.commands import CreateSuite, DeleteSuite, UpdateSuite
from ratoon_evaluation.domain.errors import BadSuite
from ratoon_evaluation.domain.perturbations import RATE, Noise, Perturbation
from ratoon_evaluation.domain.runs import EvaluationRun
from ratoon_evaluation.domain.scores import Interval, StepByStepScores, SuiteScores, TestScores
from ratoon_evaluation.domain.suites import (
    CodeTest,
    Content,
    File,
    HarnessTest,
    RecordsTest,
    StepByStep,
    Suite,
    SuiteTest,
    TestKind,
)

_KIND = pb.SuiteTest.Kind
_PERTURBATION = pb.RecordsTest.Perturbation
_CHANGEABLE = {"description", "tests"}


def suite(value: Suite) -> pb.Suite:
    """A suite as callers see it."""
    return pb.Suite(
        name=value.name,
        revision=value.revision,
        create_time=timestamp(value.create_time),
        update_time=timestamp(value.update_time),
        etag=value.etag,
        description=value.description,
        tests=map(test, value.tests),
    )


def create_suite(request: service_pb2.CreateSuiteRequest) -> CreateSuite:
    """Return the command of a request."""
    spec = request.suite
    return CreateSuite(
        request.parent,
        request.suite_id,
        spec.description,
        tuple(map(requested_test, spec.tests)),
        request.request_id,
    )


def update_suite(request: service_pb2.UpdateSuiteRequest) -> UpdateSuite:
    """Return the command of a request; InvalidArgument if the mask names a field that cannot be changed."""
    spec, paths = request.suite, set(request.update_mask.paths) or _CHANGEABLE
    if paths - _CHANGEABLE:
        raise InvalidArgument(
            f"update_mask may name {', '.join(sorted(_CHANGEABLE))}; not {', '.join(sorted(paths - _CHANGEABLE))}.",
            reason="BAD_UPDATE_MASK",
            field="update_mask",
        )
    return UpdateSuite(
        spec.name,
        spec.etag,
        spec.description if "description" in paths else None,
        tuple(map(requested_test, spec.tests)) if "tests" in paths else None,
    )


def delete_suite(request: service_pb2.DeleteSuiteRequest) -> DeleteSuite:
    """Return the command of a request."""
    return DeleteSuite(request.name, request.etag)


def test(value: SuiteTest) -> pb.SuiteTest:
    """A test as callers and jobs see it."""
    message = pb.SuiteTest(
        name=value.name, kind=_kind(value.kind), difficulty=value.difficulty, metric=value.metric
    )
    match value.content:
        case RecordsTest(digest, multi_turn, noise, step_by_step):
            message.records.digest, message.records.multi_turn = digest, multi_turn
            if noise:
                perturbations = [_PERTURBATION.Value(f"PERTURBATION_{each}") for each in noise.perturbations]
                message.records.noise.MergeFrom(
                    pb.RecordsTest.Noise(perturbations=perturbations, rate=noise.rate, seed=noise.seed)
                )
            if step_by_step:
                message.records.step_by_step.max_tokens = step_by_step.max_tokens
        case HarnessTest(text, files, few_shot, limit):
            each = [pb.HarnessTest.File(name=file.name, digest=file.digest) for file in files]
            message.harness.MergeFrom(pb.HarnessTest(yaml=text, files=each, few_shot=few_shot, limit=limit))
        case CodeTest():
            fields = {name: field for name, field in vars(value.content).items() if name != "content"}
            message.code.MergeFrom(pb.CodeTest(**fields))
    return message


def requested_test(message: pb.SuiteTest) -> SuiteTest:
    """Return the test of a message; BadSuite if it has no content."""
    kind = _KIND.Name(message.kind).removeprefix("KIND_") if message.kind else TestKind.PLAIN
    return SuiteTest(message.name, _content(message), TestKind(kind), message.difficulty, message.metric)


def result(run: EvaluationRun, value: SuiteScores) -> runs_pb2.SuiteResult:
    """Results of a suite as callers see them."""
    name = next(each.name for each in run.question.suites if each.id == value.suite)
    return runs_pb2.SuiteResult(
        suite=name,
        suite_revision=value.revision,
        tests=map(_test_result, value.tests),
        metrics=_estimates(value.means),
    )


def _test_result(value: TestScores) -> runs_pb2.SuiteResult.TestResult:
    return runs_pb2.SuiteResult.TestResult(
        test=value.test,
        kind=_kind(TestKind(value.kind or TestKind.PLAIN)),
        difficulty=value.difficulty,
        metric=value.metric,
        record_count=value.records,
        candidate=_estimates(value.candidate),
        reference=_estimates(value.reference),
        differences=_estimates(value.differences),
        unmeasured=value.unmeasured,
        wrong_answers_digest=value.wrong,
        wrong_answer_count=value.wrong_count,
        answers_digest=value.answers,
        unanswered_count=value.unanswered,
        step_by_step=_step_by_step_result(value.step_by_step) if value.step_by_step else None,
    )


def _step_by_step_result(value: StepByStepScores) -> runs_pb2.SuiteResult.StepByStepResult:
    return runs_pb2.SuiteResult.StepByStepResult(
        candidate=_estimates(value.candidate),
        differences=_estimates(value.differences),
        unmeasured=value.unmeasured,
        unanswered_count=value.unanswered,
        answers_digest=value.answers,
    )


def _estimates(values: Mapping[str, Interval]) -> dict[str, runs_pb2.Estimate]:
    return {
        name: runs_pb2.Estimate(value=each.value, lower=each.low, upper=each.high)
        for name, each in values.items()
    }


def _kind(kind: TestKind) -> pb.SuiteTest.Kind.ValueType:
    return pb.SuiteTest.KIND_UNSPECIFIED if kind is TestKind.PLAIN else _KIND.Value(f"KIND_{kind}")


def _content(message: pb.SuiteTest) -> Content:
    match message.WhichOneof("content"):
        case "records":
            records = message.records
            return RecordsTest(
                records.digest,
                records.multi_turn,
                _noise(records.noise) if records.HasField("noise") else None,
                _step_by_step(records.step_by_step) if records.HasField("step_by_step") else None,
            )
        case "harness":
            harness = message.harness
            return HarnessTest(
                harness.yaml,
                tuple(File(each.name, each.digest) for each in harness.files),
                harness.few_shot if harness.HasField("few_shot") else None,
                harness.limit,
            )
        case "code":
            return _code(message.code)
        case _:
            raise BadSuite(
                f"Test {message.name[:63]!r} has no content: give records, harness or code.", "tests"
            )


def _noise(message: pb.RecordsTest.Noise) -> Noise:
    names = [_PERTURBATION.Name(each).removeprefix("PERTURBATION_") for each in message.perturbations]
    if "UNSPECIFIED" in names:
        raise BadSuite("A perturbation needs a kind.", "tests")
    return Noise(
        tuple(map(Perturbation, names)), message.rate if message.HasField("rate") else RATE, message.seed
    )


def _step_by_step(message: pb.RecordsTest.StepByStep) -> StepByStep:
    return StepByStep(message.max_tokens) if message.max_tokens else StepByStep()


def _code(message: pb.CodeTest) -> CodeTest:
    defaults = CodeTest(message.digest)
    return CodeTest(
        message.digest,
        message.samples or defaults.samples,
        tuple(message.k) or defaults.k,
        message.temperature if message.HasField("temperature") else None,
        message.max_tokens or defaults.max_tokens,
        message.timeout_s or defaults.timeout_s,
        message.limit,
    )
