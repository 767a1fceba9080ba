"""Log-likelihood of continuations by a loaded model: the sum over their tokens, each given all text to its left."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ratoon_evaluation.worker.models import LoadedModel, positions, torch
from ratoon_evaluation.worker.suites.failures import TestFailed

_TOKENS = 1 << 12
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
    context: list[int]
    """Tokens before the continuation, cut on the left to what the model can read."""
    targets: list[int]


@dataclass(frozen=True)
class _Group:
    """Requests with the same context, which is read once."""

    context: list[int]
    places: list[int]
    width: int
    """Tokens of the longest continuation."""


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
        scores: dict[int, Likelihood] = {}
        for batch in self._batches(requests):
            places = [place for group in batch for place in group.places]
            scores |= dict(zip(places, self._scored(batch, requests), strict=True))
            advance(len(scores))
        return [scores[place] for place in range(len(requests))]

    def _request(self, context: str, continuation: str) -> _Request:
        before, following = self._texts.pair(context, continuation)
        limit = self._loaded.max_positions
        if not 0 < len(following) <= limit:
            raise TestFailed(
                f"The continuation {continuation[:80]!r} has {len(following)} tokens; 1 to {limit} can be scored."
            )
        return _Request(before[-(limit + 1 - len(following)) :], following)

    def _batches(self, requests: Sequence[_Request]) -> Iterator[list[_Group]]:
        """Yield groups by falling length, as many a batch as the budgets of tokens and logits allow."""
        order = sorted(self._groups(requests), key=lambda group: len(group.context), reverse=True)
        while order:
            batch = [order.pop(0)]
            rows, width = len(batch[0].places), batch[0].width
            while order:
                rows, width = rows + len(order[0].places), max(width, order[0].width)
                is_wide = rows * width * self._loaded.vocabulary > _LOGITS
                if is_wide or rows * (len(batch[0].context) + width) > _TOKENS:
                    break
                batch.append(order.pop(0))
            yield batch

    def _groups(self, requests: Sequence[_Request]) -> Iterator[_Group]:
        """Yield the requests by their context, as many at once as the budget of logits allows."""
        places: dict[tuple[int, ...], list[int]] = {}
        for place, request in enumerate(requests):
            places.setdefault(tuple(request.context), []).append(place)
        for context, each in places.items():
            width = max(len(requests[place].targets) for place in each)
            rows = max(1, _LOGITS // (width * self._loaded.vocabulary))
            for start in range(0, len(each), rows):
                yield _Group(list(context), each[start : start + rows], width)

    @torch.inference_mode()
    def _scored(self, groups: Sequence[_Group], requests: Sequence[_Request]) -> list[Likelihood]:
        """Return the scores of the requests of groups: contexts are read first, then continuations after them."""
        each = [requests[place].targets for group in groups for place in group.places]
        owners = torch.tensor([row for row, group in enumerate(groups) for _ in group.places])
        width = max(map(len, each))
        ids, mask = self._loaded.padded([group.context for group in groups])
        owners = owners.to(ids.device)
        out = self._loaded.model(
            ids, attention_mask=mask, position_ids=positions(mask), use_cache=True, **self._last()
        )
        logits = out.logits[:, -1:][owners]
        if width > 1:
            cache = out.past_key_values
            cache.batch_select_indices(owners)
            fed = torch.tensor([targets + [self._loaded.pad] * (width - len(targets)) for targets in each])
            known = torch.tensor([[1] * len(targets) + [0] * (width - len(targets)) for targets in each])
            fed, known = fed[:, :-1].to(ids.device), known[:, :-1].to(ids.device)
            whole = torch.cat([mask[owners], known], dim=1)
            following = self._loaded.model(
                fed,
                attention_mask=whole,
                position_ids=positions(whole)[:, -fed.shape[1] :],
                past_key_values=cache,
                use_cache=True,
            ).logits
            logits = torch.cat([logits, following], dim=1)
        return [
            _summed(row, targets) for row, targets in zip(logits.float().log_softmax(-1), each, strict=True)
        ]

    def _last(self) -> dict[str, int]:
        """Return the argument with which the model computes the logits of the last position alone, if it knows it."""
        return {"logits_to_keep": 1} if self._keeps_last else {}


def _summed(logits: Any, targets: list[int]) -> Likelihood:
    """Return the sum over the first positions of a row, one for each target."""
    rows, chosen = logits[: len(targets)], torch.tensor(targets, device=logits.device)
    values = rows.gather(-1, chosen.unsqueeze(-1)).squeeze(-1)
    return Likelihood(float(values.double().sum()), bool((rows.argmax(-1) == chosen).all()))
