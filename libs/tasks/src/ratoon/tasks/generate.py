"""Task `generate`: text, the next turn of a conversation, or a JSON document."""

import json
from dataclasses import dataclass
from enum import StrEnum
from math import isfinite
from typing import Any, Literal

from ratoon.tasks import json_schema
from ratoon.tasks.kind import (
    PROMPT_INPUTS,
    BadTask,
    Direction,
    DriftInput,
    Kind,
    Metric,
    Record,
    SplitMode,
    Verdict,
    conversation_fault,
    error,
    metrics,
)
from ratoon.tasks.text import is_encodable

METRICS = metrics(
    Metric("rouge_l"),
    Metric("exact_match"),
    Metric("token_f1"),
    Metric("bleu"),
    Metric("chrf"),
    Metric("distinct_1"),
    Metric("distinct_2"),
    Metric("json_validity"),
    Metric("json_field_f1"),
    Metric("win_rate"),
    Metric("pass_at_1"),
    Metric("human_rating", low=1.0, high=5.0),
    error("perplexity"),
    error("refusal_rate", 1.0),
    Metric("answer_length", Direction.NONE, high=float("inf")),
)
PRIMARY = "rouge_l"
BASELINES: tuple[str, ...] = ("zero_shot", "few_shot", "nearest_reference")
SELECTION: tuple[str, ...] = ()
RECIPES: tuple[str, ...] = (
    "pretrain",
    "continued_pretrain",
    "sft",
    "reward_model",
    "dpo",
    "kto",
    "grpo",
    "distillation",
)
DRIFT_INPUTS: tuple[DriftInput, ...] = (
    *PROMPT_INPUTS,
    DriftInput.ANSWER_TOKENS,
    DriftInput.ANSWER_LENGTH,
    DriftInput.ANSWER_LANGUAGE,
    DriftInput.ANSWER_STATUS,
)
DEFAULT_SPLIT = SplitMode.GROUPED
FREE_TEXT = True

MAX_SCHEMA_CHARS = 65_536
MAX_STOPS, MAX_STOP_CHARS = 4, 64
_RANGES: dict[str, tuple[float, float]] = {
    "temperature": (0, 2),
    "top_p": (0, 1),
    "top_k": (1, 1_000_000),
    "min_p": (0, 1),
    "repetition_penalty": (0.01, 10),
    "max_tokens": (1, 131_072),
}
"""Smallest and largest values of the sampling defaults."""


class Form(StrEnum):
    """Form of the answers."""

    TEXT = "TEXT"
    CHAT = "CHAT"
    JSON = "JSON"


@dataclass(frozen=True)
class Sampling:
    """Sampling defaults; None leaves a value to the engine."""

    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    repetition_penalty: float | None = None
    max_tokens: int | None = None


@dataclass(frozen=True)
class Generate:
    """Task of a model that answers with text, with the next turn of a conversation, or with a JSON document."""

    form: Form = Form.TEXT
    json_schema: str = ""
    """Schema of JSON answers; empty: any document."""
    reference_free: bool = False
    """Records of an evaluation may lack a reference."""
    defaults: Sampling = Sampling()
    stop: tuple[str, ...] = ()
    """Texts that end an answer."""
    kind: Literal[Kind.GENERATE] = Kind.GENERATE


def check(task: Generate, /) -> None:
    """Raise BadTask if the schema is no JSON object or a sampling default is out of range."""
    _check_schema(task)
    for field, (low, high) in _RANGES.items():
        value = getattr(task.defaults, field)
        if value is not None and not (isfinite(value) and low <= value <= high):
            raise BadTask(f"{field} must be {low:,g} to {high:,g}, not {value:g}.", f"defaults.{field}")
    if task.defaults.top_p == 0:
        raise BadTask("top_p must be more than 0.", "defaults.top_p")
    if len(task.stop) > MAX_STOPS or any(not 0 < len(each) <= MAX_STOP_CHARS for each in task.stop):
        raise BadTask(f"stop takes up to {MAX_STOPS} texts of 1 to {MAX_STOP_CHARS} characters.", "stop")


def record_fault(task: Generate, record: Record, /) -> str:
    """Return why a record is neither a prompt with references, plain text, a preference nor a judged answer."""
    if not record.turns:
        return _plain_text_fault(record)
    if fault := conversation_fault(record.turns):
        return fault
    if record.rejected is not None and (len(record.answers) != 1 or record.is_good is not None):
        return "A preference needs exactly one chosen and one rejected answer."
    if record.is_good is not None and len(record.answers) != 1:
        return f"A judged record has 1 answer, not {len(record.answers)}."
    return _answers_fault(task, record)


def parse(task: Generate, text: str, /) -> str | None:
    """Return the text without white space around it; a JSON document with sorted keys and without spaces.

    A document that does not fit the schema of the task is no answer.
    """
    if not is_encodable(text) or not text.strip():
        return None
    if task.form is not Form.JSON:
        return text.strip()
    try:
        document = json.loads(text, parse_constant=_refuse_constant)
        return None if _schema_fault(task, document) else _canonical(document)
    except (ValueError, RecursionError):
        return None


def valid_answers(task: Generate, /) -> str:
    """Return the form of an answer."""
    if task.form is not Form.JSON:
        return "a text"
    return "a JSON document" + (" that fits the schema of the project" if task.json_schema else "")


def misfit(task: Generate, text: str, /) -> str:
    """Return why a JSON document does not fit the schema; empty for other texts."""
    try:
        fault = _schema_fault(task, json.loads(text))
    except (ValueError, RecursionError):
        return ""
    return f": {fault}" if fault else ""


def is_wrong(task: Generate, answered: str, expected: str, /) -> bool:
    """Return whether an answer differs from the corrected one; of JSON documents only the content counts."""
    answer = parse(task, answered)
    return answer is None or answer != parse(task, expected)


def right_answer(task: Generate, answered: str, verdict: Verdict, /) -> str | None:
    """Return the answer if it was praised; blame names no right answer."""
    return parse(task, answered) if verdict is Verdict.POSITIVE else None


def _check_schema(task: Generate) -> None:
    if not task.json_schema:
        return
    if task.form is not Form.JSON:
        raise BadTask("json_schema needs the form JSON.", "json_schema")
    if len(task.json_schema) > MAX_SCHEMA_CHARS:
        raise BadTask(
            f"json_schema may have {MAX_SCHEMA_CHARS:,} characters, not {len(task.json_schema):,}.",
            "json_schema",
        )
    try:
        schema = json.loads(task.json_schema)
    except (ValueError, RecursionError):
        schema = None
    if not isinstance(schema, dict):
        raise BadTask("json_schema must be a JSON object.", "json_schema")
    if fault := json_schema.schema_fault(task.json_schema):
        raise BadTask(f"json_schema is no JSON schema: {fault}.", "json_schema")


def _plain_text_fault(record: Record) -> str:
    if record.rejected is not None or record.is_good is not None:
        return "A preference and a judged answer need a prompt."
    if len(record.answers) != 1 or not record.answers[0].strip():
        return "A record without a prompt needs one text."
    return "" if is_encodable(record.answers[0]) else "The text contains half of a surrogate pair."


def _answers_fault(task: Generate, record: Record) -> str:
    prompt = record.turns[-1].content.strip()
    rejected = () if record.rejected is None else (record.rejected,)
    for answer in (*record.answers, *rejected):
        if parse(task, answer) is None:
            return f"The answer {answer[:50]!r} is not {valid_answers(task)}{misfit(task, answer)}."
    if any(answer.strip() == prompt for answer in record.answers):
        return "The answer repeats the prompt."
    if record.rejected is not None and not is_wrong(task, record.rejected, record.answers[0]):
        return "The chosen and the rejected answer are the same."
    return ""


def _schema_fault(task: Generate, document: Any) -> str:
    if task.form is not Form.JSON or not task.json_schema:
        return ""
    return json_schema.document_fault(task.json_schema, document)


def _canonical(document: Any) -> str:
    return json.dumps(document, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
