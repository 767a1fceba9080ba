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

    def ends(self, special: frozenset[int]) -> set[int]:
        """Return the special tokens that end what is learned."""
        after = [*self.targets, False][1:]
        return {
            token
            for token, here, there in zip(self.ids, self.targets, after, strict=True)
            if here and not there and token in special
        }


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
    ids = plain_tokens(speech, text)
    return Sample(ids, [True] * len(ids))


def plain_tokens(speech: Speech, text: str) -> list[int]:
    """Return the tokens of a text without a template, as the tokenizer begins one, with an end token."""
    ids: list[int] = speech.tokenizer.encode(text, add_special_tokens=True).ids
    return ids if ids[-1:] == [speech.end] else [*ids, speech.end]


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
    samples: list[Sample] = []
    known = ""
    for exchange in exchanges:
        before = samples[-1] if samples else Sample([], [])
        gap = exchange.prompt.removeprefix(known) if known and exchange.prompt.startswith(known) else ""
        if gap.startswith(speech.separators):
            prompt = before.ids + speech.encode(gap)
        else:
            prompt = speech.encode(exchange.prompt)
        if prompt[: len(before.ids)] == before.ids:
            samples = samples[:-1]
        else:
            before = Sample([], [])
        added = speech.encode(exchange.added)
        between = [False] * (len(prompt) - len(before.ids))
        targets = [*before.targets, *between, *_targets(speech, exchange, added)]
        samples.append(Sample(prompt + added, targets))
        known = exchange.prompt + exchange.added if _divides(speech, exchange, added) else ""
    return samples


def _divides(speech: Speech, exchange: _Exchange, added: list[int]) -> bool:
    """Return whether a prompt and the turn after it have the same tokens when they are read as one text.

    Tokenizers split texts at special tokens first, so that only the text after the last one matters.
    """
    last = max((exchange.prompt.rfind(token) for token in speech.separators), default=-1)
    tail = exchange.prompt[max(0, last) :]
    return last >= 0 and speech.encode(tail + exchange.added) == speech.encode(tail) + added


def _targets(speech: Speech, exchange: _Exchange, added: list[int]) -> list[bool]:
    """Return which tokens of a turn are learned: all up to its end tokens. They must be the answer's.

    An answer may begin with a header of special tokens, and may hold special tokens itself: its end is the first one
    before which it is complete.
    """
    special = [place for place, token in enumerate(added) if token in speech.special]
    for place in special:
        if _is_answer(speech, added[:place], exchange.turn):
            end = next(at for at in range(place, len(added) + 1) if at not in special)
            if not speech.decode([token for token in added[end:] if token not in speech.special]).strip():
                return [at < end for at in range(len(added))]
    raise BadChatTemplate(_fault(speech, exchange.turn, speech.decode(added), bool(special)))


def _is_answer(speech: Speech, learned: list[int], turn: Turn) -> bool:
    """Return whether tokens are the answer, with its reasoning and its calls, and at most a header before it."""
    begins = [0, *(place + 1 for place, token in enumerate(learned) if token in speech.special)]
    texts = [_squeezed(speech.decode(learned[begin:])) for begin in begins]
    content, reasoning = _squeezed(turn.content), _squeezed(turn.reasoning)
    if reasoning not in texts[0] or any(name not in texts[0] for name in _called(turn)):
        return False
    if turn.tool_calls:
        return content in texts[0]
    marked = f"{OPEN}{reasoning}{CLOSE}{content}"
    return any(text in (content, marked, marked.removeprefix(OPEN)) for text in texts)


def _fault(speech: Speech, turn: Turn, added: str, ends: bool) -> str:
    """Return why what a template adds for a turn cannot be learned."""
    read = speech.decode(speech.encode(turn.content))
    if _squeezed(read) != _squeezed(turn.content):
        return (
            f"The tokenizer of the base model reads the answer {turn.content[:50]!r} as {read[:50]!r}: take a base "
            f"model whose tokenizer changes no text."
        )
    text = _squeezed(added)
    lost = [part for part in (turn.reasoning, turn.content, *_called(turn)) if _squeezed(part) not in text]
    if lost:
        return (
            f"{_TEMPLATE} leaves out {lost[0][:50]!r} of an answer: remove it from the records, or take a template "
            f"that renders it."
        )
    if not ends:
        return (
            f"{_TEMPLATE} ends a turn of the assistant without a special token, so that the model would never stop: "
            f"let each turn end with {speech.eos or 'an end token'}."
        )
    return (
        f"{_TEMPLATE} renders the answer {turn.content[:50]!r} as {added.strip()[:100]!r}, which the model would learn "
        f"to write: put what precedes the answer into the generation prompt, and end it with a special token."
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
