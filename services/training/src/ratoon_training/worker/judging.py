"""Rewards of answers by the settings of a run: rules, functions of the user, and reward models."""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import torch

from ratoon.tasks import json_schema
from ratoon.tasks.kind import Record, Role
from ratoon.tasks.kinds import parse
from ratoon.tasks.records import from_json, messages
from ratoon_training.domain.recipes import Recipe, TrainOn
from ratoon_training.domain.rewards import Reward, RewardKind, total
from ratoon_training.worker import functions, reward_models
from ratoon_training.worker.comparisons import PAIRS
from ratoon_training.worker.context import WorkerContext
from ratoon_training.worker.conversations import samples_of
from ratoon_training.worker.corpus import Batch
from ratoon_training.worker.prepare import REWARD_MODELS
from ratoon_training.worker.prompts import Prompt
from ratoon_training.worker.text import Speech

_ROWS = 32
"""Answers that a reward model judges at once."""

Values = list[float | None]


class Judge:
    """The rewards of one run. RewardFailed before the first step if a function of the user cannot be run."""

    def __init__(self, recipe: Recipe, speech: Speech, prepared: Path, context: WorkerContext) -> None:
        self._task, self._rewards, self._speech = recipe.spec, recipe.grpo.rewards, speech
        self._models = {
            reward.value: RewardModel(prepared / REWARD_MODELS, reward.value, context.device)
            for reward in self._rewards
            if reward.kind is RewardKind.REWARD_MODEL
        }
        for reward in self._rewards:
            if reward.kind is RewardKind.FUNCTION:
                functions.checked(reward.value)

    @property
    def ends(self) -> frozenset[int]:
        """Tokens that end an answer."""
        return frozenset({self._speech.end})

    def text(self, ids: Sequence[int]) -> str:
        """Return an answer as an engine gives it: without its special tokens."""
        return self._speech.tokenizer.decode(list(ids), skip_special_tokens=True)

    def rewards(self, prompts: Sequence[Prompt], answers: Sequence[str], faults: Counter[str]) -> Values:
        """Return the reward of each answer; None if it has none. `faults` counts why not."""
        if not answers:
            return []
        columns = [self._values(reward, prompts, answers, faults) for reward in self._rewards]
        weights = [reward.weight for reward in self._rewards]
        return [total(weights, row) for row in zip(*columns, strict=True)]

    def matches(self, prompts: Sequence[Prompt], answers: Sequence[str]) -> list[bool]:
        """Return whether each answer is one of the right ones, as the task compares answers."""
        return [self._matches(prompt, text) for prompt, text in zip(prompts, answers, strict=True)]

    def _values(
        self, reward: Reward, prompts: Sequence[Prompt], answers: Sequence[str], faults: Counter[str]
    ) -> Values:
        match reward.kind:
            case RewardKind.EXACT_MATCH:
                return [float(each) for each in self.matches(prompts, answers)]
            case RewardKind.PATTERN:
                schema = reward.pattern_schema
                return [float(not json_schema.document_fault(schema, answer)) for answer in answers]
            case RewardKind.JSON_SCHEMA:
                return [float(_fits(reward.value, answer)) for answer in answers]
            case RewardKind.FUNCTION:
                return functions.scores(reward.value, prompts, answers, faults)
            case RewardKind.REWARD_MODEL:
                by_model: Values = self._models[reward.value].values(prompts, answers)
                return by_model

    def _matches(self, prompt: Prompt, text: str) -> bool:
        answer = parse(self._task, text)
        return answer is not None and any(answer == parse(self._task, each) for each in prompt.references)


def _fits(schema: str, answer: str) -> bool:
    try:
        document = json.loads(answer)
    except (ValueError, RecursionError):
        return False
    return not json_schema.document_fault(schema, document)


def contradicted_pairs(recipe: Recipe, prepared: Path, context: WorkerContext) -> dict[str, float]:
    """Return how many preferences have a rejected answer that the reward model of a run rewards more; else nothing."""
    if not recipe.reward_model:
        return {}
    lines = (prepared / "train.npz").with_suffix(PAIRS).read_text().splitlines()
    records = [from_json(line) for line in lines]
    prompts = [Prompt(messages(record.turns), [], record.tools) for record in records]
    model = RewardModel(prepared / REWARD_MODELS, recipe.reward_model, context.device)
    chosen = model.values(prompts, [record.answers[0] for record in records])
    rejected = model.values(prompts, [record.rejected or "" for record in records])
    worse = sum(a is not None and b is not None and b > a for a, b in zip(chosen, rejected, strict=True))
    return {"contradicted_pairs": float(worse)}


class RewardModel:
    """A published reward model with its own tokenizer and chat template."""

    def __init__(self, folder: Path, digest: str, device: torch.device) -> None:
        self._speech, self._model = reward_models.fetched(folder, digest)
        self._model.to(device)
        self._device = device

    @torch.no_grad()
    def values(self, prompts: Sequence[Prompt], answers: Sequence[str]) -> Values:
        """Return the reward of each answer. An empty answer has none: nothing is there to judge."""
        rows = [self._ids(*each) if each[1].strip() else [] for each in zip(prompts, answers, strict=True)]
        order = sorted((at for at, ids in enumerate(rows) if ids), key=lambda at: len(rows[at]))
        values: Values = [None] * len(rows)
        for start in range(0, len(order), _ROWS):
            places = order[start : start + _ROWS]
            given = reward_models.rewards(self._model, _rows([rows[at] for at in places]).to(self._device))
            for at, value in zip(places, given.tolist(), strict=True):
                values[at] = value
        return values

    def _ids(self, prompt: Prompt, answer: str) -> list[int]:
        turns = from_json(json.dumps({"messages": prompt.messages})).turns
        assert turns[-1].role != Role.ASSISTANT
        record = Record(turns, (answer,), tools=prompt.tools)
        ids = samples_of(self._speech, record, TrainOn.LAST_ANSWER)[-1].ids
        return ids[-int(self._model.config.max_position_embeddings) :]


def _rows(samples: Sequence[list[int]]) -> Batch:
    ids = torch.zeros(len(samples), max(map(len, samples)), dtype=torch.long)
    for row, sample in enumerate(samples):
        ids[row, : len(sample)] = torch.tensor(sample)
    lengths = torch.tensor([len(sample) for sample in samples])
    nothing = torch.zeros_like(lengths)
    return Batch(
        ids, lengths, nothing, nothing, torch.zeros(len(samples), ids.shape[1] - 1, dtype=torch.bool)
    )
