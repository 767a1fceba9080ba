"""Judges: language models that judge answers, and how far they agree with people.

QUEUED → RUNNING → SUCCEEDED
                 ↘ FAILED
QUEUED, RUNNING → CANCELLING → CANCELLED
"""

import hashlib
import json
import re
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Self
from urllib.parse import SplitResult, urlsplit

from ratoon.operations.job_machine import Failure, JobObservation, Progress, Transition
from ratoon.operations.job_machine import step as job_step
from ratoon.tasks.judges import METRICS_OF_KIND, JudgeKind, Requirements
from ratoon_evaluation.domain.errors import (
    BadEvaluation,
    BadJudge,
    JudgeEndpointNotAllowed,
    JudgeInUse,
    JudgeNotTrusted,
)
from ratoon_evaluation.domain.scores import SEALED

MAX_CRITERIA_CHARS, MAX_MODEL_CHARS, MAX_URL_CHARS = 4000, 200, 500
MAX_TOKENS, MAX_MAX_TOKENS = 512, 8192
"""Tokens of a reply by default and at most."""
MAX_RECORDS, MAX_MAX_RECORDS = 500, 10_000
"""Records of a test part that a judge is asked about, by default and at most."""
MAX_CASES = 500
"""Human verdicts with which a judge is compared at most."""
CRITERIA = "The answer helps the person who asked: it is correct, does what was asked, and is clear."
"""Criteria of a judge that names none."""
_VERSION = 1
"""Raised when verdicts of the same answers would change."""
_DIGEST = re.compile(r"[0-9a-f]{64}")


class State(StrEnum):
    """State of a judge."""

    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLING = "CANCELLING"
    CANCELLED = "CANCELLED"

    @property
    def ended(self) -> bool:
        """Return whether it will not change any more."""
        return self in (State.SUCCEEDED, State.FAILED, State.CANCELLED)


@dataclass(frozen=True)
class Agreement:
    """Agreement of a judge with people; None: undefined."""

    pairs: int = 0
    """Pairs or answers that both judged."""
    raw: float | None = None
    kappa: float | None = None
    consistency: float | None = None
    unparsable: int = 0
    failed: int = 0
    missing: int = 0
    verdicts: str = field(default="", metadata=SEALED)
    """Digest of the verdicts (parquet)."""


@dataclass(frozen=True)
class JudgeSpec:
    """All that the verdicts of a judge depend on, beside prompts and answers."""

    kind: JudgeKind
    base_url: str = ""
    """Base URL of an endpoint; empty: `model_digest` judges."""
    model: str = ""
    model_digest: str = field(default="", metadata={"artifact": True})
    criteria: str = CRITERIA
    max_tokens: int = MAX_TOKENS
    max_records: int = MAX_RECORDS
    """Records of each test part that a run asks about at most. No verdict depends on it."""

    @property
    def identity(self) -> str:
        """Return the digest of all that verdicts depend on."""
        fields = {name: value for name, value in asdict(self).items() if name != "max_records"}
        return hashlib.sha256(json.dumps([_VERSION, fields], sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class Judge:
    """A judge with its agreement with people."""

    name: str
    create_time: datetime
    update_time: datetime
    spec: JudgeSpec
    state: State = State.QUEUED
    progress: Progress = Progress()
    failure_reason: str = ""
    failure_message: str = ""
    agreement: Agreement | None = None
    attempts: int = 0
    """Times that the job was started."""
    cancel_requested: bool = False
    revision: int = 0

    def with_failure(self, failure: Failure) -> Self:
        """Return the judge with this failure."""
        return replace(self, failure_reason=failure.reason, failure_message=failure.message)


@dataclass(frozen=True)
class AppliedJudge:
    """A judge as it was when a run was created."""

    name: str
    spec: JudgeSpec
    agreement: Agreement

    @property
    def id(self) -> str:
        """Return the last segment of its name."""
        return self.name.rsplit("/", 1)[-1]


def checked(spec: JudgeSpec, listed: Collection[str]) -> JudgeSpec:
    """Return the judge; raises BadJudge with the field that is wrong, or JudgeEndpointNotAllowed.

    `listed` are the base URLs that the operator allows.
    """
    if bool(spec.base_url) == bool(spec.model_digest):
        raise BadJudge("Give base_url and model, or model_digest.", "base_url")
    if spec.model_digest and not _DIGEST.fullmatch(spec.model_digest):
        raise BadJudge("model_digest must be the digest of a model artifact.", "model_digest")
    if bool(spec.base_url) != bool(spec.model) or len(spec.model) > MAX_MODEL_CHARS:
        raise BadJudge(
            f"model names the model at base_url, in 1 to {MAX_MODEL_CHARS} characters; without base_url it is empty.",
            "model",
        )
    if not spec.criteria.strip() or len(spec.criteria) > MAX_CRITERIA_CHARS:
        raise BadJudge(f"criteria must have 1 to {MAX_CRITERIA_CHARS:,} characters.", "criteria")
    if not 1 <= spec.max_tokens <= MAX_MAX_TOKENS:
        raise BadJudge(f"max_tokens must be 1 to {MAX_MAX_TOKENS:,}, not {spec.max_tokens:,}.", "max_tokens")
    if not 1 <= spec.max_records <= MAX_MAX_RECORDS:
        raise BadJudge(
            f"max_record_count must be 1 to {MAX_MAX_RECORDS:,}, not {spec.max_records:,}.",
            "max_record_count",
        )
    if spec.base_url:
        _check_url(spec.base_url)
        check_listed(spec, listed)
    return spec


def check_listed(spec: JudgeSpec, listed: Collection[str]) -> None:
    """Raise JudgeEndpointNotAllowed unless the operator allows the endpoint of a judge, if it has one."""
    if spec.base_url and spec.base_url not in listed:
        raise JudgeEndpointNotAllowed(
            f"{spec.base_url[:100]} is not one of the endpoints that the operator allows to see texts of sealed test "
            f"parts: ask the operator to add {spec.base_url[:100]!r} to RATOON_EVALUATION_JUDGE_ENDPOINTS of the "
            "evaluation service, or use one that is listed there."
        )


def normalized_url(url: str) -> str:
    """Return a base URL without white space around it and without a slash at its end."""
    return url.strip().rstrip("/")


def step(judge: Judge, observation: JobObservation[Agreement], now: datetime) -> Transition[Judge]:
    """Return what follows from an observation of the job; a judge publishes no events."""
    return replace(job_step(judge, observation, now, _succeeded), events=())


def check_deletable(judge: Judge) -> None:
    """Raise JudgeInUse while the judge is in progress."""
    if not judge.state.ended:
        raise JudgeInUse(f"{judge.name} is in progress. Cancel it, or wait for its end.")


def applied(judge: Judge) -> AppliedJudge:
    """Return the judge as a run keeps it; raises BadEvaluation unless it has succeeded."""
    if judge.agreement is None:
        raise BadEvaluation(
            f"{judge.name} is {judge.state}; a run can use it once it is SUCCEEDED.", "judges"
        )
    return AppliedJudge(judge.name, judge.spec, judge.agreement)


def check_requirements(requirements: Requirements) -> None:
    """Raise BadEvaluation if a number is out of range."""
    if not requirements.is_valid:
        field = "min_pair_count" if requirements.min_pairs < 0 else "min_kappa"
        raise BadEvaluation(
            "min_pair_count must be 0 or more, and min_kappa -1 to 1.", f"judge_requirements.{field}"
        )


def check_trusted(
    judges: Sequence[AppliedJudge], metrics: Collection[str], requirements: Requirements
) -> None:
    """Raise JudgeNotTrusted if rules name a metric of a judge that does not agree with people, or hardly met them."""
    for judge in judges:
        for metric in METRICS_OF_KIND[judge.spec.kind]:
            if metric in metrics and (
                why := requirements.unmet(judge.agreement.pairs, judge.agreement.kappa)
            ):
                raise JudgeNotTrusted(
                    f"The gate names {metric}, but {judge.name} {why}. Rate more answers in labeling and create the "
                    "judge again, use another judge, or leave the rule out: the metric is reported without it."
                )


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = SplitResult("", "", "", "", ""), None
    if (
        len(url) > MAX_URL_CHARS
        or not url.isprintable()
        or " " in url
        or parts.scheme not in ("http", "https")
        or not parts.hostname
        or port == 0
        or parts.username is not None
        or parts.query
        or parts.fragment
    ):
        raise BadJudge(
            "base_url must be an HTTP address such as https://judge.example/v1, without user, query and fragment.",
            "base_url",
        )


def _succeeded(judge: Judge, agreement: Agreement) -> tuple[Judge, None]:
    message = f"Compared with people on {agreement.pairs:,} pairs or answers"
    done = replace(judge, state=State.SUCCEEDED, progress=Progress(1.0, message), agreement=agreement)
    return done, None
