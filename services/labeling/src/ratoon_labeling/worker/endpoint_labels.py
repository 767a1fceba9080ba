"""Answers that a model behind an OpenAI-compatible endpoint proposes: the version in production, or any other."""

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ratoon.jobs.v1.labeling_jobs_pb2 import RefillSpec
from ratoon.labeling.v1.annotation_pb2 import Guideline
from ratoon.service.chat_endpoints import ChatEndpoint, Message, Replies, Reply
from ratoon.tasks import kinds
from ratoon_labeling.domain.errors import BadAnswer
from ratoon_labeling.domain.kinds.table import parsed, rules_of
from ratoon_labeling.domain.marks import AnswerSpec, Marks, Spans
from ratoon_labeling.domain.queues import Endpoint

MAX_CHARS = 20_000
"""Characters of a text that a model gets."""
MAX_EXAMPLES = 20
"""Examples of the guideline that a model gets."""
_MAX_TOKENS = 1_024
_AROUND = " \t\r\n.\"'`*"


@dataclass(frozen=True)
class Proposals:
    """Valid answers by record, with their probability if it is known; `failure` says why others have none."""

    labels: dict[str, str]
    confidences: dict[str, float]
    origin: str
    failure: str = ""


def propose(
    spec: RefillSpec,
    task: AnswerSpec,
    endpoint: Endpoint,
    texts: Sequence[tuple[str, str]],
    advance: Callable[[int], None],
) -> Proposals:
    """Return the answers of a model to records, each with its id and text."""
    variable = spec.endpoint_key_variable
    if not spec.endpoint_listed:
        return Proposals({}, {}, endpoint.model, "The endpoint is not listed in RATOON_LABELING_ENDPOINTS.")
    if variable and not os.environ.get(variable):
        return Proposals(
            {}, {}, endpoint.model, f"The variable {variable} is not set where refills are drawn."
        )
    client = ChatEndpoint(
        endpoint.base_url, endpoint.model, os.environ.get(variable, ""), _MAX_TOKENS, log_probabilities=True
    )
    replies = Replies(client, advance)
    guide = "" if endpoint.text_only else instructions(spec.guideline, task)
    answers = replies.to([prompt(guide, text) for _, text in texts])
    labels, confidences, models = dict[str, str](), dict[str, float](), set[str]()
    for (record_id, text), reply in zip(texts, answers, strict=True):
        label = read(task, reply, text) if reply is not None else None
        if label is None or reply is None:
            continue
        labels[record_id] = label
        models.add(reply.model)
        if reply.probability is not None:
            confidences[record_id] = reply.probability
    origin = models.pop() if len(models) == 1 else ""
    return Proposals(labels, confidences, origin or endpoint.model, replies.failure)


def prompt(guide: str, text: str) -> list[Message]:
    """Return the messages about a record."""
    system: list[Message] = [{"role": "system", "content": guide}] if guide else []
    return [*system, {"role": "user", "content": text[:MAX_CHARS]}]


def instructions(guideline: Guideline, task: AnswerSpec) -> str:
    """Return the guideline as a model gets it, and the form of an answer."""
    sections = [guideline.instructions, guideline.purpose, guideline.ambiguity]
    examples = [
        f"Text: {each.text}\nAnswer: {each.label}" for each in guideline.examples[:MAX_EXAMPLES] if each.text
    ]
    return "\n\n".join([*(each for each in sections if each.strip()), *examples, _form(task)])


def _form(task: AnswerSpec) -> str:
    if isinstance(task, Spans):
        return (
            f"Answer with a JSON list of the spans of the text that are one of {', '.join(task.labels)}, each as "
            '{"label": "…", "text": "…"} with the text as it is written. Answer with nothing else.'
        )
    if isinstance(task, Marks):
        return "Answer with a JSON list."
    return f"Answer with {kinds.valid_answers(task)}. Answer with nothing else."


def read(task: AnswerSpec, reply: Reply, text: str) -> str | None:
    """Return the answer of a reply in its canonical form; None if the reply is none."""
    if isinstance(task, Spans):
        return _read_spans(task, reply.text, text)
    answer = parsed(task, reply.text)
    return answer if answer is not None else parsed(task, reply.text.strip(_AROUND))


def _read_spans(task: Spans, raw: str, text: str) -> str | None:
    """Return spans by their texts: models do not count code points. Spans that the text does not hold are left out."""
    try:
        marks = json.loads(raw[raw.index("[") : raw.rindex("]") + 1])
    except (ValueError, RecursionError):
        return None
    located: list[dict[str, Any]] = []
    position = 0
    for mark in marks:
        words = mark.get("text") if isinstance(mark, dict) else None
        if not isinstance(words, str) or not words:
            continue
        start = text.find(words, position)
        start = start if start >= 0 else text.find(words)
        if start >= 0:
            located.append({"start": start, "end": start + len(words), "label": mark.get("label")})
            position = start + len(words)
    answer = parsed(task, json.dumps(located)) if located or not marks else None
    try:
        return None if answer is None else rules_of(task).with_text(task, answer, text)
    except BadAnswer:
        return None
