"""Suites: named lists of tests that evaluation runs apply to models in addition to the parts of their domains."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from math import isfinite
from typing import Literal

from ratoon.tasks.suite_metrics import SuiteMetric as SuiteMetric
from ratoon.tasks.suite_metrics import is_suite_metric as is_suite_metric
from ratoon.tasks.suite_metrics import suite_metric as suite_metric
from ratoon_evaluation.domain.errors import BadSuite, StaleEtag
from ratoon_evaluation.domain.perturbations import Noise

MAX_TESTS = 100
MAX_DESCRIPTION_CHARS, MAX_DIFFICULTY_CHARS = 1000, 63
MAX_SAMPLES, MAX_TIMEOUT_S, MAX_ANSWER_TOKENS = 200, 60.0, 4096
MAX_APPLIED = 20
"""Suites of one run at most."""
_TEST = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_DIGEST = re.compile(r"[0-9a-f]{64}")


class TestKind(StrEnum):
    """Kind of a test. It says what a test is for and changes no score."""

    __test__ = False

    PLAIN = "PLAIN"
    ADVERSARIAL = "ADVERSARIAL"
    AMBIGUOUS = "AMBIGUOUS"
    LONG_CONTEXT = "LONG_CONTEXT"
    NOISE = "NOISE"


@dataclass(frozen=True)
class StepByStep:
    """A second answer to each prompt, after reasoning step by step."""

    max_tokens: int = 256
    """Tokens of the reasoning at most."""


@dataclass(frozen=True)
class RecordsTest:
    """Test by records with reference answers."""

    digest: str
    multi_turn: bool = False
    """Whether each message of a user is asked in turn, after the model's own answers."""
    noise: Noise | None = None
    step_by_step: StepByStep | None = None
    """Whether the candidate also answers after reasoning; None: it does not."""
    content: Literal["records"] = "records"


@dataclass(frozen=True)
class File:
    """File of a task, by the name that the task gives it."""

    name: str
    digest: str


@dataclass(frozen=True)
class HarnessTest:
    """Task in the YAML format of lm-evaluation-harness."""

    yaml: str
    files: tuple[File, ...] = ()
    few_shot: int | None = None
    """Examples before each prompt; None: as many as the task says."""
    limit: int = 0
    """Documents to score, from the first on; 0: all."""
    content: Literal["harness"] = "harness"


@dataclass(frozen=True)
class CodeTest:
    """Programming problems, whose answers are run."""

    digest: str
    samples: int = 1
    k: tuple[int, ...] = (1,)
    temperature: float | None = None
    """None: greedy for one answer, else 0.8."""
    max_tokens: int = 256
    timeout_s: float = 10.0
    limit: int = 0
    content: Literal["code"] = "code"


Content = RecordsTest | HarnessTest | CodeTest


@dataclass(frozen=True)
class SuiteTest:
    """One test: what models are asked, and the metric that sums it up."""

    name: str
    content: Content
    kind: TestKind = TestKind.PLAIN
    difficulty: str = ""
    metric: str = ""
    """Empty: the metric of the run, or the first one of a task."""


@dataclass(frozen=True)
class Suite:
    """A named list of tests."""

    name: str
    create_time: datetime
    update_time: datetime
    description: str
    tests: tuple[SuiteTest, ...]
    revision: int = 0

    @property
    def etag(self) -> str:
        """Return the revision that a change must name, so that no caller overwrites a change that it has not read."""
        return str(self.revision)


@dataclass(frozen=True)
class AppliedSuite:
    """A suite as it was when a run was created."""

    name: str
    revision: int
    tests: tuple[SuiteTest, ...]

    @property
    def id(self) -> str:
        """Return the last segment of its name."""
        return self.name.rsplit("/", 1)[-1]


def check_etag(suite: Suite, etag: str) -> None:
    """Raise StaleEtag when a change was made on another revision than the present one; empty is not checked."""
    if etag and etag != suite.etag:
        raise StaleEtag(f"{suite.name} was changed after you read it: read it again and retry.", "etag")


def checked(suite: Suite, metrics: Mapping[str, Sequence[str]]) -> Suite:
    """Return the suite; BadSuite names what contradicts itself.

    `metrics` are the names of the metrics of each test, by its name.
    """
    if len(suite.description) > MAX_DESCRIPTION_CHARS:
        raise BadSuite(f"description may have {MAX_DESCRIPTION_CHARS:,} characters at most.", "description")
    names = [test.name for test in suite.tests]
    if not 0 < len(names) <= MAX_TESTS or len(set(names)) < len(names):
        raise BadSuite(f"Give 1 to {MAX_TESTS} tests, each with its own name.", "tests")
    for number, test in enumerate(suite.tests):
        try:
            _check_test(test, metrics[test.name])
        except BadSuite as refused:
            raise BadSuite(f"Test {test.name!r}: {refused}", f"tests[{number}].{refused.field}") from None
    return suite


def metrics_of_code(test: CodeTest) -> tuple[str, ...]:
    """Return the names of the metrics of programming problems."""
    return tuple(f"pass@{k}" for k in test.k)


def applied(suite: Suite) -> AppliedSuite:
    """Return the suite as a run keeps it."""
    return AppliedSuite(suite.name, suite.revision, suite.tests)


def with_default_metric(test: SuiteTest, metrics: Sequence[str]) -> SuiteTest:
    """Return the test with its metric: by default the first one of a task or of problems."""
    return replace(test, metric=test.metric or ("" if isinstance(test.content, RecordsTest) else metrics[0]))


def _check_test(test: SuiteTest, metrics: Sequence[str]) -> None:
    if not _TEST.fullmatch(test.name):
        raise BadSuite("a name has 1 to 63 characters of a-z, 0-9, - and _.", "name")
    if len(test.difficulty) > MAX_DIFFICULTY_CHARS:
        raise BadSuite(f"difficulty may have {MAX_DIFFICULTY_CHARS} characters at most.", "difficulty")
    if test.metric and test.metric not in metrics:
        raise BadSuite(f"metric must be one of {', '.join(metrics)}, not {test.metric[:64]!r}.", "metric")
    match test.content:
        case RecordsTest():
            _check_records(test.content)
        case HarnessTest():
            _check_harness(test.content)
        case CodeTest():
            _check_code(test.content)


def _check_digest(digest: str, field: str) -> None:
    if not _DIGEST.fullmatch(digest):
        raise BadSuite("digest must be the digest of a blob: upload the file first.", field)


def _check_records(test: RecordsTest) -> None:
    _check_digest(test.digest, "records.digest")
    if test.noise is not None:
        _check_noise(test.noise)
    reasoning = test.step_by_step
    if reasoning is None:
        return
    if test.multi_turn:
        raise BadSuite(
            "step_by_step and multi_turn exclude each other: leave one out.", "records.step_by_step"
        )
    if not 1 <= reasoning.max_tokens <= MAX_ANSWER_TOKENS:
        raise BadSuite(
            f"max_tokens must be 1 to {MAX_ANSWER_TOKENS:,}, not {reasoning.max_tokens}.",
            "records.step_by_step.max_tokens",
        )


def _check_noise(noise: Noise) -> None:
    if not noise.perturbations:
        raise BadSuite("name at least one perturbation, or leave noise out.", "records.noise")
    if not 0 < noise.rate <= 0.5:
        raise BadSuite(f"rate must be above 0 and at most 0.5, not {noise.rate:g}.", "records.noise.rate")


def _check_harness(test: HarnessTest) -> None:
    for file in test.files:
        _check_digest(file.digest, "harness.files")
    if len({file.name for file in test.files}) < len(test.files):
        raise BadSuite("files must have different names.", "harness.files")
    if test.few_shot is not None and not 0 <= test.few_shot <= 64:
        raise BadSuite(f"few_shot must be 0 to 64, not {test.few_shot}.", "harness.few_shot")
    _check_limit(test.limit, "harness.limit")


def _check_code(test: CodeTest) -> None:
    _check_digest(test.digest, "code.digest")
    if not 1 <= test.samples <= MAX_SAMPLES:
        raise BadSuite(f"samples must be 1 to {MAX_SAMPLES}, not {test.samples}.", "code.samples")
    if not test.k or len(set(test.k)) < len(test.k) or not all(1 <= k <= test.samples for k in test.k):
        raise BadSuite("each k must be 1 to the number of samples, and named once.", "code.k")
    if test.temperature is not None and not 0 <= test.temperature <= 2:
        raise BadSuite(f"temperature must be 0 to 2, not {test.temperature:g}.", "code.temperature")
    if not 1 <= test.max_tokens <= MAX_ANSWER_TOKENS:
        raise BadSuite(
            f"max_tokens must be 1 to {MAX_ANSWER_TOKENS:,}, not {test.max_tokens}.", "code.max_tokens"
        )
    if not (isfinite(test.timeout_s) and 0 < test.timeout_s <= MAX_TIMEOUT_S):
        raise BadSuite(f"timeout_s must be above 0 and at most {MAX_TIMEOUT_S:g}.", "code.timeout_s")
    _check_limit(test.limit, "code.limit")


def _check_limit(limit: int, field: str) -> None:
    if limit < 0:
        raise BadSuite("limit must be 0 or more.", field)
