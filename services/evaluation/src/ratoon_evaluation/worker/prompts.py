"""Prompts as tokens, by the model's own chat template: those that training, evaluation and engines use.

The template writes the special tokens, so the tokenizer adds none.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from jinja2 import TemplateError

from ratoon.tasks.kind import Record, Role, Turn
from ratoon.tasks.records import template_messages

_DATE = datetime(2024, 7, 26)
"""Date that templates print in training and in evaluation, so that a prompt is the same on every day."""


class BadChatTemplate(ValueError):
    """The model's chat template cannot render a prompt, or leaves a part of it out."""

    reason = "BAD_CHAT_TEMPLATE"


class Prompts:
    """Renders records by the chat template of a tokenizer; `shots` are examples that stand before each prompt."""

    def __init__(self, tokenizer: Any, ends: Sequence[int], shots: Sequence[Record] = ()) -> None:
        self._tokenizer, self._ends = tokenizer, frozenset(ends)
        self._shots = [turn for shot in shots for turn in _example(shot)]
        self._system_known = False

    def prompt(self, record: Record) -> list[int]:
        """Return the tokens of a record's prompt, to which the model writes the answer; raises BadChatTemplate."""
        turns = self._turns(record)
        ids = self._render(turns, record.tools, True)
        self._check_system(turns, record.tools, ids)
        return ids

    def opened(self, record: Record, opening: str) -> list[int]:
        """Return the tokens of a prompt, and of the opening of its answer where the template can leave it open."""
        return (self.continued(record, opening) if opening else None) or self.prompt(record)

    def continued(self, record: Record, opening: str) -> list[int] | None:
        """Return the tokens of a prompt and of the opening of its answer, which the model continues.

        None: the template cannot leave an answer open, begins answers in another way, or changes the opening.
        """
        turns = self._turns(record)
        beginning = self._template(turns, record.tools, tokenize=False, add_generation_prompt=True)
        open_turns = (*turns, Turn(Role.ASSISTANT, opening))
        try:
            text = self._template(open_turns, record.tools, tokenize=False, continue_final_message=True)
            if not text.startswith(beginning) or text[len(beginning) :].strip() != opening.strip():
                return None
            encoded = self._template(open_turns, record.tools, continue_final_message=True, return_dict=True)
        except BadChatTemplate:
            return None
        return list(encoded["input_ids"])

    def answer(self, record: Record, answer: str, prompt: Sequence[int]) -> list[int]:
        """Return the tokens of an answer after its prompt, the end of the turn included."""
        turns = (*self._turns(record), Turn(Role.ASSISTANT, answer))
        whole = self._render(turns, record.tools, False)
        if whole[: len(prompt)] == list(prompt):
            return self._until_end(whole[len(prompt) :])
        return [*self._tokenizer.encode(answer, add_special_tokens=False), *sorted(self._ends)[:1]]

    def _turns(self, record: Record) -> tuple[Turn, ...]:
        system = [turn for turn in record.turns if turn.role == Role.SYSTEM]
        others = [turn for turn in record.turns if turn.role != Role.SYSTEM]
        return (*system, *self._shots, *others) if self._shots else record.turns

    def _render(self, turns: Sequence[Turn], tools: str, asks: bool) -> list[int]:
        encoded = self._template(turns, tools, add_generation_prompt=asks, return_dict=True)
        return list(encoded["input_ids"])

    def _template(self, turns: Sequence[Turn], tools: str, **how: bool) -> Any:
        """Apply the chat template; raises BadChatTemplate."""
        try:
            return self._tokenizer.apply_chat_template(
                template_messages(turns),
                tools=json.loads(tools) if tools else None,
                strftime_now=_DATE.strftime,
                **how,
            )
        except (TemplateError, TypeError, ValueError, AttributeError, LookupError) as error:
            raise BadChatTemplate(
                f"The model's chat template cannot render a conversation of the roles "
                f"{', '.join(turn.role for turn in turns)[:200]}: {error}. "
                "Use a model whose template knows these roles, or records without them."
            ) from error

    def _check_system(self, turns: Sequence[Turn], tools: str, ids: list[int]) -> None:
        """Raise BadChatTemplate if the template leaves the first system message out."""
        others = [turn for turn in turns if turn.role != Role.SYSTEM or not turn.content.strip()]
        if self._system_known or len(others) == len(turns):
            return
        changed = [
            Turn(turn.role, f". {turn.content} .") if turn.role == Role.SYSTEM else turn for turn in turns
        ]
        if self._render(changed, tools, True) == ids:
            raise BadChatTemplate(
                "The model's chat template leaves system messages out, so the model would not see them. "
                "Use a model whose template renders them, or records without them."
            )
        self._system_known = True

    def _until_end(self, ids: list[int]) -> list[int]:
        ends = [place for place, token in enumerate(ids) if token in self._ends]
        return ids[: ends[-1] + 1] if ends else ids


def _example(shot: Record) -> tuple[Turn, ...]:
    turns = tuple(turn for turn in shot.turns if turn.role != Role.SYSTEM)
    return (*turns, Turn(Role.ASSISTANT, shot.answers[0]))
