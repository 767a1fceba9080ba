"""Conversations as samples: the tokens of a rendered conversation, and which of them the model learns.

A turn of the assistant is learned as an engine would see it: the prompt is what the template renders before the turn,
the target is what it adds, up to the token that ends the turn. Turns share one sample as long as each prompt continues
the turns before it, token by token; a template that rewrites earlier turns (reasoning left out, for example) gives a
sample for each.
"""

import json
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ratoon.tasks.kind import Record, Role, Turn
from ratoon.tasks.records import messages
from ratoon_training.domain.errors import BadChatTemplate
from ratoon_training.domain.recipes import TrainOn
from ratoon_training.worker.text import Speech

OPEN, CLOSE = "<think>", "</think>"
"""Marks of reasoning in the answers of reasoning models."""
_TEMPLATE = "The chat template of the base model (chat_template.jinja)"


@dataclass(frozen=True)
class Sample:
    """Tokens of a sample, and for each whether the model learns to predict it."""

    ids: list[int]
    targets: list[bool]
    weight: float = 1.0

    @property
    def learned(self) -> int:
        """Number of tokens that are learned. Nothing predicts the first token."""
        return sum(self.targets[1:])


@dataclass(frozen=True)
class _Exchange:
    """A turn to learn: the rendered prompt and what the template adds for the turn."""

    prompt: str
    added: str
    turn: Turn


def samples_of(speech: Speech, record: Record, train_on: TrainOn) -> list[Sample]:
    """Return the samples of a record: those of its conversation for each answer, which share its weight.

    BadChatTemplate if the template loses text of the conversation, or ends an answer without an end token.
    """
    if not record.turns:
        return [replace(_plain(speech, text), weight=record.weight) for text in record.answers]
    share = record.weight / max(1, len(record.answers))
    return [
        replace(sample, weight=share)
        for turns in _conversations(record)
        for sample in _samples(speech, list(_exchanges(speech, turns, record.tools, train_on)))
    ]


def _conversations(record: Record) -> list[tuple[Turn, ...]]:
    """Return the turns with each of the answers; without an answer, the turns."""
    if not record.answers:
        return [record.turns]
    return [(*record.turns, Turn(Role.ASSISTANT, answer)) for answer in record.answers]


def _plain(speech: Speech, text: str) -> Sample:
    """Return a text as an engine reads a prompt without a template, with an end token: all of it is learned."""
    ids: list[int] = speech.tokenizer.encode(text, add_special_tokens=True).ids
    if ids[-1:] != [speech.end]:
        ids.append(speech.end)
    return Sample(ids, [True] * len(ids))


def _exchanges(speech: Speech, turns: Sequence[Turn], tools: str, train_on: TrainOn) -> Iterator[_Exchange]:
    """Yield the turns of the assistant that are learned, in their order: those that answer someone."""
    ready = [_with_reasoning(turn, speech.template) for turn in turns]
    chat, declared = messages(ready), json.loads(tools) if tools else []
    first = next((number for number, turn in enumerate(ready) if turn.role == Role.USER), len(ready))
    at = [number for number in range(first, len(ready)) if ready[number].role == Role.ASSISTANT]
    if train_on is TrainOn.LAST_ANSWER:
        at = at[-1:] if at[-1:] == [len(ready) - 1] else []
    for number in at:
        prompt = speech.rendered(chat[:number], declared, add_generation_prompt=True)
        whole = speech.rendered(chat[: number + 1], declared)
        if not whole.startswith(prompt):
            raise BadChatTemplate(
                f"{_TEMPLATE} renders an answer otherwise than it renders the prompt for it: take a template whose "
                f"generation prompt is the beginning of the assistant's turn."
            )
        if number == at[-1]:
            _check_prompt(prompt, ready[:number], declared)
        yield _Exchange(prompt, whole[len(prompt) :], ready[number])


def _with_reasoning(turn: Turn, template: str) -> Turn:
    """Return a turn of the assistant with its reasoning where the template looks for it.

    Reasoning in the content, with both marks or the closing one alone, becomes the field if the template has one. The
    field becomes marks in the content if the template knows the marks only.
    """
    if turn.role != Role.ASSISTANT:
        return turn
    if "reasoning_content" in template:
        before, mark, after = turn.content.partition(CLOSE)
        if not mark or turn.reasoning:
            return turn
        return replace(turn, reasoning=before.replace(OPEN, "", 1).strip(), content=after.lstrip("\n"))
    if turn.reasoning and CLOSE in template:
        content = f"{OPEN}\n{turn.reasoning}\n{CLOSE}\n\n{turn.content}"
        return replace(turn, content=content, reasoning="")
    return turn


def _samples(speech: Speech, exchanges: Sequence[_Exchange]) -> list[Sample]:
    texts = [text for exchange in exchanges for text in (exchange.prompt, exchange.added)]
    encodings = speech.tokenizer.encode_batch(texts, add_special_tokens=False)
    samples: list[Sample] = []
    for number, exchange in enumerate(exchanges):
        prompt, added = encodings[2 * number].ids, encodings[2 * number + 1].ids
        targets = _targets(speech, exchange, added)
        before = samples[-1] if samples else Sample([], [])
        if prompt[: len(before.ids)] == before.ids:
            samples = samples[:-1]
        else:
            before = Sample([], [])
        gap = [False] * (len(prompt) - len(before.ids))
        samples.append(Sample(prompt + added, [*before.targets, *gap, *targets]))
    return samples


def _targets(speech: Speech, exchange: _Exchange, added: list[int]) -> list[bool]:
    """Return which tokens of a turn are learned: all up to its end token. They must be the answer's."""
    ends = [place for place, token in enumerate(added) if token in speech.special]
    if not ends or speech.decode(added[ends[-1] + 1 :]).strip():
        raise BadChatTemplate(
            f"{_TEMPLATE} ends a turn of the assistant without a special token, so that the model would never stop: "
            f"let each turn end with {speech.eos or 'an end token'}."
        )
    end = ends[-1]
    _check_answer(speech.decode(added[:end]), exchange.turn)
    return [place <= end for place in range(len(added))]


def _check_answer(learned: str, turn: Turn) -> None:
    """Raise BadChatTemplate unless the text that is learned is the answer, with its reasoning and its calls."""
    text, content, reasoning = map(_squeezed, (learned, turn.content, turn.reasoning))
    parts = [(reasoning, turn.reasoning), (content, turn.content), *((each, each) for each in _called(turn))]
    if lost := [part for squeezed, part in parts if squeezed not in text]:
        raise BadChatTemplate(
            f"{_TEMPLATE} leaves out {lost[0][:50]!r} of an answer: remove it from the records, or take a template "
            f"that renders it."
        )
    marked = f"{OPEN}{reasoning}{CLOSE}{content}"
    if not turn.tool_calls and text not in (content, marked, marked.removeprefix(OPEN)):
        raise BadChatTemplate(
            f"{_TEMPLATE} adds {text.replace(content, '', 1)[:50]!r} to an answer, which the model would learn to "
            f"write: put it into the generation prompt."
        )


def _check_prompt(prompt: str, turns: Sequence[Turn], tools: Sequence[dict[str, Any]]) -> None:
    """Raise BadChatTemplate if the rendered prompt lacks a message of someone else than the assistant, or a tool."""
    text = _squeezed(prompt)
    for turn in turns:
        content = _squeezed(turn.content)
        quoted = _squeezed(json.dumps(turn.content, ensure_ascii=False)[1:-1])
        if turn.role != Role.ASSISTANT and content not in text and quoted not in text:
            raise BadChatTemplate(
                f"{_TEMPLATE} leaves out the {turn.role} message {turn.content[:50]!r}: remove it from the records, "
                f"or take a template that renders it."
            )
    for tool in tools:
        name = str((tool.get("function") or tool).get("name", ""))
        if name not in prompt:
            raise BadChatTemplate(
                f"{_TEMPLATE} leaves out the tool {name!r}: take a template that renders tools."
            )


def _called(turn: Turn) -> list[str]:
    calls = json.loads(turn.tool_calls) if turn.tool_calls else []
    return [str((call.get("function") or call).get("name", "")) for call in calls]


def _squeezed(text: str) -> str:
    """Return a text without white space, in the form in which tokenizers may fold it."""
    return "".join(unicodedata.normalize("NFKC", text).split())
