"""What turns a conversation into tokens, and tokens into an answer: template, tokenizer, stop tokens, defaults."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ratoon.neural.parity.forms import Form
from ratoon.tasks.parity import Finding, Inputs, Reason

_SYSTEM, _USER, _ANSWER = "Answer in one word.", "Is 7 a prime number?\nWhy – or why not?", "Yes"
CONVERSATIONS = (
    ({"role": "user", "content": _USER},),
    ({"role": "system", "content": _SYSTEM}, {"role": "user", "content": _USER}),
    (
        {"role": "user", "content": _USER},
        {"role": "assistant", "content": _ANSWER},
        {"role": "user", "content": "  Übersetze „naïve“ ins 中文: 12,345.67 🙂\t"},
    ),
)
"""Conversations that every form renders: one turn, a system turn, several turns with text of several scripts."""
TEXTS = ("Hello, the meeting moves to Monday at ten.", "def f(x):\n    return x ** 2  # 中文 🙂")
"""Texts that every tokenizer encodes with its own special tokens."""
DEFAULTS = ("temperature", "top_p", "top_k", "min_p", "repetition_penalty", "max_tokens")
"""Sampling defaults that are compared."""
_STATED = {"max_tokens": "max_new_tokens"}
"""Names of defaults in generation_config.json, where they differ."""
_NEUTRAL = {"temperature": 1.0, "top_p": 1.0, "top_k": 50, "repetition_penalty": 1.0}
"""Values that mean the same as none."""
_EXCERPT = 24


@dataclass(frozen=True)
class Rendered:
    """Prompt that a program makes of a conversation or a text; without `text` only its ids are compared."""

    ids: tuple[int, ...]
    text: str = ""


def rendered(tokenizer: Any) -> list[Rendered]:
    """Return the prompts of all conversations, then those of all texts.

    A conversation that the template refuses (a system turn, for example) is an empty prompt.
    """
    prompts = []
    for conversation in CONVERSATIONS:
        try:
            text = tokenizer.apply_chat_template(
                list(conversation), add_generation_prompt=True, tokenize=False
            )
            ids = tokenizer(text, add_special_tokens=False)["input_ids"]
            prompts.append(Rendered(tuple(ids), text))
        except Exception:  # templates of others raise whatever they like
            prompts.append(Rendered(()))
    return [*prompts, *(Rendered(tuple(tokenizer(text)["input_ids"])) for text in TEXTS)]


def compare_rendered(
    reference: Sequence[Rendered], form: Sequence[Rendered], begin_id: int | None, begin_token: str = ""
) -> Finding | None:
    """Return why a program makes other prompts than the reference does; None: they are equal.

    `begin_id` and `begin_token` are the begin-of-sequence token of the reference.
    """
    for number, (expected, own) in enumerate(zip(reference, form, strict=True)):
        if bool(expected.ids) != bool(own.ids):
            sentence = f"The chat template renders conversation {number}, and {{}} refuses or lacks it."
            return Finding(
                Reason.TEMPLATE_DIFFERS, sentence.format("this form" if expected.ids else "the reference")
            )
        if expected.text and own.text and expected.text != own.text:
            return _text_finding(expected.text, own.text, begin_token)
        if expected.ids != own.ids:
            return _id_finding(expected.ids, own.ids, begin_id)
    return None


def compare_vocabularies(reference: Any, form: Any) -> Finding | None:
    """Return the first token, by its number, that has another number in the other tokenizer; None: there is none."""
    expected, own = reference.get_vocab(), form.get_vocab()
    moved = [token for token, number in expected.items() if own.get(token, number) != number]
    if not moved:
        return None
    first = min(moved, key=lambda token: expected[token])
    return Finding(
        Reason.TOKENIZER_DIFFERS,
        f"{len(moved)} tokens have other numbers, the first of them {first!r}: {own[first]} instead of "
        f"{expected[first]}.",
    )


def compare_inputs(reference: Form, form: Form) -> Finding | None:
    """Return the first difference of template, tokenizer, stop tokens and defaults."""
    speaker = reference.tokenizer
    begin_id, begin_token = speaker.bos_token_id, speaker.bos_token or ""
    finding = compare_rendered(rendered(speaker), rendered(form.tokenizer), begin_id, begin_token)
    finding = finding or compare_vocabularies(speaker, form.tokenizer)
    if finding is not None:
        return finding
    before, after = inputs_of(reference), inputs_of(form)
    if before.stop_tokens != after.stop_tokens:
        return Finding(
            Reason.STOP_TOKENS_DIFFER,
            f"An answer ends at {_listed(after.stop_tokens)} instead of {_listed(before.stop_tokens)}.",
        )
    for name in DEFAULTS:
        values = before.generation.get(name), after.generation.get(name)
        if values[0] != values[1]:
            return Finding(
                Reason.DEFAULTS_DIFFER, f"The default of {name} is {values[1]} instead of {values[0]}."
            )
    return None


def inputs_of(form: Form) -> Inputs:
    """Return the inputs of a form with digests of template, tokenizer and rendered prompts."""
    tokenizer = form.tokenizer
    template = tokenizer.chat_template or ""
    prompts = rendered(tokenizer)
    begin_id = tokenizer.bos_token_id
    begins = begin_id is not None and any(each.ids[:1] == (begin_id,) for each in prompts)
    return Inputs(
        template_digest=_digest(template if isinstance(template, str) else json.dumps(template)),
        tokenizer_digest=_file_digest(form.folder.path, form.folder.base),
        rendering_digest=_digest(json.dumps([each.ids for each in prompts])),
        begin_token=tokenizer.bos_token if begins else "",
        stop_tokens=_stop_tokens(form),
        generation=_defaults(form),
    )


def _text_finding(expected: str, own: str, begin: str) -> Finding:
    (plain, count), (own_plain, own_count) = _without_begin(expected, begin), _without_begin(own, begin)
    if plain == own_plain:
        return _begin_finding(count, own_count)
    place = next(
        (at for at, pair in enumerate(zip(expected, own, strict=False)) if pair[0] != pair[1]),
        min(len(expected), len(own)),
    )
    return Finding(
        Reason.TEMPLATE_DIFFERS,
        f"The chat template renders another prompt from character {place} on: "
        f"{own[place : place + _EXCERPT]!r} instead of {expected[place : place + _EXCERPT]!r}.",
    )


def _without_begin(text: str, begin: str) -> tuple[str, int]:
    count = 0
    while begin and text.startswith(begin):
        text, count = text[len(begin) :], count + 1
    return text, count


def _id_finding(expected: Sequence[int], own: Sequence[int], begin: int | None) -> Finding:
    counts = [next((n for n, each in enumerate(ids) if each != begin), len(ids)) for ids in (expected, own)]
    if expected[counts[0] :] == own[counts[1] :]:
        return _begin_finding(*counts)
    place = next(
        (at for at, pair in enumerate(zip(expected, own, strict=False)) if pair[0] != pair[1]),
        min(len(expected), len(own)),
    )
    return Finding(
        Reason.TOKENIZER_DIFFERS,
        f"The tokenizer encodes the same text in other tokens from position {place} on: "
        f"{list(own[place : place + 3])} instead of {list(expected[place : place + 3])}.",
    )


def _begin_finding(expected: int, own: int) -> Finding:
    sentence = f"A prompt begins with {own} begin-of-sequence tokens instead of {expected}."
    return Finding(Reason.BOS_MISSING if own < expected else Reason.BOS_DOUBLED, sentence)


def _stop_tokens(form: Form) -> tuple[str, ...]:
    """Return the tokens that end an answer, as text, in the order of their numbers."""
    settings = getattr(form.model, "generation_config", None)
    ends = getattr(settings, "eos_token_id", None)
    ends = form.tokenizer.eos_token_id if ends is None else ends
    numbers = sorted(set(ends if isinstance(ends, list) else [ends]) - {None})
    return tuple(str(form.tokenizer.convert_ids_to_tokens(each)) for each in numbers)


def _defaults(form: Form) -> dict[str, float]:
    settings = getattr(form.model, "generation_config", None)
    if settings is None:
        return {}
    values = {name: getattr(settings, _STATED.get(name, name), None) for name in DEFAULTS}
    if not getattr(settings, "do_sample", False):
        values |= {"temperature": 0.0} | dict.fromkeys(("top_p", "top_k", "min_p"))
    return {
        name: float(value)
        for name, value in values.items()
        if value is not None and value != _NEUTRAL.get(name)
    }


def _file_digest(*folders: Path | None) -> str:
    for folder in folders:
        if folder is not None and (folder / "tokenizer.json").exists():
            return hashlib.sha256((folder / "tokenizer.json").read_bytes()).hexdigest()
    return ""


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest() if text else ""


def _listed(tokens: Sequence[str]) -> str:
    return ", ".join(tokens) or "no token"
