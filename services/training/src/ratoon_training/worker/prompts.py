"""Prompts that a model answers while it trains: their tokens, and what their answers are judged by. It knows no torch.

A part is `<part>.npz`, whose samples are the prompts with nothing to learn, and `<part>.prompts.jsonl`, one line for
each: the conversation, its tools and its right answers.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ratoon.tasks.kind import Record, Role
from ratoon.tasks.records import messages
from ratoon_training.domain.errors import DataEmpty, SampleTooLong, advice
from ratoon_training.domain.recipes import Objective, Recipe, Truncation
from ratoon_training.worker.part_files import PartWriter
from ratoon_training.worker.samples import Counts, fault_of
from ratoon_training.worker.text import Speech

_COLUMNS = ("tokens", "targets", "offsets", "weights", "record_ids")


@dataclass
class PromptCounts(Counts):
    """Number of records of a part by what became of them."""

    units: int = 0
    """Prompts that are answered."""
    other_records: int = 0
    """Records without a prompt. They are left out."""
    records_without_reference: int = 0
    """Records without a right answer, where a reward needs one. They are left out."""
    long_prompts: int = 0
    """Prompts that leave no space for an answer within `recipe.max_tokens`. They are left out."""


@dataclass(frozen=True)
class Prompt:
    """A conversation that waits for an answer, and its right answers."""

    messages: list[dict[str, Any]]
    references: list[str]
    tools: str = ""

    def as_json(self) -> str:
        """Return one line."""
        return json.dumps(vars(self), ensure_ascii=False, sort_keys=True)


def save_prompts(
    path: Path, speech: Speech, recipe: Recipe, rows: Iterable[tuple[str, Record]], part: str
) -> PromptCounts:
    """Write the prompts of a part, (record id, record) each; DataEmpty if there is none."""
    counts = PromptCounts()
    of_grpo = recipe.objective is Objective.GRPO
    answer_tokens = recipe.grpo.max_new_tokens if of_grpo else recipe.distillation.max_new_tokens
    limit = recipe.max_tokens - answer_tokens
    lines = path.with_suffix(".prompts.jsonl")
    with PartWriter(path, _COLUMNS) as file, lines.open("w") as sink:
        for record_id, record in rows:
            prompt = _prompt(recipe, record, counts)
            if prompt is None:
                continue
            tools = json.loads(record.tools) if record.tools else []
            ids = speech.encode(speech.rendered(prompt.messages, tools, add_generation_prompt=True))
            if len(ids) > limit and recipe.truncation is Truncation.REFUSE:
                raise SampleTooLong(
                    f"A prompt has {len(ids):,} tokens, recipe.max_tokens less the {answer_tokens:,} of an answer "
                    f"(max_new_tokens) allows {limit:,}: change them, leave long records out, or choose another "
                    f"recipe.truncation. The first such record is {record_id[:12]}."
                )
            if len(ids) > limit:
                counts.long_prompts += 1
                continue
            file.add(record_id, ids, targets=[False] * len(ids), weights=record.weight)
            sink.write(f"{prompt.as_json()}\n")
        if not file.samples:
            raise DataEmpty(_nothing(recipe, counts, part))
        counts.units = file.samples
        counts.ends |= {speech.end}
        file.save()
    return counts


def read_prompts(path: Path) -> list[Prompt]:
    """Return the prompts beside a part's `.npz`."""
    lines = path.with_suffix(".prompts.jsonl").read_text().splitlines()
    return [Prompt(**json.loads(line)) for line in lines]


def _prompt(recipe: Recipe, record: Record, counts: PromptCounts) -> Prompt | None:
    """Return the prompt of a record; None and a count if it has none."""
    counts.records += 1
    if record.turns and record.turns[-1].role == Role.ASSISTANT:
        counts.other_records += 1
        return None
    if not record.turns or (record.answers and (fault := fault_of(recipe.spec, record))):
        invalid = bool(record.turns)
        counts.invalid_records += invalid
        counts.other_records += not invalid
        if invalid:
            counts.faults[fault] += 1
        return None
    references = [] if record.is_good is False else list(record.answers)
    compares = any(reward.needs_references for reward in recipe.grpo.rewards)
    if not references and compares and recipe.objective is Objective.GRPO:
        counts.records_without_reference += 1
        return None
    return Prompt(messages(record.turns), references, record.tools)


def _nothing(recipe: Recipe, counts: PromptCounts, part: str) -> str:
    reasons = [
        f"{number:,} {name.replace('_', ' ')}"
        for name in ("invalid_records", "other_records", "records_without_reference", "long_prompts")
        if (number := getattr(counts, name))
    ]
    first = f" ({counts.faults.most_common(1)[0][0]})" if counts.faults else ""
    return (
        f"{recipe.objective} would learn nothing of the {part} part: of its {counts.records:,} records there are "
        f"{', '.join(reasons) or 'none to answer'}{first}. "
        + advice("records with a prompt, and with a right answer if a reward compares with it", part)
    )
