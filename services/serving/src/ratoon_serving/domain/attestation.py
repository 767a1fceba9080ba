"""Golden prompts: does an engine continue them as the registered weights do? It knows no transport.

Registration records, by transformers in float32, the greedy continuation of each prompt with the
log-probability of each token and of the runner-up. An engine computes the same numbers with other kernels, so
they are compared within a tolerance, and a place where the two best tokens are nearly tied tells nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ratoon_serving.domain.engine import Check

LOGPROB_TOLERANCE = 0.05
"""Greatest difference of a token's log-probability, in nats."""
NEAR_TIE = 2 * LOGPROB_TOLERANCE
"""Where the best token leads by less than this, in nats, either may win."""
MIN_SHARE = 0.5
"""Least share of the recorded places that must have been compared."""


@dataclass(frozen=True)
class GoldenPrompt:
    """A prompt and its recorded greedy continuation; log-probabilities in nats."""

    prompt: tuple[int, ...]
    tokens: tuple[int, ...]
    logprobs: tuple[float, ...]
    seconds: tuple[float, ...]
    """Log-probability of the runner-up at each place."""


@dataclass(frozen=True)
class Continuation:
    """What an engine answered: greedy tokens and their log-probabilities."""

    tokens: tuple[int, ...]
    logprobs: tuple[float, ...]


def golden_prompts(blob: Mapping[str, Any]) -> list[GoldenPrompt]:
    """The prompts in registration's JSON; ValueError when a row's lists differ in length."""
    prompts = []
    for row in blob["prompts"]:
        told = [tuple(row[key]) for key in ("prompt_token_ids", "tokens", "logprobs", "second_logprobs")]
        if len({len(values) for values in told[1:]}) != 1:
            raise ValueError("A golden prompt's tokens and log-probabilities differ in number.")
        prompts.append(GoldenPrompt(*told))
    return prompts


def compare(golden: Sequence[GoldenPrompt], answers: Sequence[Continuation]) -> Check:
    """Whether the answers are those of the recorded weights, and in how many places that could be told."""
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
    """Places compared, and what differs; after a near-tie that went the other way the rest tells nothing."""
    compared = 0
    if len(answer.tokens) < len(prompt.tokens):
        return 0, f"{len(answer.tokens)} tokens were generated, but {len(prompt.tokens)} were recorded"
    places = zip(prompt.tokens, prompt.logprobs, prompt.seconds, answer.tokens, answer.logprobs, strict=False)
    for place, (token, logprob, second, told, told_logprob) in enumerate(places):
        if logprob - second < NEAR_TIE:
            if told != token:
                return compared, ""
            continue
        if told != token:
            return compared, f"token {told} was generated at position {place}, but {token} was recorded"
        if abs(told_logprob - logprob) > LOGPROB_TOLERANCE:
            return (
                compared,
                f"log-probability {told_logprob:.4f} at position {place}, but {logprob:.4f} was recorded",
            )
        compared += 1
    return compared, ""
