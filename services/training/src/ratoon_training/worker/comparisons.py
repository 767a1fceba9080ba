"""Preferences and judged answers as token arrays: each unit is two samples in a row. It does not know torch.

Of a preference (DPO, reward models), these are the chosen and the rejected answer after the same prompt. Of a judged
answer (KTO), these are the answer after its prompt, and the answer to the next other prompt after the same prompt, from
which the distance from the reference is estimated; `labels` say whether the answer is good.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

from ratoon.tasks.kind import Record
from ratoon.tasks.records import to_json
from ratoon_training.domain.errors import BadChatTemplate, DataEmpty, SampleTooLong, advice
from ratoon_training.domain.recipes import Objective, Recipe, TrainOn, Truncation
from ratoon_training.worker.conversations import Sample, samples_of
from ratoon_training.worker.part_files import PartWriter
from ratoon_training.worker.samples import Counts, fault_of
from ratoon_training.worker.text import Speech
from ratoon_training.worker.truncation import MIN_PROMPT

PAIRS = ".pairs.jsonl"
"""Ending of the file with the preferences of a part, which a reward model judges."""
_COLUMNS = ("tokens", "targets", "offsets", "weights", "labels", "record_ids")


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


Fitted = tuple[Unit, list[Sample]]
"""A unit with its samples."""


def save_comparisons(
    path: Path, speech: Speech, recipe: Recipe, rows: Iterable[tuple[str, Record]], part: str
) -> ComparisonCounts:
    """Write the units of a part, (record id, record) each; DataEmpty if the model would learn nothing of it."""
    counts = ComparisonCounts()
    bos = speech.tokenizer.token_to_id(speech.bos) if speech.bos else None
    with PartWriter(path, _COLUMNS) as file, _pairs_of(path, recipe) as pairs:
        fitted = _fitted_units(rows, speech, recipe, counts, pairs)
        if recipe.objective is Objective.KTO:
            fitted = _with_others(fitted, recipe, bos)
        for unit, samples in fitted:
            counts.units += 1
            for sample in samples:
                counts.learned_tokens += sample.learned
                counts.ends |= sample.ends(speech.special)
                file.add(
                    unit.record_id,
                    sample.ids,
                    targets=sample.targets,
                    weights=unit.weight,
                    labels=int(unit.good),
                )
        if not counts.units:
            raise DataEmpty(_nothing(recipe.objective, counts, part))
        file.save()
    return counts


@contextmanager
def _pairs_of(path: Path, recipe: Recipe) -> Iterator[IO[str] | None]:
    """Open the file of the preferences that are learned, one JSON a line, if a reward model judges them."""
    if not recipe.reward_model:
        yield None
        return
    with path.with_suffix(PAIRS).open("w") as sink:
        yield sink


def _fitted_units(
    rows: Iterable[tuple[str, Record]],
    speech: Speech,
    recipe: Recipe,
    counts: ComparisonCounts,
    pairs: IO[str] | None,
) -> Iterator[Fitted]:
    """Yield the units that are learned with their samples, and write the preferences for a reward model."""
    bos = speech.tokenizer.token_to_id(speech.bos) if speech.bos else None
    for record_id, record in rows:
        for unit in _units_of(record_id, record, speech, recipe, counts):
            if samples := _counted(unit, recipe, bos, counts):
                yield unit, samples
                if pairs is not None and unit.record_id == record_id:
                    pairs.write(f"{to_json(record)}\n")


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


def _with_others(fitted: Iterable[Fitted], recipe: Recipe, bos: int | None) -> Iterator[Fitted]:
    """Yield judged answers, each with the answer to the next other prompt after its own prompt.

    The first follows the last. Nothing if there is one prompt alone.
    """
    cutting = replace(recipe, truncation=Truncation.MIDDLE)

    def paired(units: list[Fitted], other: Unit) -> Iterator[Fitted]:
        for unit, samples in units:
            yield unit, [*samples, *_fitted(unit.prompt, other.tails, cutting, bos)]

    first, waiting = (
        list[Unit](),
        list[Fitted](),
    )  # the first units of two prompts; those of one prompt in a row
    for unit, samples in fitted:
        if len(first) < 2 and all(unit.prompt != each.prompt for each in first):
            first.append(unit)
        if waiting and waiting[0][0].prompt != unit.prompt:
            yield from paired(waiting, unit)
            waiting = []
        waiting.append((unit, samples))
    if len(first) == 2:
        yield from paired(waiting, next(each for each in first if each.prompt != waiting[0][0].prompt))


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
