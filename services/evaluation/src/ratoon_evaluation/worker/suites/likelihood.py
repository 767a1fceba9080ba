"""Log-likelihood of continuations by a loaded model: the sum over their tokens, each given all text to its left."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ratoon_evaluation.worker.models import LoadedModel, positions, torch
from ratoon_evaluation.worker.suites.failures import TestFailed

_TOKENS = 1 << 14
"""Tokens of a batch at most."""
_LOGITS = 1 << 25
"""At most so many logits of continuations are computed at once: 128 MiB."""


@dataclass(frozen=True)
class Likelihood:
    """Log-likelihood (natural log) of a continuation."""

    value: float
    is_greedy: bool
    """Whether greedy decoding would write it."""


@dataclass(frozen=True)
class _Request:
    tokens: list[int]
    """Context and continuation, cut on the left to what the model can read."""
    targets: list[int]


class Texts:
    """Texts as tokens, as lm-evaluation-harness makes them: without a chat template."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        bos = tokenizer.bos_token_id
        self.prefix = int(tokenizer.eos_token_id if bos is None else bos)
        """Token that stands for an empty context."""
        self._prefix_text = str(tokenizer.decode([self.prefix]))

    def encode(self, text: str) -> list[int]:
        """Return the tokens of a text; special tokens are added unless it begins with one."""
        if self._prefix_text and text.startswith(self._prefix_text):
            return list(self._tokenizer.encode(text, add_special_tokens=False))
        return list(self._tokenizer.encode(text))

    def pair(self, context: str, continuation: str) -> tuple[list[int], list[int]]:
        """Return the tokens of a context and of its continuation, to which white space between them belongs."""
        if not context:
            following = list(self._tokenizer.encode(continuation, add_special_tokens=False))
            return (
                (following[:1], following[1:])
                if following[:1] == [self.prefix]
                else ([self.prefix], following)
            )
        stripped = context.rstrip()
        before = self.encode(stripped)
        return before, self.encode(context + continuation)[len(before) :]


class LikelihoodScorer:
    """Scores continuations by a loaded model."""

    def __init__(self, loaded: LoadedModel) -> None:
        self._loaded, self._texts = loaded, Texts(loaded.tokenizer)
        self._keeps_last = "logits_to_keep" in inspect.signature(loaded.model.forward).parameters

    def score(self, pairs: Sequence[tuple[str, str]], advance: Callable[[int], None]) -> list[Likelihood]:
        """Return the log-likelihood of each continuation after its context; `advance` gets the number of finished."""
        requests = [self._request(*pair) for pair in pairs]
        scores: list[Likelihood | None] = [None] * len(requests)
        done = 0
        for batch in self._batches(requests):
            for place, score in zip(batch, self._scored([requests[place] for place in batch]), strict=True):
                scores[place] = score
            done += len(batch)
            advance(done)
        return [score for score in scores if score is not None]

    def _request(self, context: str, continuation: str) -> _Request:
        before, following = self._texts.pair(context, continuation)
        limit = self._loaded.max_positions
        if not 0 < len(following) <= limit:
            raise TestFailed(
                f"The continuation {continuation[:80]!r} has {len(following)} tokens; 1 to {limit} can be scored."
            )
        return _Request([*before, *following][-(limit + 1) :], following)

    def _batches(self, requests: Sequence[_Request]) -> Iterator[list[int]]:
        """Yield places by falling length, as many a batch as the budgets of tokens and logits allow."""
        order = sorted(range(len(requests)), key=lambda place: len(requests[place].tokens), reverse=True)
        while order:
            longest = len(requests[order[0]].tokens)
            widest = max(len(requests[place].targets) for place in order)
            size = max(1, min(_TOKENS // longest, _LOGITS // (widest * self._loaded.vocabulary)))
            yield order[:size]
            order = order[size:]

    def _last(self, width: int) -> dict[str, int]:
        """Return the argument with which the model computes the logits of the last positions alone, if it knows it."""
        return {"logits_to_keep": width} if self._keeps_last else {}

    @torch.inference_mode()
    def _scored(self, requests: Sequence[_Request]) -> list[Likelihood]:
        width = max(len(request.targets) for request in requests)
        ids, mask = self._loaded.padded([request.tokens[:-1] for request in requests])
        out = self._loaded.model(ids, attention_mask=mask, position_ids=positions(mask), **self._last(width))
        logits = out.logits[:, -width:].float().log_softmax(-1)
        return [_summed(row, request.targets) for row, request in zip(logits, requests, strict=True)]


def _summed(logits: Any, targets: list[int]) -> Likelihood:
    """Return the sum over the last positions of a row, one for each target."""
    rows, targeted = logits[-len(targets) :], torch.tensor(targets, device=logits.device)
    chosen = rows.gather(-1, targeted.unsqueeze(-1)).squeeze(-1)
    return Likelihood(float(chosen.double().sum()), bool((rows.argmax(-1) == targeted).all()))
