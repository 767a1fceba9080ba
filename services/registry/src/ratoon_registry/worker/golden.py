"""Golden prompts: answers of the model, token by token, by which an engine attests that it serves these weights.

Answers of a well-trained model are all but certain, whatever its version; so half of the prompts break off in the
middle of a text, where the log-probabilities distinguish one set of weights from another. A recording stops before a
near-tie: there other arithmetic may choose otherwise.

The reference is float32. For engines of another number format, the log-probabilities of the same tokens are recorded in
that format too.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from ratoon.tasks.compute import Dtype
from ratoon_registry.worker.inspection import UnfitArtifact
from ratoon_registry.worker.reload import Reloaded, cause

NEAR_TIE = 0.2
"""A place counts when the best token leads the second by this much, in nats."""
CLOSE_TIE = 0.002
"""Lead of the best token, in nats, where every answer is a near-tie: numbers of a scale next to each other are almost
equally likely. Engines that choose the same token are compared by its log-probability."""
MAX_TOKENS = 8
"""Tokens recorded a prompt at most."""
PROMPT_TOKENS = 256
"""Longer prompts are left out: attestation is to be quick."""
BROKEN_OFF = 24
"""Tokens of a prompt that breaks off in the middle of a text, at most."""


RENDER_S = 20.0
"""Seconds that a chat template may take for one message; usual are milliseconds."""
_BOUNDLESS = 1 << 30


class NoStablePrompt(ValueError):
    """No prompt has an answer that arithmetic would not change."""

    reason = "NO_STABLE_PROMPT"


def record(model: Reloaded, texts: Sequence[str], count: int) -> dict[str, Any]:
    """Up to `count` prompts with greedy tokens, their log-probabilities and the runners-up's, in nats.

    Raises NoStablePrompt when every prompt begins with a near-tie.
    """
    if 0 < model.positions <= MAX_TOKENS:
        raise UnfitArtifact(
            "CONFIG_IMPLAUSIBLE", f"The model has {model.positions} positions: too few for an answer."
        )
    whole = _answers(model, texts, count - count // 2, NEAR_TIE) or _answers(
        model, texts, count - count // 2, CLOSE_TIE
    )
    broken = _recordings(model, (_broken_off(_chat_tokens(model, text)) for text in texts), count // 2)
    prompts = [*whole, *broken]
    if not prompts:
        raise NoStablePrompt(
            "The model's best tokens are almost equally likely on every text: train it for longer."
        )
    return {"dtype": "float32", "near_tie": NEAR_TIE, "prompts": prompts}


def in_formats(model: Reloaded, recorded: dict[str, Any], dtypes: Collection[Dtype]) -> dict[str, Any]:
    """Return the recording with the log-probabilities of its tokens in further number formats, by the format's name.

    Raises UnfitArtifact if transformers cannot compute the model in one of them.
    """
    formats = {dtype.lower(): _in_format(model, recorded["prompts"], dtype) for dtype in dtypes}
    return {**recorded, "formats": formats} if formats else recorded


def _in_format(model: Reloaded, prompts: Sequence[dict[str, Any]], dtype: Dtype) -> list[dict[str, Any]]:
    try:
        with model.cast(dtype):
            return [_forced(model, each["prompt_token_ids"], each["tokens"]) for each in prompts]
    except RuntimeError as error:
        raise UnfitArtifact(
            "NUMBER_FORMAT_UNSUPPORTED",
            f"transformers cannot compute the model in {dtype.lower()}: {cause(error)}. Serve it in float32.",
        ) from error


def _forced(model: Reloaded, prompt: list[int], tokens: list[int]) -> dict[str, Any]:
    """Log-probabilities of given tokens, and of the best other token at each place."""
    logprobs = model.continuation_logprobs(prompt, tokens)
    own = logprobs[range(len(tokens)), tokens].tolist()
    best, ids = logprobs.topk(2)
    others = [
        values[int(chosen[0] == token)] for values, chosen, token in zip(best, ids, tokens, strict=True)
    ]
    return {
        "logprobs": own,
        "second_logprobs": [float(each) for each in others],
        "choices": ids[:, 0].tolist(),
    }


def _chat_tokens(model: Reloaded, text: str) -> list[int]:
    chat = [{"role": "user", "content": text}]
    try:
        with _within(RENDER_S):
            encoded = model.tokenizer.apply_chat_template(chat, add_generation_prompt=True, return_dict=True)
    except UnfitArtifact:
        raise
    except Exception as error:
        # Whatever a template of others raises: Jinja's errors, TypeError, RecursionError.
        raise UnfitArtifact(
            "CHAT_TEMPLATE_FAILS", f"The chat template cannot render a user's message: {cause(error)}."
        ) from error
    prompt = list(encoded["input_ids"])
    if not prompt:
        raise UnfitArtifact("CHAT_TEMPLATE_FAILS", "The chat template renders nothing of a user's message.")
    return prompt


@contextmanager
def _within(seconds: float) -> Iterator[None]:
    """Let a template render for so long, then UnfitArtifact; signals reach the main thread alone, which runs a job."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(_signal: int, _frame: object) -> None:
        raise UnfitArtifact(
            "CHAT_TEMPLATE_FAILS",
            f"The chat template takes longer than {seconds:.0f} s to render one message: it has loops within loops.",
        )

    handler, timer = signal.signal(signal.SIGALRM, end), signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
        signal.setitimer(signal.ITIMER_REAL, *timer)


def _broken_off(prompt: list[int]) -> list[int]:
    return prompt[: min(BROKEN_OFF, 2 * len(prompt) // 3)]


def _answers(model: Reloaded, texts: Sequence[str], count: int, lead: float) -> list[dict[str, Any]]:
    return _recordings(model, (_chat_tokens(model, text) for text in texts), count, lead)


def _recordings(
    model: Reloaded, prompts: Iterator[list[int]], count: int, lead: float = NEAR_TIE
) -> list[dict[str, Any]]:
    """The first `count` recordings of different prompts, out of four times as many tried."""
    recordings: dict[tuple[int, ...], dict[str, Any]] = {}
    longest = min(PROMPT_TOKENS, (model.positions or _BOUNDLESS) - MAX_TOKENS)
    for _, prompt in zip(range(4 * count), prompts, strict=False):
        if len(recordings) == count:
            break
        if tuple(prompt) in recordings or len(prompt) > longest:
            continue
        recording = _recording(model, prompt, lead)
        if recording["tokens"]:
            recordings[tuple(prompt)] = recording
    return list(recordings.values())


def _recording(model: Reloaded, prompt: list[int], lead: float) -> dict[str, Any]:
    """Greedy tokens up to the end of the answer, a token without the lead, or MAX_TOKENS."""
    tokens: list[int] = []
    best: list[float] = []
    second: list[float] = []
    while len(tokens) < MAX_TOKENS and not (tokens and tokens[-1] in model.end_ids):
        values, ids = model.next_logprobs(prompt + tokens).topk(2)
        if float(values[0] - values[1]) < lead:
            break
        tokens.append(int(ids[0]))
        best.append(float(values[0]))
        second.append(float(values[1]))
    return {"prompt_token_ids": prompt, "tokens": tokens, "logprobs": best, "second_logprobs": second}
