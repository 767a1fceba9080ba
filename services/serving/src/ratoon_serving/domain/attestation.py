"""Attestation by golden prompts: the engine must continue them as the registered weights do. It knows no transport.

Registration records, by transformers in float32, the greedy continuation of each prompt with the
log-probability of each token and of the runner-up. An engine computes the same numbers with other kernels, so
they are compared within a tolerance, and positions where the two best tokens are nearly tied are left out.

Of an engine in another number format, the log-probabilities of the recorded tokens are compared too, given those before
them, at every position. They are compared with those that registration recorded in that format.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any

from ratoon.tasks import parity
from ratoon.tasks.compute import Dtype
from ratoon_serving.domain.engine import Check, Engine

MIN_SHARE = 0.5
"""Minimum share of the recorded positions that must have been compared."""


@dataclass(frozen=True)
class Tolerance:
    """Accepted difference of log-probabilities, in nats: of one token, and of all tokens on average."""

    token: float
    mean: float = inf

    @property
    def near_tie(self) -> float:
        """Return the lead of the best token below which either of the two may be generated."""
        return 2 * self.token

    @property
    def doubled(self) -> "Tolerance":
        """Return twice this tolerance."""
        return Tolerance(2 * self.token, 2 * self.mean)


def _tolerance(accepted: parity.Tolerance) -> Tolerance:
    return Tolerance(*(inf if limit is None else limit for limit in (accepted.token, accepted.mean)))


TOLERANCES = {dtype: _tolerance(parity.tolerance_of(dtype.lower())) for dtype in Dtype}
"""Tolerances by number format, those of parity certificates.

An engine whose version has no record in its format is compared with the float32 record, within twice the tolerance of
its format.

Measured with SmolLM2-135M, vLLM and transformers on a CPU: bfloat16 0.50 at most and 0.035 on average, float16 0.02 and
0.003; weights of another version of the model 13 and 0.8.
"""


@dataclass(frozen=True)
class GoldenPrompt:
    """A prompt and its recorded greedy continuation; log-probabilities in nats."""

    prompt: tuple[int, ...]
    tokens: tuple[int, ...]
    logprobs: tuple[float, ...]
    seconds: tuple[float, ...]
    """Log-probability of the runner-up at each position."""


@dataclass(frozen=True)
class Recording:
    """Golden prompts with log-probabilities for engines of a number format."""

    prompts: tuple[GoldenPrompt, ...]
    dtype: Dtype = Dtype.FLOAT32
    is_own: bool = True
    """Whether they were recorded in this format; else they are those of float32."""

    @property
    def places(self) -> int:
        """Return the number of recorded positions."""
        return sum(len(prompt.tokens) for prompt in self.prompts)

    @property
    def tolerance(self) -> Tolerance:
        """Return the tolerance of its comparison."""
        tolerance = TOLERANCES[self.dtype]
        return tolerance if self.is_own else tolerance.doubled


@dataclass(frozen=True)
class Continuation:
    """Answer of an engine to a golden prompt.

    Either greedy tokens with their log-probabilities, or, as scores, the token that the engine chooses at each position
    after the recorded ones, with the log-probability of the recorded one.
    """

    tokens: tuple[int, ...]
    logprobs: tuple[float, ...]


def recording(blob: Mapping[str, Any], dtype: Dtype = Dtype.FLOAT32) -> Recording:
    """Return the record for engines of a number format; ValueError if the lists of a row differ in length."""
    rows = blob["prompts"]
    formats = blob.get("formats", {})
    is_own = dtype is Dtype.FLOAT32 or dtype.lower() in formats
    recorded = rows if dtype is Dtype.FLOAT32 or not is_own else formats[dtype.lower()]
    prompts = tuple(_prompt(row | own) for row, own in zip(rows, recorded, strict=True))
    return Recording(prompts, dtype, is_own)


def _prompt(row: Mapping[str, Any]) -> GoldenPrompt:
    columns = [tuple(row[key]) for key in ("prompt_token_ids", "tokens", "logprobs", "second_logprobs")]
    if len({len(values) for values in columns[1:]}) != 1:
        raise ValueError("A golden prompt's tokens and log-probabilities differ in number.")
    return GoldenPrompt(*columns)


def computed_dtype(engine: Engine, reported: str) -> Dtype | Check:
    """Return the number format that an engine reports, or a failed check if it cannot be attested in it.

    Engines of a release that does not report it compute in float32.
    """
    known = ", ".join(each.lower() for each in Dtype)
    if reported and reported.upper() not in Dtype.__members__:
        return Check(False, f"It computes in {reported!r}, which is not attested: set one of {known}.")
    dtype = Dtype[reported.upper()] if reported else Dtype.FLOAT32
    requested = engine.compute.dtype if engine.compute else dtype
    if dtype is not requested:
        return Check(False, f"It computes in {dtype.lower()}, not in {requested.lower()} as requested.")
    return dtype


def compare(golden: Recording, answers: Sequence[Continuation]) -> Check:
    """Return whether the answers are those of the recorded weights, and the number of compared positions.

    In float32 the answers are greedy continuations; in other formats they are scores of the recorded tokens.
    """
    if not golden.prompts:
        return Check(False, "The version has no golden prompts: register it again.")
    if golden.dtype is not Dtype.FLOAT32:
        return _compare_scores(golden, answers)
    compared = 0
    for number, (prompt, answer) in enumerate(zip(golden.prompts, answers, strict=True)):
        places, fault = _compare_one(prompt, answer, golden.tolerance)
        compared += places
        if fault:
            return _failed(number, fault)
    total = golden.places
    if compared < MIN_SHARE * total:
        return Check(False, f"Only {compared} of {total} golden places could be compared: too few to decide.")
    return Check(True, f"{compared} of {total} golden places match within {golden.tolerance.token} nats.")


def _failed(number: int, fault: str) -> Check:
    return Check(False, f"Golden prompt {number}: {fault}. The engine does not serve the registered weights.")


def _compare_one(prompt: GoldenPrompt, answer: Continuation, tolerance: Tolerance) -> tuple[int, str]:
    """Return the number of compared positions and the first difference; a near-tie that differs ends the comparison."""
    compared = 0
    if len(answer.tokens) < len(prompt.tokens):
        return 0, f"{len(answer.tokens)} tokens were generated, but {len(prompt.tokens)} were recorded"
    places = zip(prompt.tokens, prompt.logprobs, prompt.seconds, answer.tokens, answer.logprobs, strict=False)
    for place, (token, logprob, second, answered, answered_logprob) in enumerate(places):
        if answered != token and logprob - second < tolerance.near_tie:
            return compared, ""
        if answered != token:
            return compared, f"token {answered} was generated at position {place}, but {token} was recorded"
        if not abs(answered_logprob - logprob) <= tolerance.token:
            return (
                compared,
                f"log-probability {answered_logprob:.4f} at position {place}, but {logprob:.4f} was recorded",
            )
        compared += 1
    return compared, ""


def _compare_scores(golden: Recording, scores: Sequence[Continuation]) -> Check:
    """Return whether the recorded tokens are as likely as recorded, and chosen where they lead clearly."""
    for number, (prompt, score) in enumerate(zip(golden.prompts, scores, strict=True)):
        if fault := _fault_of_choices(prompt, score, golden.tolerance):
            return _failed(number, fault)
    differences = [
        abs(own - recorded)
        for prompt, score in zip(golden.prompts, scores, strict=True)
        for own, recorded in zip(score.logprobs, prompt.logprobs, strict=True)
    ]
    tolerance, worst, mean = golden.tolerance, max(differences), sum(differences) / len(differences)
    source = f"in {golden.dtype.lower()}" if golden.is_own else "in float32 (none in its own number format)"
    measured = (
        f"{len(differences)} golden places differ from those recorded {source} by {worst:.3f} nats at most and "
        f"{mean:.4f} on average; accepted are {tolerance.token} and {tolerance.mean}"
    )
    if worst <= tolerance.token and mean <= tolerance.mean:
        return Check(True, f"{measured}.")
    return Check(False, f"{measured}. The engine does not serve the registered weights.")


def _fault_of_choices(prompt: GoldenPrompt, score: Continuation, tolerance: Tolerance) -> str:
    """Return the first position at which another token was chosen although the recorded one leads clearly."""
    if len(score.tokens) != len(prompt.tokens):
        return f"{len(score.tokens)} tokens were scored, but {len(prompt.tokens)} were recorded"
    places = zip(prompt.tokens, prompt.logprobs, prompt.seconds, score.tokens, strict=True)
    for place, (token, logprob, second, chosen) in enumerate(places):
        if chosen != token and logprob - second >= tolerance.near_tie:
            return f"token {chosen} was chosen at position {place}, but {token} was recorded"
    return ""


def served_link(
    engine: Engine, runtime: str, golden: Recording, answers: Sequence[Continuation], check: Check
) -> parity.Link:
    """Return the link of an attested process for the parity certificate of its version; its verdict is the check's."""
    limits = golden.tolerance
    tolerance = parity.Tolerance(
        limits.token, None if limits.mean == inf else limits.mean, near_tie=limits.near_tie
    )
    recorded = [parity.Recorded(*vars(each).values()) for each in golden.prompts]
    is_greedy = golden.dtype is Dtype.FLOAT32
    scores = [
        _up_to_difference(row, answer) if is_greedy else parity.Scored(answer.tokens, answer.logprobs)
        for row, answer in zip(golden.prompts, answers, strict=True)
    ]
    comparison = parity.compare(recorded, scores, tolerance)
    cause = parity.judge(comparison, tolerance, golden.places)
    reason = cause.reason if cause else parity.Reason.LOGPROBS_DIFFER
    return parity.link(
        parity.Step.SERVE,
        golden.dtype.lower(),
        runtime,
        engine.artifact_digest,
        engine.artifact_digest,
        finding=None if check.passed else parity.Finding(reason, check.message),
        comparison=comparison,
        tolerance=tolerance,
        decided=True,
        source=engine.name,
    )


def _up_to_difference(row: GoldenPrompt, answer: Continuation) -> parity.Scored:
    """Return a greedy continuation up to its first other token, of which the recorded one's likelihood is not known."""
    same = next(
        (at for at, pair in enumerate(zip(row.tokens, answer.tokens, strict=False)) if pair[0] != pair[1]),
        len(row.tokens),
    )
    return parity.Scored(answer.tokens[: same + 1], (*answer.logprobs[:same], None))
