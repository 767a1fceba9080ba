"""Preferences and judged answers as token arrays: each unit is two samples in a row. It does not know torch.

Of a preference (DPO, reward models), these are the chosen and the rejected answer after the same prompt. Of a judged
answer (KTO), these are the answer after its prompt, and the answer to the next other prompt after the same prompt, from
which the distance from the reference is estimated; `labels` say whether the answer is good.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ratoon.tasks.kind import Record
from ratoon.tasks.records import to_json
from ratoon_training.domain.errors import BadChatTemplate, DataEmpty, SampleTooLong, advice
from ratoon_training.domain.recipes import Objective, Recipe, TrainOn, Truncation
from ratoon_training.worker.conversations import Sample, samples_of
from ratoon_training.worker.samples import Counts, fault_of
from ratoon_training.worker.text import Speech
from ratoon_training.worker.truncation import MIN_PROMPT

PAIRS = ".pairs.jsonl"
"""Ending of the file with the preferences of a part, which a reward model judges."""


@dataclass
class ComparisonCounts(Counts):
    """Number of records and units of a part by what became of them."""

    units: int = 0
    """Preferences, or judged answers, that are learned."""
    other_records: int = 0
    """Records that the objective does not learn from. They are left out."""
    equal_pairs: int = 0
    """Preferences whose answers have the same tokens, or would have after the cut. They are left out."""
    long_answers: int = 0
    """Units with an answer that does not fit into `recipe.max_tokens`. They are left out."""


@dataclass(frozen=True)
class Tail:
    """What follows a prompt: the tokens of an answer, and which of them are learned."""

    ids: list[int]
    targets: list[bool]


@dataclass(frozen=True)
class Unit:
    """A prompt with the answers that are compared, or with the one that was judged."""

    record_id: str
    prompt: list[int]
    tails: tuple[Tail, ...]
    weight: float
    good: bool = True


def save_comparisons(
    path: Path, speech: Speech, recipe: Recipe, rows: Sequence[tuple[str, Record]], part: str
) -> ComparisonCounts:
    """Write the units of a part, (record id, record) each; DataEmpty if the model would learn nothing of it."""
    counts = ComparisonCounts()
    units = [
        unit for record_id, record in rows for unit in _units_of(record_id, record, speech, recipe, counts)
    ]
    bos = speech.tokenizer.token_to_id(speech.bos) if speech.bos else None
    fitted = [(unit, samples) for unit in units if (samples := _counted(unit, recipe, bos, counts))]
    if recipe.objective is Objective.KTO:
        fitted = _with_others(fitted, recipe, bos)
    if not fitted:
        raise DataEmpty(_nothing(recipe.objective, counts, part))
    counts.units = len(fitted)
    _save(path, speech, fitted, counts)
    if recipe.reward_model:
        _save_pairs(path, rows, {unit.record_id for unit, _ in fitted})
    return counts


def _save_pairs(path: Path, rows: Sequence[tuple[str, Record]], learned: Collection[str]) -> None:
    """Write the preferences that are learned, one JSON a line, for a reward model with tokens of its own."""
    lines = [to_json(record) for record_id, record in rows if record_id in learned]
    path.with_suffix(PAIRS).write_text("".join(f"{line}\n" for line in lines))


def _save(path: Path, speech: Speech, fitted: list[tuple[Unit, list[Sample]]], counts: Counts) -> None:
    samples = [sample for _, pair in fitted for sample in pair]
    for sample in samples:
        counts.learned_tokens += sample.learned
        counts.ends |= sample.ends(speech.special)
    np.savez(
        path,
        tokens=np.concatenate([np.asarray(sample.ids, dtype=np.int32) for sample in samples]),
        targets=np.concatenate([np.asarray(sample.targets, dtype=np.bool_) for sample in samples]),
        offsets=np.cumsum([0, *(len(sample.ids) for sample in samples)], dtype=np.int64),
        weights=np.repeat(np.asarray([unit.weight for unit, _ in fitted], dtype=np.float32), 2),
        labels=np.repeat(np.asarray([unit.good for unit, _ in fitted], dtype=np.int32), 2),
        record_ids=np.repeat(np.asarray([unit.record_id for unit, _ in fitted]), 2),
    )


def _units_of(
    record_id: str, record: Record, speech: Speech, recipe: Recipe, counts: ComparisonCounts
) -> Iterator[Unit]:
    """Yield the units of a record; errors name it."""
    counts.records += 1
    if fault := fault_of(recipe.spec, record):
        counts.invalid_records += 1
        counts.faults[fault] += 1
        return
    rated = [] if recipe.objective.of_pairs else list(_rated(record))
    if record.rejected is None and not rated:
        counts.other_records += 1
        return
    try:
        if recipe.objective.of_pairs:
            prompt, tails = _answered(speech, record, (record.answers[0], record.rejected or ""))
            yield Unit(record_id, prompt, tails, record.weight)
            return
        for number, (answer, good) in enumerate(rated):
            prompt, tails = _answered(speech, record, (answer,))
            name = f"{record_id}#{number}" if number else record_id
            yield Unit(name, prompt, tails, record.weight, good)
    except BadChatTemplate as error:
        raise BadChatTemplate(f"{error} The first such record is {record_id[:12]}.") from error


def _rated(record: Record) -> Iterator[tuple[str, bool]]:
    """Yield each answer of a record that is good or bad."""
    if record.rejected is not None:
        yield record.answers[0], True
        yield record.rejected, False
    elif record.is_good is not None:
        yield record.answers[0], record.is_good


def _answered(speech: Speech, record: Record, answers: Sequence[str]) -> tuple[list[int], tuple[Tail, ...]]:
    """Return the tokens of the prompt of a record, and of these answers after it: only the answers are compared."""
    wholes = [
        samples_of(speech, Record(record.turns, (answer,), tools=record.tools), TrainOn.LAST_ANSWER)[-1]
        for answer in answers
    ]
    begins = [whole.targets.index(True) for whole in wholes]
    prompt = wholes[0].ids[: begins[0]]
    tails = tuple(
        Tail(whole.ids[begin:], whole.targets[begin:]) for whole, begin in zip(wholes, begins, strict=True)
    )
    return prompt, tails


def _with_others(
    fitted: list[tuple[Unit, list[Sample]]], recipe: Recipe, bos: int | None
) -> list[tuple[Unit, list[Sample]]]:
    """Return judged answers, each with the answer to the next other prompt after its own prompt.

    The first follows the last. Nothing if there is one prompt alone.
    """
    prompts = [tuple(unit.prompt) for unit, _ in fitted]
    if len(set(prompts)) < 2:
        return []
    cutting = replace(recipe, truncation=Truncation.MIDDLE)
    paired = []
    for number, (unit, samples) in enumerate(fitted):
        other = (number + 1) % len(fitted)
        while prompts[other] == prompts[number]:
            other = (other + 1) % len(fitted)
        paired.append((unit, [*samples, *_fitted(unit.prompt, fitted[other][0].tails, cutting, bos)]))
    return paired


def _counted(unit: Unit, recipe: Recipe, bos: int | None, counts: ComparisonCounts) -> list[Sample]:
    """Return the samples of a unit, none if they compare nothing, and count why not."""
    samples = _fitted(unit.prompt, unit.tails, recipe, bos)
    counts.truncated_samples += sum(
        len(unit.prompt) + len(tail.ids) > recipe.max_tokens for tail in unit.tails
    )
    if not samples:
        counts.long_answers += 1
    elif len({tuple(sample.ids) for sample in samples}) < len(samples):
        counts.equal_pairs += 1
    else:
        return samples
    return []


def _fitted(prompt: list[int], tails: Sequence[Tail], recipe: Recipe, bos: int | None) -> list[Sample]:
    """Return the answers after one and the same prompt, within `recipe.max_tokens`; none if they do not fit.

    LEFT and MIDDLE cut the prompt. What still does not fit is left out by LEFT and cut at its end by MIDDLE, which
    leaves half of the tokens to the prompt. RIGHT cuts each answer at its end alone, and leaves out what has none left.
    """
    limit, longest = recipe.max_tokens, max(len(tail.ids) for tail in tails)
    if len(prompt) + longest > limit and recipe.truncation is Truncation.REFUSE:
        raise SampleTooLong(
            f"A sample has {len(prompt) + longest:,} tokens, recipe.max_tokens allows {limit:,}: raise it, leave long "
            f"records out, or choose another recipe.truncation."
        )
    remaining = _prompt(prompt, longest, recipe, bos)
    if not remaining or (recipe.truncation is Truncation.LEFT and len(remaining) + longest > limit):
        return []
    samples = [
        Sample([*remaining, *tail.ids][:limit], [*(False for _ in remaining), *tail.targets][:limit])
        for tail in tails
    ]
    return samples if all(sample.learned for sample in samples) else []


def _prompt(prompt: list[int], longest: int, recipe: Recipe, bos: int | None) -> list[int]:
    """Return what is kept of a prompt before answers of at most `longest` tokens."""
    budget = recipe.max_tokens - longest
    if len(prompt) <= budget or recipe.truncation is Truncation.RIGHT:
        return prompt
    if recipe.truncation is Truncation.LEFT:
        first = prompt[:1] if prompt[0] == bos else []
        return [*first, *prompt[len(prompt) - max(0, budget - len(first)) :]]
    budget = budget if budget >= min(MIN_PROMPT, len(prompt)) else min(len(prompt), recipe.max_tokens // 2)
    head = budget // 2
    return prompt if budget == len(prompt) else [*prompt[:head], *prompt[len(prompt) - (budget - head) :]]


def _nothing(objective: Objective, counts: ComparisonCounts, part: str) -> str:
    reasons = [
        f"{number:,} {name.replace('_', ' ')}"
        for name in ("invalid_records", "other_records", "equal_pairs", "long_answers")
        if (number := getattr(counts, name))
    ]
    first = f" ({counts.faults.most_common(1)[0][0]})" if counts.faults else ""
    needed = (
        "preferences: a prompt with a chosen and a rejected answer that differ"
        if objective.of_pairs
        else "answers that were judged good or bad, to two prompts at least"
    )
    return (
        f"{objective} would learn nothing of the {part} part: of its {counts.records:,} records there are "
        f"{', '.join(reasons) or 'none to learn'}{first}. {advice(needed, part)}"
    )
