"""Attestation by golden prompts: the engine must continue them as the registered weights do. It knows no transport.

Registration records, by transformers in float32, the greedy continuation of each prompt with the
log-probability of each token and of the runner-up. An engine computes the same numbers with other kernels, so
they are compared within a tolerance, and positions where the two best tokens are nearly tied are left out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ratoon_serving.domain.engine import Check

LOGPROB_TOLERANCE = 0.05
"""Maximum difference of a token's log-probability, in nats."""
NEAR_TIE = 2 * LOGPROB_TOLERANCE
"""Lead of the best token, in nats, below which either of the two may be generated."""
MIN_SHARE = 0.5
"""Minimum share of the recorded positions that must have been compared."""


@dataclass(frozen=True)
class GoldenPrompt:
    """A prompt and its recorded greedy continuation; log-probabilities in nats."""

    prompt: tuple[int, ...]
    tokens: tuple[int, ...]
    logprobs: tuple[float, ...]
    seconds: tuple[float, ...]
    """Log-probability of the runner-up at each position."""


@dataclass(frozen=True)
class Continuation:
    """Answer of an engine: greedy tokens and their log-probabilities."""

    tokens: tuple[int, ...]
    logprobs: tuple[float, ...]


def golden_prompts(blob: Mapping[str, Any]) -> list[GoldenPrompt]:
    """Return the prompts in registration's JSON; ValueError if the lists of a row differ in length."""
    prompts = []
    for row in blob["prompts"]:
        columns = [tuple(row[key]) for key in ("prompt_token_ids", "tokens", "logprobs", "second_logprobs")]
        if len({len(values) for values in columns[1:]}) != 1:
            raise ValueError("A golden prompt's tokens and log-probabilities differ in number.")
        prompts.append(GoldenPrompt(*columns))
    return prompts


def compare(golden: Sequence[GoldenPrompt], answers: Sequence[Continuation]) -> Check:
    """Return whether the answers are those of the recorded weights, and the number of compared positions."""
    if not golden:
        return Check(False, "The version has no golden prompts: register it again.")
    compared = total = 0
    for number, (prompt, answer) in enumerate(zip(golden, answers, strict=True)):
        total += len(prompt.tokens)
        places, fault = _compare_one(prompt, answer)
        compared += places
        if fault:
            return Check(
                False, f"Golden prompt {number}: {fault}. The engine does not serve the registered weights."
            )
    if compared < MIN_SHARE * total:
        return Check(False, f"Only {compared} of {total} golden places could be compared: too few to decide.")
    return Check(True, f"{compared} of {total} golden places match within {LOGPROB_TOLERANCE} nats.")


def _compare_one(prompt: GoldenPrompt, answer: Continuation) -> tuple[int, str]:
    """Return the number of compared positions and the first difference; a near-tie that differs ends the comparison."""
    compared = 0
    if len(answer.tokens) < len(prompt.tokens):
        return 0, f"{len(answer.tokens)} tokens were generated, but {len(prompt.tokens)} were recorded"
    places = zip(prompt.tokens, prompt.logprobs, prompt.seconds, answer.tokens, answer.logprobs, strict=False)
    for place, (token, logprob, second, answered, answered_logprob) in enumerate(places):
        if logprob - second < NEAR_TIE:
            if answered != token:
                return compared, ""
            continue
        if answered != token:
            return compared, f"token {answered} was generated at position {place}, but {token} was recorded"
        if abs(answered_logprob - logprob) > LOGPROB_TOLERANCE:
            return (
                compared,
                f"log-probability {answered_logprob:.4f} at position {place}, but {logprob:.4f} was recorded",
            )
        compared += 1
    return compared, ""
