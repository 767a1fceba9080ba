"""The step `named_entities`: names of people, addresses and organizations, found by a model that is installed.

A model is a function from texts to the entities of each: first and last character (excluded) and a kind: `person`,
`address` or `organization`. Packages name it as an entry point; `spacy:NAME` is a pipeline of spaCy, and `jieba` the
tagger of Jieba, which finds names in Chinese texts.
"""

import hashlib
import hmac
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from ratoon.tasks.curation import ENTITY_KINDS, NAMED_ENTITIES, Step, settings_of
from ratoon.tasks.kind import Record
from ratoon_ingestion.domain.conversations import changed
from ratoon_ingestion.domain.curation import Rejected
from ratoon_ingestion.domain.pii import LETTERS, Action
from ratoon_ingestion.worker import chinese_names
from ratoon_ingestion.worker.batches import Outcome, Verdict, partition, values, with_steps
from ratoon_ingestion.worker.rows import records_of, with_records
from ratoon_ingestion.worker.steps.apply import pieces_of
from ratoon_ingestion.worker.steps.registry import StepNotInstalled

if TYPE_CHECKING:
    from ratoon_ingestion.worker.stages import StageSettings

ENTRY_POINTS = "ratoon.entity_models"
_SPACY, _JIEBA = "spacy:", "jieba"
_SPACY_KINDS = {
    "PERSON": "person", "PER": "person",
    "GPE": "address", "LOC": "address", "FAC": "address", "ADDRESS": "address",
    "ORG": "organization",
}  # fmt: skip
_MARKS = {"organization": "ORG"}

Entity = tuple[int, int, str]
Find = Callable[[Sequence[str]], Sequence[Sequence[Entity]]]


def replace_entities(batch: pa.RecordBatch, settings: "StageSettings") -> Outcome:
    """Mask or hash entities in each text and message, or remove the record, by the action for their kind."""
    params = settings_of(next(step for step in settings.config.steps if step.name == NAMED_ENTITIES))
    key = hmac.digest(settings.key, b"named entities", "sha256")
    texts, records = values(batch, "text"), records_of(batch)
    pieces = [
        [text] if record is None else pieces_of(record) for text, record in zip(texts, records, strict=True)
    ]
    distinct = list(dict.fromkeys(piece for each in pieces for piece in each))
    entities_of = dict(zip(distinct, model_of(params["model"])(distinct), strict=True))
    counts = [Counter(kind for piece in each for _, _, kind in entities_of[piece]) for each in pieces]

    def replaced(text: str) -> str:
        return _replaced(text, entities_of.get(text, ()), params, key)

    rows: list[str | Record] = [
        replaced(text) if record is None else changed(record, replaced)
        for text, record in zip(texts, records, strict=True)
    ]
    names = [
        [
            f"{NAMED_ENTITIES}_{kind}:{each[kind]}"
            for kind in ENTITY_KINDS
            if each[kind] and params[kind] != Action.KEEP
        ]
        for each in counts
    ]
    batch = with_steps(with_records(batch, rows), names)
    verdicts: list[Verdict] = [_dropped(each, params) for each in counts]
    outcome = partition(batch, NAMED_ENTITIES, verdicts)
    texts_with = Counter(kind for each in counts for kind in each)
    return Outcome(outcome.accepted, outcome.rejected, texts_with)


def _dropped(counts: Mapping[str, int], params: Mapping[str, Any]) -> Verdict:
    kinds = [kind for kind in ENTITY_KINDS if counts.get(kind) and params[kind] == Action.DROP]
    return (Rejected.PERSONAL_DATA, ", ".join(kinds)) if kinds else None


def _replaced(text: str, entities: Sequence[Entity], params: Mapping[str, Any], key: bytes) -> str:
    pieces, place = [], 0
    for start, end, kind in sorted(entities):
        if start < place or kind not in ENTITY_KINDS or params[kind] == Action.KEEP:
            continue
        pieces += [text[place:start], _mark(text[start:end], kind, params[kind] == Action.HASH, key)]
        place = end
    return "".join([*pieces, text[place:]])


def _mark(name: str, kind: str, hashes: bool, key: bytes) -> str:
    mark = _MARKS.get(kind, kind.upper())
    if not hashes:
        return f"[{mark}]"
    plain = " ".join(name.lower().split())
    digest = hmac.new(key, f"{kind}:{plain}".encode(), hashlib.sha256).hexdigest()[:16]
    return f"[{mark}:{digest.translate(LETTERS)}]"


def check_model(step: Step) -> None:
    """Raise StepNotInstalled unless the model of the step is installed."""
    model_of(settings_of(step)["model"])


@cache
def model_of(name: str) -> Find:
    """Return the model of this name; StepNotInstalled if there is none."""
    if name.startswith(_SPACY):
        return _spacy(name.removeprefix(_SPACY))
    if name == _JIEBA:
        return chinese_names.entities
    providers = tuple(entry_points(group=ENTRY_POINTS, name=name))
    if len(providers) != 1:
        raise StepNotInstalled(
            f"The step {NAMED_ENTITIES} cannot run: no installed package provides the model {name!r}. Install one in "
            f"the environment of the ingestion workers (entry point group `{ENTRY_POINTS}`), name a pipeline of spaCy "
            "as `spacy:NAME` or, for Chinese texts, `jieba`, or remove the step from the curation."
        )
    find: Find = providers[0].load()
    return find


def _spacy(name: str) -> Find:
    try:
        import spacy  # type: ignore[import-not-found, unused-ignore]

        pipeline = spacy.load(name)
    except (ImportError, OSError) as error:
        raise StepNotInstalled(
            f"The step {NAMED_ENTITIES} cannot run: the pipeline {name!r} of spaCy cannot be loaded "
            f"({str(error).splitlines()[0]}). Install spaCy and the package of the pipeline in the environment of the "
            "ingestion workers."
        ) from None

    def find(texts: Sequence[str]) -> list[list[Entity]]:
        return [
            [
                (entity.start_char, entity.end_char, _SPACY_KINDS[entity.label_])
                for entity in document.ents
                if entity.label_ in _SPACY_KINDS
            ]
            for document in pipeline.pipe(texts)
        ]

    return find
