"""Answers in free text by transformers: batches of left-padded prompts over a key-value cache.

What all prompts begin with (instructions, examples) is read once. Prompts are sorted by length, and rows that ended
leave the batch. An answer does not depend on the other prompts of its batch. It knows prompts as tokens, and no score.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from ratoon.tasks.kind import Record
from ratoon_evaluation.worker.decoding import Decoding, draws_of, penalised, sampled
from ratoon_evaluation.worker.models import LoadedModel, positions, torch
from ratoon_evaluation.worker.prompts import Prompts

_CACHE_BYTES = 1 << 29
"""Key-value cache of a batch at most."""
_LOGITS = 1 << 25
"""At most so many logits of references are computed at once: 128 MiB."""
_WIDEST = 64
"""Prompts a batch at most."""
_SHARED = 16
"""So many tokens that all prompts begin with are worth reading once."""


@dataclass(frozen=True)
class Prompt:
    """Tokens of a prompt, and those of its reference with the end of the turn; without a reference none."""

    tokens: list[int]
    reference: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Completions:
    """Answers to prompts, one entry each, in the prompts' order."""

    texts: tuple[str, ...]
    """Without special tokens and white space around them; they end before a stop text."""
    tokens: npt.NDArray[np.int64]
    """Number of generated tokens, the end included."""
    finish: tuple[str, ...]
    """`stop`: the model ended it; `length`: it has as many tokens as allowed; `unfit`: the prompt is too long."""
    nll: npt.NDArray[np.float64]
    """Negative log-likelihood (natural log) of the reference's tokens given the prompt."""
    nll_tokens: npt.NDArray[np.int64]
    """Number of tokens that `nll` sums over; 0: no reference, or one that does not fit."""

    @property
    def unfit(self) -> npt.NDArray[np.bool_]:
        """Return which prompts are too long for the model: they have an empty answer."""
        return np.array([each == "unfit" for each in self.finish], dtype=np.bool_)


class Generator:
    """Answers prompts by a loaded model."""

    def __init__(self, loaded: LoadedModel, decoding: Decoding) -> None:
        self._loaded, self._decoding = loaded, decoding
        self._ends = frozenset(loaded.ends.tolist())

    def prompts(self, shots: Sequence[Record] = ()) -> Prompts:
        """Return what renders prompts for this model; `shots` stand before each prompt."""
        return Prompts(self._loaded.tokenizer, self._loaded.ends.tolist(), shots)

    def answer(self, prompts: Sequence[Prompt], advance: Callable[[int], None]) -> Completions:
        """Answer every prompt; `advance` gets the number of finished prompts after each batch, and may raise."""
        rows = [
            Row(prompt, self._limit(prompt), draws_of(self._decoding.seed, prompt.tokens))
            for prompt in prompts
        ]
        fitting = [row for row in rows if row.limit > 0]
        done = len(rows) - len(fitting)
        beginning = self._beginning(fitting)
        for batch in self._batches(fitting):
            self._complete(batch, beginning)
            done += len(batch)
            advance(done)
        return Completions(
            tuple(row.text for row in rows),
            np.array([len(row.chosen) for row in rows], dtype=np.int64),
            tuple(row.finish for row in rows),
            np.array([row.nll for row in rows], dtype=np.float64),
            np.array([row.nll_tokens for row in rows], dtype=np.int64),
        )

    def _limit(self, prompt: Prompt) -> int:
        """Return how many tokens an answer may have; 0 or less: the prompt does not fit."""
        return min(self._decoding.max_tokens, self._loaded.max_positions - len(prompt.tokens))

    def _batches(self, rows: Sequence[Row]) -> Iterator[list[Row]]:
        """Yield rows by falling length (memory shows at once), as many a batch as the cache allows."""
        order = sorted(rows, key=lambda row: len(row.prompt.tokens), reverse=True)
        while order:
            longest = len(order[0].prompt.tokens) + order[0].limit
            size = max(1, min(_WIDEST, _CACHE_BYTES // (self._cache_bytes * longest)))
            yield order[:size]
            order = order[size:]

    @cached_property
    def _cache_bytes(self) -> int:
        """Bytes of the cache for one token of one row."""
        config = self._loaded.model.config.get_text_config()
        heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
        width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        return int(config.num_hidden_layers * heads * width) * 2 * 4

    @cached_property
    def _last_only(self) -> dict[str, int]:
        """Argument with which the model computes the logits of the last position alone, where it knows it."""
        known = inspect.signature(self._loaded.model.forward).parameters
        return {"logits_to_keep": 1} if "logits_to_keep" in known else {}

    @torch.inference_mode()
    def _beginning(self, rows: Sequence[Row]) -> _Beginning:
        """Read what all prompts begin with; nothing, if that is little or the cache takes no pads after it."""
        shared = _common_prefix([row.prompt.tokens[:-1] for row in rows])
        if len(rows) < 2 or len(shared) < _SHARED:
            return _Beginning()
        cache = self._loaded.model(torch.tensor([shared]), use_cache=True, **self._last_only).past_key_values
        return _Beginning(len(shared), cache) if _takes_changes(cache) else _Beginning()

    @torch.inference_mode()
    def _complete(self, rows: list[Row], beginning: _Beginning) -> None:
        logits, cache, mask = self._prefill(rows, beginning)
        if added := self._read_references(rows, logits, cache, mask):
            if _takes_changes(cache):
                cache.crop(-added)
            else:
                logits, cache, mask = self._prefill(rows, beginning)
        seen = self._seen(rows)
        while True:
            chosen = self._choose(logits, seen, rows)
            going = [
                place
                for place, (row, token) in enumerate(zip(rows, chosen, strict=True))
                if self._goes_on(row, token)
            ]
            if not going:
                return
            fed = torch.tensor([[chosen[place]] for place in going])
            if len(going) < len(rows):
                rows = [rows[place] for place in going]
                retained = torch.tensor(going)
                cache.batch_select_indices(retained)
                mask, seen = mask[retained], None if seen is None else seen[retained]
            if seen is not None:
                seen.scatter_(1, fed, True)
            mask = torch.cat([mask, torch.ones_like(fed)], dim=1)
            logits = self._forward(fed, mask, cache)[:, -1]

    def _prefill(self, rows: Sequence[Row], beginning: _Beginning) -> tuple[Any, Any, Any]:
        """Read prompts; returns the logits after them, the cache, and which of its places hold tokens."""
        ids, mask = self._loaded.padded([row.prompt.tokens[beginning.length :] for row in rows])
        if beginning.length:
            mask = torch.cat([torch.ones(len(rows), beginning.length, dtype=mask.dtype), mask], dim=1)
        out = self._loaded.model(
            ids,
            attention_mask=mask,
            position_ids=positions(mask)[:, beginning.length :],
            past_key_values=beginning.repeated(len(rows)),
            use_cache=True,
            **self._last_only,
        )
        return out.logits[:, -1], out.past_key_values, mask

    def _forward(self, fed: Any, mask: Any, cache: Any) -> Any:
        """Return the logits after each fed token; `mask` covers what the cache holds, and them."""
        return self._loaded.model(
            fed,
            attention_mask=mask,
            position_ids=positions(mask)[:, -fed.shape[1] :],
            past_key_values=cache,
            use_cache=True,
        ).logits

    def _seen(self, rows: Sequence[Row]) -> Any:
        """Return which tokens (rows, vocabulary) a penalty of repetition concerns; None without one."""
        if self._decoding.repetition_penalty == 1:
            return None
        seen = torch.zeros(len(rows), self._loaded.vocabulary, dtype=torch.bool)
        for place, row in zip(seen, rows, strict=True):
            place[row.prompt.tokens] = True
        return seen

    def _choose(self, logits: Any, seen: Any, rows: Sequence[Row]) -> list[int]:
        if seen is not None:
            logits = penalised(logits, seen, self._decoding.repetition_penalty)
        if self._decoding.is_greedy:
            chosen = logits.argmax(-1)
        else:
            chosen = sampled(logits, self._decoding, np.array([row.draws.random() for row in rows]))
        tokens: list[int] = chosen.tolist()
        return tokens

    def _goes_on(self, row: Row, token: int) -> bool:
        """Add a token to an answer; return False if the answer is complete."""
        row.chosen.append(token)
        if token in self._ends:
            row.text, row.finish = self._decoded(row.chosen[:-1]).strip(), "stop"
            return False
        cut = first_stop(self._decoded(row.chosen), self._decoding.stop) if self._decoding.stop else None
        if cut is not None:
            row.text, row.finish = cut.strip(), "stop"
            return False
        if len(row.chosen) == row.limit:
            row.text, row.finish = self._decoded(row.chosen).strip(), "length"
            return False
        return True

    def _decoded(self, tokens: list[int]) -> str:
        return str(self._loaded.tokenizer.decode(tokens, skip_special_tokens=True))

    def _read_references(self, rows: list[Row], first: Any, cache: Any, mask: Any) -> int:
        """Sum up the likelihood of the references, a few columns at a time.

        Returns by how many columns the cache grew.
        """
        references = [self._fitting_reference(row) for row in rows]
        width = max(map(len, references))
        if not width:
            return 0
        targets = torch.tensor([each + [self._loaded.pad] * (width - len(each)) for each in references])
        known = torch.tensor([[1] * len(each) + [0] * (width - len(each)) for each in references])
        losses = [_losses(first.unsqueeze(1), targets[:, :1])]
        step = max(1, _LOGITS // (len(rows) * self._loaded.vocabulary))
        for start in range(0, width - 1, step):
            fed, following = (
                targets[:, start : min(start + step, width - 1)],
                targets[:, start + 1 : start + 1 + step],
            )
            mask = torch.cat([mask, known[:, start : start + fed.shape[1]]], dim=1)
            losses.append(_losses(self._forward(fed, mask, cache), following))
        sums = (torch.cat(losses, dim=1) * known).sum(1).tolist()
        for row, reference, nll in zip(rows, references, sums, strict=True):
            row.nll, row.nll_tokens = nll, len(reference)
        return width - 1

    def _fitting_reference(self, row: Row) -> list[int]:
        fits = len(row.prompt.tokens) + len(row.prompt.reference) <= self._loaded.max_positions
        return row.prompt.reference if fits else []


@dataclass(frozen=True)
class _Beginning:
    """Tokens that all prompts begin with, as one row of a cache; without a cache none."""

    length: int = 0
    cache: Any = None

    def repeated(self, rows: int) -> Any:
        """Return a cache of so many rows to add to; None if nothing is shared."""
        cache = copy.deepcopy(self.cache)
        if cache is not None:
            cache.batch_repeat_interleave(rows)
        return cache


@dataclass
class Row:
    """An answer while it is written."""

    prompt: Prompt
    limit: int
    draws: np.random.Generator
    chosen: list[int] = field(default_factory=list)
    text: str = ""
    finish: str = "unfit"
    nll: float = 0.0
    nll_tokens: int = 0


def first_stop(text: str, stop: Sequence[str]) -> str | None:
    """Return the text before the first stop text; None if it holds none.

    White space at the beginning of an answer does not end it.
    """
    begin = len(text) - len(text.lstrip())
    places = [place for each in stop if (place := text.find(each, begin)) >= 0]
    return text[: min(places)] if places else None


def _common_prefix(rows: Sequence[list[int]]) -> list[int]:
    first, last = min(rows, default=[]), max(rows, default=[])
    differs = (place for place, (one, other) in enumerate(zip(first, last, strict=False)) if one != other)
    return first[: next(differs, len(first))]


def _takes_changes(cache: Any) -> bool:
    """Return whether a cache holds every token at its place: it can be cut, and tokens of other rows can follow."""
    return bool(cache.is_croppable and not any(cache.is_sliding))


def _losses(logits: Any, targets: Any) -> Any:
    logits = logits.float()
    return (logits.logsumexp(-1) - logits.gather(-1, targets.unsqueeze(-1)).squeeze(-1)).double()
