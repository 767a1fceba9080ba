"""Answers of a teacher as the training part of a student, and a teacher behind an endpoint. It does not know torch."""

import json
import os
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ratoon.service.chat_endpoints import ChatEndpoint, Message, Replies
from ratoon.tasks.kind import Record
from ratoon.tasks.records import from_json
from ratoon_training.domain.errors import DataEmpty, TeacherFailed
from ratoon_training.domain.recipes import Recipe
from ratoon_training.worker.corpus import Corpus
from ratoon_training.worker.prompts import Prompt, read_prompts
from ratoon_training.worker.samples import learned, save_samples
from ratoon_training.worker.text import Speech, of_base

PROMPTS = "prompts.npz"
"""File of the prepared directory with the prompts of the training part that a teacher answers."""
MAX_UNANSWERED = 0.5
"""Share of the prompts without an answer beyond which a run ends."""


@dataclass(frozen=True)
class EndpointAccess:
    """Access to the endpoint of a teacher: the operator listed it, and names the variable of its key (empty: none)."""

    listed: bool
    key_variable: str = ""


def save_answers(prepared: Path, recipe: Recipe, texts: Sequence[str]) -> None:
    """Write the answers of a teacher to the prompts as the training part. Empty ones are left out.

    DataEmpty if there is no other.
    """
    path = prepared / "train.npz"
    names, prompts = Corpus(prepared / PROMPTS).record_ids, read_prompts(prepared / PROMPTS)
    rows = [
        (name, _answered(prompt, text))
        for name, prompt, text in zip(names, prompts, texts, strict=True)
        if text.strip()
    ]
    if not rows:
        raise DataEmpty(
            "The teacher answers nothing to every prompt of the training part: choose another one."
        )
    building = path.with_name(f".{uuid.uuid4().hex}.npz")
    counts = save_samples(building, of_base(prepared / "tokenizer"), recipe, rows, "training")
    counts.rejected_answers = learned(prepared)["counts"].get("rejected_answers", 0)
    counts.unanswered_prompts = len(texts) - len(rows)
    counts.save(prepared)
    building.rename(path)


def answers_of_endpoint(
    prepared: Path, recipe: Recipe, access: EndpointAccess, advance: Callable[[int, int], None]
) -> list[str]:
    """Return the answers of the model behind an endpoint to the prompts, empty where it gives none.

    TeacherFailed if it may not be called, or more than half of the prompts have no answer. `advance` gets the number of
    finished prompts and that of all.
    """
    settings = recipe.distillation
    if not access.listed:
        raise TeacherFailed(
            f"{settings.base_url} is no longer one of the endpoints of RATOON_TRAINING_ENDPOINTS: list it again, or "
            "choose another teacher."
        )
    key = os.environ.get(access.key_variable, "") if access.key_variable else ""
    if access.key_variable and not key:
        raise TeacherFailed(
            f"The variable {access.key_variable} with the key of {settings.base_url} is not set where runs are "
            "prepared: set it there."
        )
    prompts = read_prompts(prepared / PROMPTS)
    endpoint = ChatEndpoint(
        settings.base_url,
        settings.model,
        key,
        settings.max_new_tokens,
        temperature=settings.temperature,
    )
    replies = Replies(endpoint, lambda done: advance(done, len(prompts)))
    texts = [reply.text if reply else "" for reply in replies.to([_messages(each) for each in prompts])]
    unanswered = sum(not text.strip() for text in texts)
    if unanswered > MAX_UNANSWERED * len(texts):
        why = f" The last failure: {replies.failure}" if replies.failure else ""
        raise TeacherFailed(
            f"{settings.model} at {settings.base_url} answers {len(texts) - unanswered:,} of {len(texts):,} prompts."
            f"{why} Check the endpoint, and start the run again."
        )
    return texts


def _messages(prompt: Prompt) -> list[Message]:
    return [
        {"role": str(each["role"]), "content": str(each.get("content") or "")} for each in prompt.messages
    ]


def _answered(prompt: Prompt, text: str) -> Record:
    turns = from_json(json.dumps({"messages": prompt.messages})).turns
    return replace(Record(turns, (text,)), tools=prompt.tools)


def prompt_tokens(speech: Speech, prompts: Sequence[Prompt]) -> list[list[int]]:
    """Return the tokens of prompts in a tokenizer and its template."""
    return [
        speech.encode(
            speech.rendered(
                prompt.messages, json.loads(prompt.tools) if prompt.tools else [], add_generation_prompt=True
            )
        )
        for prompt in prompts
    ]
