"""Records as token arrays: what of a part of a split the model learns, and how much of it does not count and why."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ratoon.tasks.kind import Record
from ratoon.tasks.kinds import TaskSpec, record_fault
from ratoon.tasks.text import is_encodable
from ratoon_training.domain.errors import BadChatTemplate, DataEmpty, SampleTooLong, advice
from ratoon_training.domain.recipes import Recipe
from ratoon_training.worker.conversations import Sample, samples_of
from ratoon_training.worker.part_files import PartWriter
from ratoon_training.worker.text import Speech
from ratoon_training.worker.truncation import truncated

LEARNED_FILE = "learned.json"
"""File of the prepared directory with the numbers of the training part, and the tokens that end its answers."""
_COLUMNS = ("tokens", "targets", "offsets", "weights", "record_ids")


@dataclass
class Counts:
    """Number of records and samples of a part by what became of them."""

    records: int = 0
    invalid_records: int = 0
    """Records that are not valid for the task. They are left out."""
    bad_answers: int = 0
    """Records whose only answer was judged bad. They are left out."""
    rejected_answers: int = 0
    """Worse answers of preferences, which are not learned."""
    truncated_samples: int = 0
    samples_without_targets: int = 0
    """Samples of which nothing is learned: without an answer, or with one that was cut away. They are left out."""
    learned_tokens: int = 0
    unanswered_prompts: int = 0
    """Prompts to which a teacher gave no answer. They are left out."""
    faults: Counter[str] = field(default_factory=Counter)
    """Sentences on records that are not valid, with their numbers."""

    ends: set[int] = field(default_factory=set)
    """Tokens that end the answers."""

    def save(self, prepared: Path) -> None:
        """Write the numbers and the end tokens into the prepared directory."""
        numbers = {name: value for name, value in vars(self).items() if isinstance(value, int)}
        value = {"counts": numbers, "end_tokens": sorted(self.ends)}
        (prepared / LEARNED_FILE).write_text(json.dumps(value))


def learned(prepared: Path) -> dict[str, Any]:
    """Return the numbers of the training part and the tokens that end its answers; of a run with labels, nothing."""
    path = prepared / LEARNED_FILE
    value: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    return {"counts": {}, "end_tokens": [], **value}


def end_tokens(prepared: Path) -> list[int]:
    """Return the tokens that end the answers of the training part."""
    return list(learned(prepared)["end_tokens"])


def save_samples(
    path: Path,
    speech: Speech,
    recipe: Recipe,
    rows: Iterable[tuple[str, Record]],
    part: str,
    more: Mapping[str, npt.NDArray[np.generic]] | None = None,
) -> Counts:
    """Write the samples of a part, (record id, record) each; DataEmpty if the model would learn nothing of it.

    `more` are further arrays of the part.
    """
    counts = Counts()
    with PartWriter(path, _COLUMNS) as file:
        for record_id, record in rows:
            for number, sample in enumerate(_samples_of(record_id, record, speech, recipe, counts)):
                name = f"{record_id}#{number}" if number else record_id
                file.add(name, sample.ids, targets=sample.targets, weights=sample.weight)
                counts.learned_tokens += sample.learned
        if not file.samples:
            raise DataEmpty(_nothing(counts, part))
        file.save(more)
    return counts


def _samples_of(
    record_id: str, record: Record, speech: Speech, recipe: Recipe, counts: Counts
) -> list[Sample]:
    """Return the samples of a record that are learned; errors name the record."""
    try:
        return list(_samples(speech, recipe, record, counts))
    except BadChatTemplate as error:
        raise BadChatTemplate(f"{error} The first such record is {record_id[:12]}.") from error
    except SampleTooLong as error:
        raise SampleTooLong(f"{error} The first such record is {record_id[:12]}.") from error


def _samples(speech: Speech, recipe: Recipe, record: Record, counts: Counts) -> Iterator[Sample]:
    counts.records += 1
    if not _counted(recipe.spec, record, counts):
        return
    bos = speech.tokenizer.token_to_id(speech.bos) if speech.bos else None
    for whole in samples_of(speech, record, recipe.train_on) or [Sample([], [])]:
        counts.ends |= whole.ends(speech.special)
        fits = len(whole.ids) <= recipe.max_tokens
        counts.truncated_samples += not fits
        parts = [whole] if fits else truncated(whole, recipe.max_tokens, recipe.truncation, bos)
        with_targets = [part for part in parts if part.learned]
        counts.samples_without_targets += not with_targets
        yield from with_targets


def _counted(task: TaskSpec, record: Record, counts: Counts) -> bool:
    """Return whether a record has something to learn, and count why not."""
    if fault := fault_of(task, record):
        counts.invalid_records += 1
        counts.faults[fault] += 1
        return False
    counts.rejected_answers += record.rejected is not None
    counts.bad_answers += record.is_good is False
    return record.is_good is not False


def fault_of(task: TaskSpec, record: Record) -> str:
    """Return why a record cannot be trained on, as a sentence; empty if it can."""
    if fault := record_fault(task, record):
        return fault
    if not (record.weight > 0 and isfinite(record.weight)):
        return f"The weight {record.weight:g} is not a number above 0."
    texts = [record.tools, *(text for turn in record.turns for text in (turn.reasoning, turn.tool_calls))]
    return "" if all(map(is_encodable, texts)) else "A message contains half of a surrogate pair."


def _nothing(counts: Counts, part: str) -> str:
    reasons = [
        f"{number:,} {name.replace('_', ' ')}"
        for name in ("invalid_records", "bad_answers", "samples_without_targets")
        if (number := getattr(counts, name))
    ]
    first = f" ({counts.faults.most_common(1)[0][0]})" if counts.faults else ""
    return (
        f"The model would learn nothing of the {part} part: of its {counts.records:,} records there are "
        f"{', '.join(reasons) or 'none to learn'}{first}. "
        + advice("records with answers that fit into recipe.max_tokens", part)
    )
