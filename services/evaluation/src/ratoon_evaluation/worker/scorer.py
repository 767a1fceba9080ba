"""Greedy answers, label log-probabilities and text likelihood of one model, by transformers.

It knows prompts and labels, but neither the truth nor any score. The model's own chat template makes the
prompt, so the prompts are those that an engine gets.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ratoon.storage.models import ModelFolder
from ratoon.tasks.compute import Compute
from ratoon.tasks.kind import Record, Role, Turn
from ratoon.tasks.labels import match_label
from ratoon_evaluation.domain.kinds.classify import OTHER
from ratoon_evaluation.worker.models import LoadedModel, positions, torch
from ratoon_evaluation.worker.prompts import Prompts

_CPU = Compute()
_LOGITS = 1 << 22
"""At most so many logits (positions × vocabulary) are computed at once: 16 MiB."""
_WIDEST = 128
"""Records a batch at most."""


@dataclass(frozen=True)
class Answers:
    """What a model made of the texts, one entry each, in the texts' order."""

    predicted: tuple[str, ...]
    """A label, or `OTHER` for anything else."""
    label_logprobs: npt.NDArray[np.float64]
    """(texts, labels): natural log of the probability of each label as the answer."""
    nll: npt.NDArray[np.float64]
    """Negative log-likelihood (natural log) of each text's tokens, the special ones excluded."""
    tokens: npt.NDArray[np.int64]
    """How many tokens `nll` sums over."""
    unfit: npt.NDArray[np.bool_]
    """Prompts longer than the model's positions: not scored, so `OTHER`, with log-probabilities of 0."""


class Scorer:
    """One loaded model, an adapter merged into its base.

    `threads` are the cores it may use, 0: as many as its size is worth.
    """

    def __init__(
        self, folder: ModelFolder, labels: Sequence[str], threads: int = 0, compute: Compute = _CPU
    ) -> None:
        self._loaded = loaded = LoadedModel(folder, threads, compute)
        self._tokenizer, self._model, self._ends = loaded.tokenizer, loaded.model, loaded.ends
        self._labels = tuple(labels)
        self._label_ids = [self._label_tokens(label) for label in labels]
        self._special = torch.tensor(self._tokenizer.all_special_ids)

    @property
    def parameters(self) -> int:
        """Number of parameters of the model; tied ones count once."""
        return self._loaded.parameters

    def score(
        self, texts: Sequence[str], advance: Callable[[int], None], openings: Sequence[str] = ()
    ) -> Answers:
        """Answer every text; `advance` gets the number of finished texts after each batch, and may raise to stop.

        `openings` are the beginnings of the answers, which the model continues, as `Prompts.continued` allows.
        """
        self._label_ids = [self._label_tokens(label, openings) for label in self._labels]
        prompts = self._prompts(texts, openings)
        answers = _Sheet(len(texts), len(self._labels))
        fitting = [index for index, prompt in enumerate(prompts) if len(prompt) <= self._max_prompt_tokens()]
        answers.unfit[:] = True
        answers.unfit[fitting] = False
        done = len(texts) - len(fitting)
        for batch in self._batches(fitting, prompts):
            self._answer(batch, [prompts[index] for index in batch], answers)
            done += len(batch)
            advance(done)
        return answers.read_only()

    def _label_tokens(self, label: str, openings: Sequence[str] = ()) -> list[int]:
        """Return the tokens of a label as a whole answer, or after the last word of an opening."""
        alone: list[int] = self._tokenizer.encode(label, add_special_tokens=False)
        if not openings:
            return alone
        word = openings[0].rsplit(None, 1)[-1]
        before, whole = (
            self._tokenizer.encode(text, add_special_tokens=False) for text in (word, f"{word} {label}")
        )
        return list(whole[len(before) :]) if whole[: len(before)] == before else alone

    def _prompts(self, texts: Sequence[str], openings: Sequence[str]) -> list[list[int]]:
        if openings:
            prompts = Prompts(self._tokenizer, self._ends.tolist())
            records = [Record((Turn(Role.USER, text),)) for text in texts]
            return [
                prompts.opened(record, opening) for record, opening in zip(records, openings, strict=True)
            ]
        chats = [[{"role": "user", "content": text}] for text in texts]
        encoded = self._tokenizer.apply_chat_template(chats, add_generation_prompt=True, return_dict=True)
        return list(encoded["input_ids"])

    def _max_prompt_tokens(self) -> int:
        return self._loaded.max_positions - self._longest()

    def _longest(self) -> int:
        """Tokens to ask for: the longest label and the end."""
        return max(map(len, self._label_ids)) + 1

    def _batches(self, indices: Sequence[int], prompts: Sequence[Sequence[int]]) -> Iterator[list[int]]:
        """Indices by falling length (memory shows at once), as many a batch as the logits allow."""
        budget = _LOGITS // self._loaded.vocabulary
        order = sorted(indices, key=lambda index: len(prompts[index]), reverse=True)
        while order:
            size = max(1, min(_WIDEST, budget // len(prompts[order[0]])))
            yield order[:size]
            order = order[size:]

    @torch.inference_mode()
    def _answer(self, batch: list[int], prompts: list[list[int]], answers: _Sheet) -> None:
        ids, mask = self._loaded.padded(prompts)
        out = self._model(ids, attention_mask=mask, position_ids=positions(mask), use_cache=True)
        nll, tokens = self._likelihood(ids, mask, out.logits)
        answers.nll[batch], answers.tokens[batch] = nll.numpy(), tokens.numpy()
        first = out.logits[:, -1].log_softmax(-1)
        answers.label_logprobs[batch] = self._label_logprobs(first, out.past_key_values, mask).numpy()
        for index, text in zip(batch, self._greedy(first, out.past_key_values, mask), strict=True):
            answers.predicted[index] = match_label(text, self._labels) or OTHER

    def _likelihood(self, ids: Any, mask: Any, logits: Any) -> tuple[Any, Any]:
        """Per prompt: summed negative log-likelihood of the text's own tokens, and their number."""
        after = ids[:, 1:]
        counted = mask[:, :-1].bool() & ~torch.isin(after, self._special)
        before = logits[:, :-1]
        losses = before.logsumexp(-1) - before.gather(-1, after.unsqueeze(-1)).squeeze(-1)
        return (losses.double() * counted).sum(1), counted.sum(1)

    def _label_logprobs(self, first: Any, cache: Any, mask: Any) -> Any:
        """(prompts, labels); a label of several tokens is read on from the cache, which is cut back."""
        columns = []
        for label in self._label_ids:
            logprob = first[:, label[0]].double()
            if len(label) > 1:
                fed = torch.tensor(label[:-1]).expand(len(first), -1)
                following = self._continue(fed, cache, mask).log_softmax(-1)
                cache.crop(mask.shape[1])
                targets = torch.tensor(label[1:]).expand(len(first), -1).unsqueeze(-1)
                logprob = logprob + following.gather(-1, targets).double().sum((1, 2))
            columns.append(logprob)
        return torch.stack(columns, dim=1)

    def _greedy(self, first: Any, cache: Any, mask: Any) -> list[str]:
        """The decoded answers, without the end and without surrounding blanks."""
        chosen = [first.argmax(-1)]
        ended = torch.isin(chosen[0], self._ends)
        while len(chosen) < self._longest() and not bool(ended.all()):
            fed = torch.stack(chosen, dim=1)
            logits = self._continue(
                fed[:, -1:], cache, torch.cat([mask, torch.ones_like(fed[:, :-1])], dim=1)
            )
            following = logits[:, -1].argmax(-1).where(~ended, self._ends[0])
            chosen.append(following)
            ended |= torch.isin(following, self._ends)
        texts = self._tokenizer.batch_decode(torch.stack(chosen, dim=1), skip_special_tokens=True)
        return [text.strip() for text in texts]

    def _continue(self, fed: Any, cache: Any, mask: Any) -> Any:
        """Logits after each fed token; `mask` covers what the cache holds."""
        grown = torch.cat([mask, torch.ones_like(fed)], dim=1)
        return self._model(
            fed,
            attention_mask=grown,
            position_ids=positions(grown)[:, -fed.shape[1] :],
            past_key_values=cache,
            use_cache=True,
        ).logits


class _Sheet:
    """Answers while they are written."""

    def __init__(self, texts: int, labels: int) -> None:
        self.predicted = [OTHER] * texts
        self.label_logprobs = np.zeros((texts, labels))
        self.nll = np.zeros(texts)
        self.tokens = np.zeros(texts, dtype=np.int64)
        self.unfit = np.zeros(texts, dtype=np.bool_)

    def read_only(self) -> Answers:
        return Answers(tuple(self.predicted), self.label_logprobs, self.nll, self.tokens, self.unfit)
