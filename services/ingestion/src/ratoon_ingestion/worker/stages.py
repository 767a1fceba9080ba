"""The stages of curation, each a function from an Arrow batch to the rows that stay and those that go.

They process one record at a time, so batches may be curated in any process and any order. What needs
to see all records, the duplicate search, is in `duplicates`.
"""

import hashlib
import hmac
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol

import pyarrow as pa

from ratoon.tasks.curation import (
    AUGMENT,
    DECONTAMINATION,
    NAMED_ENTITIES,
    SEGMENT,
    SEMANTIC_DUPLICATES,
    SUBSTRING_DUPLICATES,
    Step,
    complete,
    settings_of,
)
from ratoon.tasks.kind import Record
from ratoon.tasks.records import to_json
from ratoon_ingestion.domain.attachments import references
from ratoon_ingestion.domain.conversations import (
    KIND_ATTRIBUTE,
    changed,
    identity,
    setting_identity,
    stored,
    wording,
)
from ratoon_ingestion.domain.curation import CurationConfig, CurationStep, Rejected
from ratoon_ingestion.domain.offsets import aligned
from ratoon_ingestion.domain.pii import Action, Mask, Redacted, Redaction, redacted
from ratoon_ingestion.worker.batches import (
    REJECTED,
    Outcome,
    Verdict,
    partition,
    values,
    with_attributes,
    with_columns,
    with_steps,
)
from ratoon_ingestion.worker.contamination import Match, Sizes, matches, read_index
from ratoon_ingestion.worker.decoding import Source, decoded
from ratoon_ingestion.worker.entities import replace_entities
from ratoon_ingestion.worker.language import language_of
from ratoon_ingestion.worker.normalise import cleaned, comparable, narrow
from ratoon_ingestion.worker.phones import phones
from ratoon_ingestion.worker.quality import damage, garbage
from ratoon_ingestion.worker.readers import Kind
from ratoon_ingestion.worker.rows import (
    faults,
    records_of,
    with_changed_texts,
    with_records,
    without_text,
    wordings,
)
from ratoon_ingestion.worker.segmenting import segment
from ratoon_ingestion.worker.shingles import shingled, simhashes
from ratoon_ingestion.worker.steps.apply import Report, reported, run_step
from ratoon_ingestion.worker.words import length_of, spaced, spaced_text, words_of

_ORIGINAL = "original"
"""Column of decoded texts as they came, where the places of personal data are reported."""
Find = tuple[str, int, int]
PERSONAL_DATA_SPANS = "personal_data"
"""Attribute with kind, start and end of each find in the decoded text: a JSON list."""
_LENGTH_BUCKETS = (200, 500, 1_000, 2_000, 4_000, 8_000)


@dataclass(frozen=True)
class StageSettings:
    """What stages need to know: the project's record key, the curation's settings, record ids that were erased."""

    key: bytes
    config: CurationConfig
    excluded: frozenset[str] = frozenset()
    contamination: str = ""
    """Directory of the hashes that `contamination.write_index` wrote; empty: none."""
    models: str = ""
    """Directory of what steps made of sources, which `references.with_models` wrote; empty: none."""

    @property
    def _personal_data(self) -> Mapping[str, Any]:
        """Return the parameters of the step `personal_data`."""
        steps = (step for step in self.config.steps if step.name == "personal_data")
        return settings_of(next(steps, Step("personal_data")))

    @property
    def reports_spans(self) -> bool:
        """Return whether records name the places of their personal data."""
        return bool(self._personal_data["spans"])

    @property
    def redaction(self) -> Redaction:
        """What becomes of personal data: the actions of the step, else the masks of the curation."""
        params, actions = self._personal_data, dict.fromkeys(self.config.masks, Action.MASK)
        actions |= {kind: Action(params[kind]) for kind in Mask if params[kind]}
        regions = params["regions"]
        return Redaction(
            actions,
            regions,
            params["look_alikes"] == "mask",
            hmac.digest(self.key, b"personal data", "sha256"),
            partial(phones, regions) if regions else None,
        )


class Stage(Protocol):
    """Function from a batch to the rows that stay and those that go."""

    def __call__(self, batch: pa.RecordBatch, settings: StageSettings) -> Outcome:
        """Return the outcome for a batch."""
        ...


@dataclass(frozen=True)
class CuratedBatch(Outcome):
    """Curated records of a batch, the items rejected, and what each step did."""

    reports: tuple[Report, ...] = ()


def curate_batch(batch: pa.RecordBatch, settings: StageSettings) -> CuratedBatch:
    """All stages one after the other: items in (schema ITEMS), curated records out (schema CURATED)."""
    rejected: list[pa.RecordBatch] = []
    reports: list[Report] = []
    for name, stage in stages_of(settings.config.steps):
        if name:
            outcome, report = reported(name, batch, partial(stage, settings=settings))
            reports.append(report)
        else:
            outcome = stage(batch, settings)
        batch = outcome.accepted
        rejected.append(outcome.rejected)
    return CuratedBatch(batch, _without_personal_data(_one(rejected), settings), reports=tuple(reports))


def stages_of(steps: Sequence[Step]) -> Iterator[tuple[str, Stage]]:
    """Yield the stages of a curation; those between decoding and measuring are the steps, which have names."""
    yield from (("", stage) for stage in (decode_sources, drop_erased, clean))
    for step in complete(steps):
        yield step.name, STAGES.get(step.name) or _listed(step)
    yield "", measure


def _listed(step: Step) -> Stage:
    def apply(batch: pa.RecordBatch, settings: StageSettings) -> Outcome:
        return run_step(step, batch, settings.models)

    return apply


def _without_personal_data(rejected: pa.RecordBatch, settings: StageSettings) -> pa.RecordBatch:
    """The rejections with what is masked in records masked in the starts of their texts."""
    redaction = settings.redaction
    starts = [redacted(text, redaction).text for text in values(rejected, "text_start")]
    return with_columns(rejected, {"text_start": pa.array(starts, pa.string())})


def decode_sources(batch: pa.RecordBatch, settings: StageSettings) -> Outcome:
    """MIME and encodings undone, HTML as text; record ids from the decoded sources."""
    columns = [values(batch, name) for name in ("kind", "payload", "source_path", "encoding")]
    sources = [decoded(Kind(kind), *rest) for kind, *rest in zip(*columns, strict=True)]
    if settings.config.keep_code:
        sources = [_with_code(source) for source in sources]
    texts = ["" if source.refused else source.text() for source in sources]
    times = [
        known or source.received
        for known, source in zip(values(batch, "received_time"), sources, strict=True)
    ]
    ids = [source.record_id(settings.key) for source in sources]
    batch = with_columns(
        batch.drop_columns(["kind", "payload", "encoding"]),
        {
            "record_id": pa.array(ids, pa.string()),
            "text": pa.array(texts, pa.string()),
            "received_time": pa.array(times, batch.schema.field("received_time").type),
            "steps": pa.array([list(source.steps) for source in sources], pa.list_(pa.string())),
            "example": pa.array(
                [None if source.record is None else to_json(source.record) for source in sources], pa.string()
            ),
        },
    )
    if settings.reports_spans:
        batch = with_columns(batch, {_ORIGINAL: pa.array(texts, pa.string())})
    attributes = [{"html": "yes" if source.html else "no", **source.attributes} for source in sources]
    batch = with_attributes(batch, attributes)
    verdicts = [source.verdict(text) for source, text in zip(sources, texts, strict=True)]
    return partition(batch, CurationStep.DECODE, verdicts)


def _with_code(source: Source) -> Source:
    """The source, read although it is code."""
    is_code = source.refused is not None and source.refused[0] is Rejected.CODE
    return replace(source, refused=None) if is_code else source


def drop_erased(batch: pa.RecordBatch, settings: StageSettings) -> Outcome:
    """Reject erased records of any source; do not store where they came from."""
    erased = [record_id in settings.excluded for record_id in values(batch, "record_id")]
    if any(erased):
        paths = [
            "" if is_erased else path
            for is_erased, path in zip(erased, values(batch, "source_path"), strict=True)
        ]
        batch = with_columns(batch, {"source_path": pa.array(paths, pa.string())})
    return partition(
        batch, CurationStep.ERASURE, [(Rejected.ERASED, "") if is_erased else None for is_erased in erased]
    )


def clean(batch: pa.RecordBatch, settings: StageSettings) -> Outcome:
    """Line ends and control characters; the text stays as it was written, as prompts come."""
    before, examples = values(batch, "text"), values(batch, "example")
    batch = with_changed_texts(batch, cleaned)
    after = values(batch, "text")
    pairs = zip(
        zip(before, examples, strict=True), zip(after, values(batch, "example"), strict=True), strict=True
    )
    batch = with_steps(batch, [["cleaned"] if old != new else [] for old, new in pairs])
    return partition(batch, CurationStep.DECODE, without_text(batch))


def detect_language(batch: pa.RecordBatch, settings: StageSettings) -> Outcome:
    """Set each record's language, of examples that of the prompt; reject records in other languages than configured."""
    detected = [language_of(comparable(text)) for text in wordings(batch)]
    batch = with_columns(batch, {"language": pa.array(detected, pa.string())})
    batch = with_attributes(batch, list(map(_answer_language, records_of(batch))))
    allowed = settings.config.languages
    return partition(
        batch,
        CurationStep.LANGUAGE,
        [
            None if not allowed or language in allowed else (Rejected.UNWANTED_LANGUAGE, language)
            for language in detected
        ],
    )


def _answer_language(record: Record | None) -> dict[str, str]:
    """The attribute that says which language the answer of an example is in."""
    if record is None or not record.answers:
        return {}
    return {"answer_language": language_of(comparable(record.answers[0]))}


def drop_short(batch: pa.RecordBatch, settings: StageSettings) -> Outcome:
    """Reject unlabelled texts under the minimum length; a character of a dense script counts as several.

    A prompt may be short.
    """
    min_chars = settings.config.min_chars
    texts, labels = values(batch, "text"), values(batch, "source_label")
    attributes = [dict(each) for each in values(batch, "attributes")]
    prompts = [KIND_ATTRIBUTE in each or bool(references(each)) for each in attributes]
    short = [length_of(text) < min_chars for text in texts]
    rows = list(zip(short, labels, prompts, texts, strict=True))
    verdicts: list[Verdict] = [
        (Rejected.TOO_SHORT, f"{len(text)} characters")
        if is_short and label is None and not is_prompt
        else None
        for is_short, label, is_prompt, text in rows
    ]
    steps = ["short_but_labelled" if label is not None else "short_prompt" for _, label, _, _ in rows]
    batch = with_steps(
        batch, [[step] if is_short else [] for is_short, step in zip(short, steps, strict=True)]
    )
    return partition(batch, CurationStep.LENGTH, verdicts)


def drop_garbage(batch: pa.RecordBatch, settings: StageSettings) -> Outcome:
    """Texts that are no language: encoded data, broken characters, one character on end."""
    attributes = [dict(each) for each in values(batch, "attributes")]
    rows = zip(values(batch, "text"), records_of(batch), attributes, strict=True)
    reasons = [
        None if references(each) else garbage(comparable(text)) if record is None else _unfit(record)
        for text, record, each in rows
    ]
    return partition(
        batch, CurationStep.GARBAGE, [None if reason is None else (reason, "") for reason in reasons]
    )


def _unfit(record: Record) -> Rejected | None:
    """Why an example is garbage. Formulas, code and data are prompts and answers too."""
    texts = [turn.content for turn in record.turns] + [*record.answers, record.rejected or ""]
    reasons = (damage(comparable(text)) for text in texts)
    return next((reason for reason in reasons if reason is not None), None)


def unchanged(batch: pa.RecordBatch, settings: StageSettings) -> Outcome:
    """Return all records: the step compares them after the last batch, or belongs to the split."""
    return partition(batch, "", [None] * batch.num_rows)


def mask_personal_data(batch: pa.RecordBatch, settings: StageSettings) -> Outcome:
    """Personal data replaced by marks; the steps contain the number of each kind. Reject records with kinds to drop."""
    redaction = settings.redaction
    rows, counts, look_alikes = list[str | Record](), list[Counter[Mask]](), Counter[str]()
    finds = list[list[Find]]()
    for text, record in zip(values(batch, "text"), records_of(batch), strict=True):
        counts.append(Counter())
        finds.append([])
        redact = _counting(redaction, counts[-1], look_alikes, finds[-1])
        rows.append(redact(text) if record is None else changed(record, redact))
        if record is not None:  # its texts are not one text
            finds[-1].clear()
    if settings.reports_spans:
        batch = with_attributes(batch, _places(batch, finds))
    batch = with_steps(
        with_records(batch, rows),
        [[f"mask_{kind}:{count}" for kind, count in each.items()] for each in counts],
    )
    retained = partition(batch, "personal_data", [_dropped(each, redaction) for each in counts])
    valid = partition(retained.accepted, CurationStep.DECODE, faults(retained.accepted))
    return Outcome(valid.accepted, _one([retained.rejected, valid.rejected]), look_alikes)


def _places(batch: pa.RecordBatch, finds: Sequence[Sequence[Find]]) -> list[dict[str, str]]:
    """Return the attribute with the places of personal data in each decoded text."""
    originals = values(batch, _ORIGINAL) if _ORIGINAL in batch.schema.names else [""] * batch.num_rows
    attributes = list[dict[str, str]]()
    for original, text, spans in zip(originals, values(batch, "text"), finds, strict=True):
        alignment = aligned(original, text) if spans else None
        places = [[kind, *alignment.original(*span)] for kind, *span in spans] if alignment else []
        attributes.append({PERSONAL_DATA_SPANS: json.dumps(places)} if places else {})
    return attributes


def _dropped(counts: Mapping[Mask, int], redaction: Redaction) -> Verdict:
    kinds = sorted(kind for kind in counts if redaction.actions[kind] is Action.DROP)
    return (Rejected.PERSONAL_DATA, ", ".join(kinds)) if kinds else None


def _counting(
    redaction: Redaction, counts: Counter[Mask], look_alikes: Counter[str], finds: list[Find]
) -> Callable[[str], str]:
    """A function that redacts a text and adds up what it finds."""

    def redact(text: str) -> str:
        result = _redacted(text, redaction)
        counts.update(result.counts)
        look_alikes.update(result.look_alikes)
        finds.extend(result.finds)
        return result.text

    return redact


def _redacted(text: str, redaction: Redaction) -> Redacted:
    """The text without its personal data; full-width digits are made narrow only where they hide some."""
    as_written, form = redacted(text, redaction), narrow(text)
    if form == text:
        return as_written
    folded = redacted(form, redaction)
    return folded if folded.counts != as_written.counts else as_written


def decontaminate(batch: pa.RecordBatch, settings: StageSettings) -> Outcome:
    """Reject records with text of a test part or a benchmark; count them by benchmark."""
    benchmarks, sizes = read_index(settings.contamination), contamination_sizes(settings.config.steps)
    rows = zip(values(batch, "text"), records_of(batch), strict=True)
    hits = [matches(text if record is None else record, benchmarks, sizes) for text, record in rows]
    counts = Counter(match.benchmark for each in hits for match in each)
    return replace(partition(batch, DECONTAMINATION, list(map(_contaminated, hits))), counts=counts)


def contamination_sizes(steps: Sequence[Step]) -> Sizes:
    """Return the lengths by which the step `decontamination` searches."""
    step = next((step for step in steps if step.name == DECONTAMINATION), Step(DECONTAMINATION))
    params = settings_of(step)
    return Sizes(params["gram_words"], params["min_item_words"])


def _contaminated(hits: Sequence[Match]) -> Verdict:
    places = ", ".join(f"{match.benchmark}: {match.item}" for match in hits)
    return (Rejected.CONTAMINATED, places) if hits else None


def measure(batch: pa.RecordBatch, settings: StageSettings) -> Outcome:
    """Digest, lengths, slices, and the sketches that the duplicate search compares.

    Digest and sketches are of the comparable form: texts that differ in width or white space alone are duplicates.
    A record with attachments is a duplicate of one with the same attachments only.
    """
    files = [references(dict(each)) for each in values(batch, "attributes")]
    texts, records = values(batch, "text"), records_of(batch)
    forms = [comparable(text) for text in texts]
    words = [words_of(form) for form in forms]
    shingles, offsets = shingled(
        [
            _sha256(f"{form} {refs}")
            if refs
            else spaced(form, each)
            if record is None
            else spaced_text(comparable(wording(record)))
            for form, each, record, refs in zip(forms, words, records, files, strict=True)
        ]
    )
    digests = [
        _sha256((form if record is None else identity(record, comparable)) + (f"\n{refs}" if refs else ""))
        for form, record, refs in zip(forms, records, files, strict=True)
    ]
    answers = ["" if record is None else setting_identity(record, comparable) for record in records]
    batch = with_columns(
        batch,
        {
            "content_digest": pa.array(digests, pa.string()),
            "tokens": pa.array([len(each) for each in words], pa.int32()),
            "chars": pa.array([len(text) for text in texts], pa.int32()),
            "shingles": pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), shingles),
            "simhash": pa.array(simhashes(shingles, offsets)),
            "answers": pa.array([_sha256(each) if each else "" for each in answers], pa.string()),
            "example": pa.array(_stored(batch, records), pa.string()),
        },
    )
    slices = [
        {"length": _length_bucket(len(text)), "folder": path.rpartition("/")[0]}
        for text, path in zip(texts, values(batch, "source_path"), strict=True)
    ]
    return partition(with_attributes(batch, slices), CurationStep.LENGTH, [None] * len(texts))


def _stored(batch: pa.RecordBatch, records: list[Record | None]) -> list[str | None]:
    """The examples of rows whose text and label do not say all of them."""
    rows = zip(records, values(batch, "text"), values(batch, "source_label"), strict=True)
    return [None if record is None else stored(record, text, label) for record, text, label in rows]


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


STAGES: Mapping[str, Stage] = {
    "personal_data": mask_personal_data,
    "language": detect_language,
    "length": drop_short,
    "garbage": drop_garbage,
    DECONTAMINATION: decontaminate,
    SEGMENT: segment,
    NAMED_ENTITIES: replace_entities,
    **dict.fromkeys((SUBSTRING_DUPLICATES, SEMANTIC_DUPLICATES, AUGMENT), unchanged),
}
"""Steps that need the settings of the curation."""


def _length_bucket(chars: int) -> str:
    below = 0
    for bound in _LENGTH_BUCKETS:
        if chars < bound:
            return f"{below}-{bound - 1}"
        below = bound
    return f"{below}+"


def _one(batches: list[pa.RecordBatch]) -> pa.RecordBatch:
    table = pa.Table.from_batches(batches, schema=REJECTED).combine_chunks()
    return table.to_batches()[0] if table.num_rows else pa.RecordBatch.from_pylist([], schema=REJECTED)
