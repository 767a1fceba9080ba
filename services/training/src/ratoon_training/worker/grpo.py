"""Session of GRPO: the model answers prompts, and learns which of its answers got more reward (Shao et al. 2024).

A step draws answers with a seed of its own, so that a resumed run draws the same ones. Where several steps share their
answers, these are kept with the checkpoints. A reward that cannot be computed takes no part; if most cannot, the run
ends with its last checkpoint kept.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ratoon_training.domain import rewards, schedule
from ratoon_training.domain.diagnosis import REMEDIES, Diagnosis, diagnose
from ratoon_training.domain.errors import RewardFailed
from ratoon_training.domain.recipes import Recipe
from ratoon_training.worker import objective, policy
from ratoon_training.worker.checkpoints import Checkpoint, Checkpoints
from ratoon_training.worker.context import WorkerContext
from ratoon_training.worker.corpus import Batch, Corpus
from ratoon_training.worker.curves import STEP_COLUMNS, Curves
from ratoon_training.worker.generation import Answer, Decoding, answers
from ratoon_training.worker.judging import Judge
from ratoon_training.worker.models import switch_dropout_off
from ratoon_training.worker.prompts import Prompt, read_prompts
from ratoon_training.worker.reporting import ProgressReporter
from ratoon_training.worker.scores import POLICY_SCORES
from ratoon_training.worker.session import Data, Learned, Session, parts_of
from ratoon_training.worker.text import of_base

MEASURES = (
    "reward",
    "unscored",
    "equal_groups",
    "answer_tokens",
    "ended",
    "clipped",
    "correction",
    "kl",
    "entropy",
)
"""Measurements of a step: mean reward; share of answers without one; share of groups whose answers have equal rewards;
mean tokens of an answer; share of answers that ended; means over tokens of what is clipped, of the correction, of the
divergence from the reference (nats) and of the entropy (nats)."""
_NO_REWARD = (
    "The reward did not rise over that of the base model: check that some answers of a group get more than others "
    "(`equal_groups`), raise the learning rate or group_size, or train the base with SFT first."
)
_RISES = "The reward was still rising at the end: train for more epochs."
_BETAS = (0.9, 0.999)
"""Of AdamW, as TRL has them: gradients of rewards vary so much that their squares are averaged over many steps."""
_WINDOW = 10
"""Steps over which answers without a reward are counted."""
_VALIDATION_ANSWERS = 4
"""Answers to each prompt of the validation part."""
_AT_ONCE = 256
"""Answers that are written at once."""
_ROLLOUT = "rollout."
"""Begin of the names of a worker's answers among the tensors of a checkpoint; its number follows."""
_REFERENCE = "reference-reward"
"""Name of the rewards of the base model among the checkpoints."""


@dataclass(frozen=True)
class PromptData(Data):
    """The two parts of a split with their prompts, and the prepared directory."""

    train_prompts: list[Prompt]
    validation_prompts: list[Prompt]
    prepared: Path

    @staticmethod
    def read(prepared: Path) -> "PromptData":
        """Return what `prepare` wrote."""
        train, validation = prepared / "train.npz", prepared / "validation.npz"
        prompts = read_prompts(train), read_prompts(validation)
        return PromptData(Corpus(train), Corpus(validation), *prompts, prepared)


@dataclass(frozen=True)
class Rollout:
    """Answers of this worker to the prompts of a step that have a reward, and measurements of all of its answers.

    `prompts` are their prompts; rows are padded on the right: `ids` (answers, longest), `old` and `generated` are the
    log-probabilities of the tokens in a row. `measured` are sums: rewards, unscored, equal groups, tokens, ended,
    answers, groups.
    """

    prompts: Tensor
    ids: Tensor
    lengths: Tensor
    advantages: Tensor
    generated: Tensor
    measured: Tensor
    old: Tensor
    reference: Tensor

    @property
    def rows(self) -> int:
        """Number of answers."""
        return len(self.lengths)


class PolicyCurves(Curves):
    """Curves whose losses say nothing: what counts is the reward on the validation part."""

    def diagnosis(self, dead_units: float = 0.0) -> Diagnosis:
        """Return whether the gradients explode, and whether the reward rose over that of the base, and still rises.

        Rewards decide, whatever the share of units without an activation.
        """
        gradients = diagnose([], [row[4] for row in self.steps], [])
        rewards_, before = [row[3] for row in self.epochs], [row[4] for row in self.epochs]
        if gradients.verdict == "exploding-gradients":
            return gradients
        if not rewards_ or max(rewards_) <= before[0]:
            return Diagnosis("underfit", _NO_REWARD)
        rises = len(rewards_) > 1 and rewards_[-1] > max(rewards_[:-1])
        verdict = "still-improving" if rises else "healthy"
        return Diagnosis(verdict, _RISES if rises else REMEDIES[verdict])


class GrpoSession(Session):
    """GRPO on one worker."""

    data: PromptData

    def __init__(self, recipe: Recipe, model: Any, data: Data, context: WorkerContext) -> None:
        super().__init__(recipe, model, data, context)
        switch_dropout_off(model)
        self.grpo = recipe.grpo
        for group in self.optimiser.param_groups:
            if "betas" in group:
                group["betas"] = _BETAS
        self.per_epoch, self.steps = (
            number * self.grpo.iterations for number in (self.per_epoch, self.steps)
        )
        speech = of_base(self.data.prepared / "tokenizer")
        self._judge = Judge(recipe, speech, self.data.prepared, context)
        self._decoding = Decoding(self._judge.ends, self.grpo.max_new_tokens, self.grpo.temperature)
        self._start = {
            name: p.detach().clone() for name, p in self.trainable.items() if self.grpo.kl_weight > 0
        }
        self._writing_seconds = 0.0
        self._rollout: Rollout | None = None
        self._faults: Counter[str] = Counter()
        self._reference_reward: list[float] | None = None

    def measured(self) -> dict[str, float]:
        """Return the seconds in which answers were written."""
        return {"writing_seconds": self._writing_seconds}

    def run(self, checkpoints: Checkpoints, every_s: float, reporter: ProgressReporter) -> None:
        """Reward the answers of the base, unless an earlier attempt has, and train."""
        stored = checkpoints.named(_REFERENCE)
        holders = torch.tensor([float(stored is not None)], device=self.context.device)
        if stored is not None and int(self.context.sum(holders)[0]) == self.context.data_size:
            self._reference_reward = stored.tensors["reward"].tolist()
        else:
            self._reference_reward = self._validated()
            if self.context.leads:
                values = torch.tensor(self._reference_reward, dtype=torch.float64)
                checkpoints.save(_REFERENCE, {"reward": values}, {})
        super().run(checkpoints, every_s, reporter)

    def _curves(self) -> Curves:
        return PolicyCurves(scores=POLICY_SCORES, measures=MEASURES)

    def _verdict(self) -> schedule.Verdict:
        """The epoch of the highest reward is the best; rewards vary too much to end a run or to lower its rate."""
        values = [row[3] for row in self.curves.epochs]
        best = max(range(len(values)), key=lambda epoch: (values[epoch], epoch), default=0)
        return schedule.Verdict(best=best)

    def _batch(self, step: int) -> list[int]:
        epoch, at = divmod(step, self.per_epoch)
        if epoch != self._epoch:
            units, recipe = self.units, self.recipe
            self._plan = schedule.Epoch(
                units.record_ids, units.lengths, recipe.seed, epoch, recipe.batch_size
            )
            self._epoch = epoch
        return self._plan[at // self.grpo.iterations]

    def remaining_tokens(self) -> int:
        """Tokens of the steps to come, about: as many as those of the last steps."""
        last = [row[STEP_COLUMNS.index("tokens")] for row in self.curves.steps[-_WINDOW:]]
        return round(sum(last) / max(1, len(last)) * (self.steps - self.step))

    def _guarded_step(self, checkpoints: Checkpoints, reporter: ProgressReporter) -> None:
        try:
            super()._guarded_step(checkpoints, reporter)
        except RewardFailed:
            if self._saves(True):
                self._save_step(checkpoints)
                checkpoints.wait()
            raise

    # One step

    def _learn(self, indices: list[int]) -> Learned:
        share = self.context.share(indices)
        if self.step % self.grpo.iterations == 0 or self._rollout is None:
            self._rollout = self._drawn(share)
        rollout = self._rollout
        counts = torch.stack([rollout.lengths.sum().double(), torch.tensor(float(rollout.rows)).double()])
        counts = self.context.sum(counts.to(self.context.device))
        norm = policy.Norm(max(1.0, float(counts[0])), max(1.0, float(counts[1])))
        sums = self._backward_rollout(rollout, norm)
        if not rollout.rows and self._shards is None:
            self._no_gradients()
        loss, *token_sums = sums.unbind()
        per_token = [each / norm.tokens for each in token_sums]
        measured = self.context.sum(rollout.measured.to(self.context.device).clone())
        answers_, groups = max(1.0, float(measured[5])), max(1.0, float(measured[6]))
        scored = max(1.0, answers_ - float(measured[1]))
        own = rollout.measured.to(self.context.device)
        means = [
            own[0] / scored,
            own[1] / answers_,
            own[2] / groups,
            own[3] / answers_,
            own[4] / answers_,
        ]
        train = self.data.train
        prompts = sum(train.lengths[index] for index in indices) * self.grpo.group_size
        numbers = [loss, *(each.float() for each in means), *per_token]
        return Learned(numbers, prompts + round(float(measured[3])))

    def _losses(self, measured: list[float]) -> list[float]:
        """Return the row's losses; RewardFailed if most answers of the last steps have no reward.

        The second number is the negative reward: the loss of a policy says nothing about what it learned.
        """
        loss, *measures = measured
        place = len(STEP_COLUMNS) + MEASURES.index("unscored")
        unscored = [*(row[place] for row in self.curves.steps[-_WINDOW + 1 :]), measures[1]]
        share = sum(unscored) / len(unscored)
        if share > self.grpo.max_unscored:
            first = self._faults.most_common(1)
            says = f" Most often: {first[0][0]}" if first else ""
            raise RewardFailed(
                f"At step {self.step}, {share:.0%} of the answers of the last {len(unscored)} steps have no reward; "
                f"recipe.grpo.max_unscored allows {self.grpo.max_unscored:.0%}.{says} Correct the rewards; the last "
                "checkpoint is kept until the run is deleted."
            )
        return [loss, -measures[0], 0.0, *measures]

    def _backward_rollout(self, rollout: Rollout, norm: policy.Norm) -> Tensor:
        """Compute the gradients of these answers; return the loss and the sums over tokens of what is measured."""
        totals = torch.zeros(5, device=self.context.device)
        old = list[Tensor]()
        first = self.step % self.grpo.iterations == 0
        reference = self._reference_of(rollout) if first else rollout.reference
        offsets = [0, *rollout.lengths.cumsum(0).tolist()]
        for part in self._answer_parts(rollout):
            if not part:
                (0.0 * self._log_probabilities(rollout, part)[0].sum()).backward()
                continue
            tokens_at = slice(offsets[part[0]], offsets[part[-1] + 1])
            now, entropy, answer = self._log_probabilities(rollout, part)
            before = now.detach() if first else rollout.old[tokens_at].to(now.device)
            known = reference[tokens_at].to(now.device) if self._start else None
            generated = rollout.generated[tokens_at].to(now.device)
            tokens = policy.Tokens(answer, before, generated, known)
            advantages = rollout.advantages[part].to(now.device)
            terms = policy.terms(self.grpo, now, tokens, advantages)
            weights = self.data.train.weights[rollout.prompts[part]].to(now.device)
            loss = policy.averaged(self.grpo, terms.losses, tokens, weights, norm)
            loss.backward()
            sums = [terms.clipped.sum(), terms.correction.sum(), terms.divergence.sum(), entropy.sum()]
            totals += torch.stack([loss.detach(), *sums])
            old.append(before.cpu())
        if first and rollout.rows:
            self._rollout = Rollout(**{**vars(rollout), "old": torch.cat(old), "reference": reference.cpu()})
        return totals

    def _reference_of(self, rollout: Rollout) -> Tensor:
        """Return the log-probabilities of the tokens by the model that training started from; none if unused."""
        if not self._start:
            return torch.zeros(0)
        with torch.no_grad(), self._as_at_the_start():
            values = [
                (part, self._log_probabilities(rollout, part)[0]) for part in self._answer_parts(rollout)
            ]
            return torch.cat([torch.zeros(0), *(each.cpu() for part, each in values if part)])

    def _answer_parts(self, rollout: Rollout) -> list[list[int]]:
        """Return the answers that are computed at once.

        Workers that divide the weights compute equally many times: one that has fewer parts gets empty ones.
        """
        rows = list(range(rollout.rows))
        parts = parts_of(rows, self.recipe.gradient_accumulation) if rows else []
        if self._shards is None:
            return parts
        counts = torch.zeros(self.context.data_size, device=self.context.device)
        counts[self.context.data_rank] = len(parts)
        highest = int(self.context.sum(counts).max())
        return [*parts, *([] for _ in range(highest - len(parts)))]

    def _log_probabilities(self, rollout: Rollout, part: list[int]) -> tuple[Tensor, Tensor, Tensor]:
        """Return the log-probability of each token of some answers, its entropy, and the number of its answer.

        Without answers, those of any token: the other workers gather the weights at the same time.
        """
        train = self.data.train
        rows = [
            (train.tokens(int(rollout.prompts[row])), rollout.ids[row, : int(rollout.lengths[row])].tolist())
            for row in part
        ] or [(train.tokens(0), [0])]
        batch = _batch(rows).to(self.context.device)
        with self.context.precision(self.recipe.dtype):
            return self._computed(
                partial(objective.token_log_probabilities, self.core, batch, self.grpo.temperature)
            )

    @contextmanager
    def _as_at_the_start(self) -> Iterator[None]:
        """Give the model the weights that training started from inside the context."""
        if self._shards is not None:
            # A module sees its part through memory that it shares.
            self._exchange(self._start)
            try:
                yield
            finally:
                self._exchange(self._start)
            return
        live = {name: self.trainable[name].data for name in self._start}
        for name, weights in self._start.items():
            self.trainable[name].data = weights
        try:
            yield
        finally:
            for name, weights in live.items():
                self.trainable[name].data = weights

    # Answers

    def _drawn(self, share: Sequence[int]) -> Rollout:
        """Return answers to these prompts, a group to each, with their advantages."""
        size = self.grpo.group_size
        indices = [index for index in share for _ in range(size)]
        written = self._written(self.data.train, indices, self.step)
        values = self._judge.rewards(
            [self.data.train_prompts[index] for index in indices],
            [self._judge.text(answer.ids) for answer in written],
            self._faults,
        )
        groups = [values[at : at + size] for at in range(0, len(values), size)]
        compared = [rewards.advantages(group, self.grpo.unscaled) for group in groups]
        advantages = [each for group in compared for each in group]
        scored = [at for at, each in enumerate(advantages) if each is not None]
        rewarded = [written[at] for at in scored]
        longest = max((len(answer.ids) for answer in rewarded), default=1)
        equal = sum(all(not each for each in group) for group in compared)
        measured = [
            sum(value for value in values if value is not None),
            len(values) - len(scored),
            equal,
            sum(len(answer.ids) for answer in written),
            sum(answer.ended for answer in written),
            len(written),
            len(groups),
        ]
        ids = torch.zeros(len(rewarded), longest, dtype=torch.long)
        for row, answer in enumerate(rewarded):
            ids[row, : len(answer.ids)] = torch.tensor(answer.ids)
        return Rollout(
            prompts=torch.tensor([indices[at] for at in scored], dtype=torch.long),
            ids=ids,
            lengths=torch.tensor([len(answer.ids) for answer in rewarded], dtype=torch.long),
            advantages=torch.tensor([advantages[at] or 0.0 for at in scored]),
            generated=torch.tensor([value for answer in rewarded for value in answer.log_probabilities]),
            measured=torch.tensor(measured, dtype=torch.float64),
            old=torch.zeros(0),
            reference=torch.zeros(0),
        )

    def _written(self, part: Corpus, indices: Sequence[int], step: int) -> list[Answer]:
        """Return an answer to each of these prompts of a part: a function of weights, seed, step and rank."""
        training = self.model.training
        self.model.eval()
        begun = time.monotonic()
        with torch.no_grad(), self.context.precision(self.recipe.dtype):
            written = self._computed(partial(self._drawn_answers, part, indices, step))
        self.model.train(training)
        self._writing_seconds += time.monotonic() - begun
        return written

    def _drawn_answers(self, part: Corpus, indices: Sequence[int], step: int) -> list[Answer]:
        """Return the answers, written with all weights: the number of passes differs from worker to worker."""
        written = list[Answer]()
        with nullcontext() if self._shards is None else self._shards.gathered():
            for number, at in enumerate(range(0, len(indices), _AT_ONCE)):
                prompts = [part.tokens(index) for index in indices[at : at + _AT_ONCE]]
                seed = (
                    self.recipe.seed * 1_000_003 + step * 8_191 + number * 131 + self.context.data_rank
                ) % 2**63
                written += answers(self.core, prompts, self._decoding, seed)
        return written

    # Validation

    def _scores(self) -> list[float]:
        reward, exact, unscored, tokens = self._validated()
        reference = self._reference_reward or [0.0]
        return [-reward, reward, reference[0], exact, reference[1], unscored, tokens]

    def _validated(self) -> list[float]:
        """Return mean reward, share of exact matches, share without a reward, and mean tokens on the validation part.

        The seed is the same at each epoch, and another one than that of any step.
        """
        part, prompts = self.data.validation, self.data.validation_prompts
        own = self.context.share(list(range(len(part))))
        indices = [index for index in own for _ in range(_VALIDATION_ANSWERS)]
        written = self._written(part, indices, -1)
        texts = [self._judge.text(answer.ids) for answer in written]
        questions = [prompts[index] for index in indices]
        values = self._judge.rewards(questions, texts, self._faults)
        exact = self._judge.matches(questions, texts)
        known = [value for value in values if value is not None]
        sums = [sum(known), len(known), sum(exact), len(values), sum(len(each.ids) for each in written)]
        total = self.context.sum(torch.tensor(sums, dtype=torch.float64, device=self.context.device))
        reward, scored, right, count, tokens = total.tolist()
        count = max(1.0, count)
        return [reward / max(1.0, scored), right / count, 1 - scored / count, tokens / count]

    # Checkpoints

    def _tensors(self) -> dict[str, Tensor]:
        tensors = super()._tensors()
        if self.step % self.grpo.iterations and self._rollout is not None:
            own = f"{_ROLLOUT}{self.context.data_rank}."
            tensors |= {f"{own}{name}": value for name, value in vars(self._rollout).items()}
        return tensors

    def _saves(self, requested: bool) -> bool:
        """Return True if this worker writes what is requested to be stored.

        One of several copies does not know the answers of the others: it waits until none are shared by steps to come.
        """
        alone = self._shards is not None or self.workers == 1
        return super()._saves(requested and (alone or self.step % self.grpo.iterations == 0))

    def _offsets(
        self, tensors: Mapping[str, Tensor], weight: Callable[[str], str]
    ) -> dict[str, tuple[int, ...]]:
        answers_ = {key: (0,) * each.ndim for key, each in tensors.items() if key.startswith(_ROLLOUT)}
        return {**super()._offsets(tensors, weight), **answers_}

    def _restore(self, checkpoint: Checkpoint) -> None:
        super()._restore(checkpoint)
        names = [name for name in checkpoint.tensors if name.startswith(_ROLLOUT)]
        shares = {name.removeprefix(_ROLLOUT).partition(".")[0] for name in names}
        own = f"{_ROLLOUT}{self.context.data_rank}."
        stored = {name.removeprefix(own): checkpoint.tensors[name] for name in names if name.startswith(own)}
        # Other numbers of workers have other shares of the prompts: the answers are written again.
        is_whole = stored and len(shares) == self.context.data_size
        self._rollout = Rollout(**stored) if is_whole else None


def _batch(rows: Sequence[tuple[list[int], list[int]]]) -> Batch:
    """Return prompts with their answers as a batch that predicts the answers."""
    lengths = [len(prompt) + len(answer) for prompt, answer in rows]
    ids = torch.zeros(len(rows), max(lengths), dtype=torch.long)
    marks = torch.zeros(len(rows), max(lengths) - 1, dtype=torch.bool)
    for row, (prompt, answer) in enumerate(rows):
        ids[row, : lengths[row]] = torch.tensor([*prompt, *answer])
        marks[row, len(prompt) - 1 : lengths[row] - 1] = True
    counts = torch.tensor([len(answer) for _, answer in rows])
    return Batch(ids, torch.tensor(lengths), counts, torch.zeros_like(counts), marks)
