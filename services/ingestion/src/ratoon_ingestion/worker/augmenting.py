"""The step `augment`: copies of training records with noise in their characters, or with synonyms of a list.

A split makes them after it has assigned records to parts, of those in the training part alone. A copy has the label of
its original and names it in the attribute `copy_of`.
"""

import hashlib
import random
import re
from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import replace
from functools import lru_cache, partial
from typing import Any

import pyarrow as pa

from ratoon.tasks.curation import Step, settings_of
from ratoon.tasks.kind import Record, Role
from ratoon.tasks.records import from_json, prompt_text, to_json
from ratoon_ingestion.domain.conversations import identity
from ratoon_ingestion.domain.mixtures import COPY_OF
from ratoon_ingestion.worker.curate import repeated
from ratoon_ingestion.worker.normalise import comparable
from ratoon_ingestion.worker.steps.lists import is_dense
from ratoon_ingestion.worker.steps.references import BadReference, References

AUGMENTED = "augmented"
"""Attribute of a copy."""
MAX_SYNONYMS = 50_000
_PROTECTED = re.compile(r"\[[A-Z_]+(?::[A-P]{16})?\]|https?://\S+")
"""Marks of personal data and addresses, which stay."""

Synonyms = Mapping[str, tuple[str, ...]]


def augmented(
    rows: pa.Table, step: Step, synonyms: Synonyms, taken: Container[str], key: bytes, seed: int
) -> pa.Table:
    """Return copies of the rows of a part; none of a row that is a copy already, or that would stay as it is.

    `taken`: record IDs of the version, which copies do not take.
    """
    params, copies = settings_of(step), list[dict[str, Any]]()
    for row in rows.to_pylist():
        attributes = dict(row["attributes"] or ())
        if COPY_OF in attributes or "replayed" in attributes:
            continue
        known, occurrence = {row["text"]}, 0
        for number in range(params["copies"]):
            draw = random.Random(f"{seed}:{number}:{row['record_id']}")
            changed = _changed(row, partial(_augmented, params=params, synonyms=synonyms, draw=draw))
            if changed["text"] in known:
                continue
            known.add(changed["text"])
            occurrence += 1
            while (name := repeated(row["record_id"], occurrence, key)) in taken:
                occurrence += 1
            marks = {**attributes, COPY_OF: row["record_id"], AUGMENTED: "yes"}
            copies.append({**row, **changed, "record_id": name, "attributes": list(marks.items())})
    return pa.Table.from_pylist(copies, schema=rows.schema)


def _changed(row: Mapping[str, Any], change: Callable[[str], str]) -> dict[str, Any]:
    """Return the columns of a row with its text, or the messages of its user, changed. Answers stay."""
    record = None if row["example"] is None else from_json(row["example"])
    if record is None:
        text = change(row["text"])
        digest = comparable(text)
    else:
        turns = tuple(
            replace(turn, content=change(turn.content)) if turn.role == Role.USER else turn
            for turn in record.turns
        )
        record = replace(record, turns=turns)
        text, digest = prompt_text(turns), identity(record, comparable)
    return {
        "text": text,
        "chars": len(text),
        "content_digest": hashlib.sha256(digest.encode()).hexdigest(),
        "example": _json(record),
    }


def _json(record: Record | None) -> str | None:
    return None if record is None else to_json(record)


def _augmented(text: str, params: Mapping[str, Any], synonyms: Synonyms, draw: random.Random) -> str:
    pieces, place = [], 0
    for protected in (*_PROTECTED.finditer(text), None):
        end = len(text) if protected is None else protected.start()
        piece = _with_synonyms(text[place:end], synonyms, params["synonym_share"], draw)
        pieces.append(_with_noise(piece, params["character_noise"], draw))
        if protected is not None:
            pieces.append(protected[0])
            place = protected.end()
    return "".join(pieces)


def _with_noise(text: str, share: float, draw: random.Random) -> str:
    """Return a text of which this share of letters is left out, doubled, or swapped with the next."""
    if not share:
        return text
    characters, place, result = list(text), 0, list[str]()
    while place < len(characters):
        here, following = characters[place], characters[place + 1 : place + 2]
        place += 1
        if not here.isalpha() or draw.random() >= share:
            result.append(here)
            continue
        kind = draw.randrange(3)
        if kind == 0 and following and following[0].isalpha():
            result += [following[0], here]
            place += 1
        elif kind == 1:
            result += [here, here]
    return "".join(result)


def _with_synonyms(text: str, synonyms: Synonyms, share: float, draw: random.Random) -> str:
    """Return a text in which words of the list give way to another of their line, each with this probability."""
    if not synonyms:
        return text

    def other(match: re.Match[str]) -> str:
        if draw.random() >= share:
            return match[0]
        word = draw.choice(synonyms[match[0].lower()])
        return word[:1].upper() + word[1:] if match[0][:1].isupper() else word

    return _pattern(tuple(synonyms)).sub(other, text)


@lru_cache(2)
def _pattern(words: tuple[str, ...]) -> re.Pattern[str]:
    longest = sorted(words, key=lambda word: (-len(word), word))
    each = (re.escape(word) if is_dense(word) else rf"\b{re.escape(word)}\b" for word in longest)
    return re.compile("|".join(each), re.IGNORECASE)


def synonyms_of(step: Step, references: References) -> Synonyms:
    """Return the synonyms of each word of the list: lines of words of one meaning, separated by commas."""
    source = settings_of(step)["synonyms"]
    if not source:
        return {}
    groups: dict[str, dict[str, None]] = {}
    for words in _lines(references.texts(source)):
        for word in words:
            groups.setdefault(word, {}).update((each, None) for each in words if each != word)
    result = {word: tuple(others) for word, others in groups.items() if others}
    if not result or len(result) > MAX_SYNONYMS:
        raise BadReference(
            f"The source {source} has synonyms of {len(result):,} words; a list has 1 to {MAX_SYNONYMS:,}, words of "
            "one meaning in each line, separated by commas."
        )
    return result


def _lines(texts: Iterable[str]) -> Iterable[list[str]]:
    for text in texts:
        for line in text.splitlines():
            yield [word.strip().lower() for word in line.split(",") if word.strip()]
