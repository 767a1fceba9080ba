"""What a window of traffic teaches by its feedback: records, read from the traffic when they are needed."""

import logging
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ratoon.process.clock import Clock
from ratoon.process.errors import FailedPrecondition, NotFound
from ratoon.storage.names import matched
from ratoon.storage.store import Store
from ratoon.tasks import kinds
from ratoon_flywheel.application.commands import ExportFeedback
from ratoon_flywheel.application.handlers import PROJECT
from ratoon_flywheel.application.ports import AnswerIndex, Segments
from ratoon_flywheel.domain.consent import Consent
from ratoon_flywheel.domain.errors import BadSegment
from ratoon_flywheel.domain.pipelines.runs import Window
from ratoon_flywheel.domain.projects import Project
from ratoon_flywheel.domain.signals import records
from ratoon_flywheel.domain.signals.feedback import Feedback
from ratoon_flywheel.domain.signals.records import FeedbackRecord, Form, Selected
from ratoon_flywheel.domain.signals.traffic import Exchange, LabelledExample, exported, labelled_examples

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Export:
    """Digests of JSON lines of records, by what they are; empty: there are none.

    `answers` hold right answers: `text` and `label` of labels and numbers, `messages` of free text. `preferences` are
    `prompt/chosen/rejected`, `unpaired_preferences` `prompt/completion/label`, both of free text alone.
    """

    answers: str = ""
    preferences: str = ""
    unpaired_preferences: str = ""
    counts: Mapping[str, int] = field(default_factory=dict)
    """Number of records of each blob, by its field."""
    left_out: Mapping[str, int] = field(default_factory=dict)
    """Number of pieces of feedback on free text that become no record, by the reason."""


_FIELDS = {Form.PREFERENCE: "preferences", Form.UNPAIRED_PREFERENCE: "unpaired_preferences"}


@dataclass(frozen=True)
class Read:
    """Records that follow from feedback, oldest answer first, and how much becomes none, by the reason."""

    records: Sequence[FeedbackRecord]
    left_out: Mapping[str, int]


def feedback_records(
    project: Project,
    window: Window,
    store: Store,
    index: AnswerIndex,
    segments: Segments,
    purpose: Consent = Consent.TRAINING,
    forms: Collection[Form] = (),
) -> Read:
    """Return the records that follow from the feedback of a window; no forms: all.

    What may not be used for the purpose, lost its text, or is no record of the task, is left out.
    """
    with store.read() as tx:
        labelled = index.with_feedback(tx, project.name, window.start, window.end)
        pairs = index.preferences(tx, project.name, window.start, window.end)
        selection = records.select(labelled, pairs, project.task, purpose)
        selected = [each for each in selection.selected if not forms or each.form in forms]
        corrections = {
            each.feedback: feedback.correction
            for each in selected
            if each.form is Form.CORRECTION
            and (feedback := tx.find(Feedback, each.feedback) if each.feedback else None) is not None
        }
        digests = index.segment_digests(tx, _segments_of(selected))
    exchanges = read_exchanges(segments, digests, _answers_of(selected))
    records_or_none = (
        records.record(each, exchanges, corrections.get(each.feedback, ""), project.task) for each in selected
    )
    read = [each for each in records_or_none if each is not None]
    more = {"OTHER_FORM": len(selection.selected) - len(selected), "NO_TEXT": len(selected) - len(read)}
    left_out = {reason: count for reason, count in {**selection.left_out, **more}.items() if count}
    if left_out:
        reasons = ", ".join(f"{count} {reason}" for reason, count in left_out.items())
        _LOG.info("feedback of %s that becomes no record: %s", project.name, reasons)
    return Read(read, left_out)


def export_records(
    command: ExportFeedback, store: Store, index: AnswerIndex, segments: Segments, clock: Clock
) -> tuple[str, Read]:
    """Write the records of a project as JSON lines that belong to it; return their digest, empty if there are none."""
    matched(command.parent, PROJECT, "parent")
    project = store.get(Project, command.parent)
    window = Window(command.start, command.end or clock.now())
    read = feedback_records(project, window, store, index, segments, command.purpose, command.forms)
    if not read.records:
        return "", read
    free_text = kinds.kind_of(project.task).FREE_TEXT
    line = records.line if free_text else records.labelled_line
    return segments.export(project.id, map(line, read.records)), read


def export_feedback(
    project: Project, window: Window, store: Store, index: AnswerIndex, segments: Segments
) -> Export:
    """Write the records of a window of traffic that may be trained on as JSON lines, a blob for each format."""
    if not kinds.kind_of(project.task).FREE_TEXT:
        return _export_labels(project, window, store, index, segments)
    lines: defaultdict[str, list[bytes]] = defaultdict(list)
    read = feedback_records(project, window, store, index, segments)
    for each in read.records:
        lines[_FIELDS.get(each.form, "answers")].append(records.line(each))
    digests = {name: segments.write(some) for name, some in lines.items()}
    counts = {name: len(some) for name, some in lines.items()}
    return Export(**digests, counts=counts, left_out=read.left_out)


def _export_labels(
    project: Project, window: Window, store: Store, index: AnswerIndex, segments: Segments
) -> Export:
    with store.read() as tx:
        labelled = index.with_feedback(tx, project.name, window.start, window.end)
        examples = labelled_examples(labelled, project.task)
        digests = index.segment_digests(tx, {example.segment for example in examples})
    if not examples:
        return Export()
    exchanges = read_exchanges(segments, digests, frozenset(example.answer_id for example in examples))
    lines = _lines(examples, {answer_id: exchange.text for answer_id, exchange in exchanges.items()})
    return Export(segments.write(lines), counts={"answers": len(lines)}) if lines else Export()


def _segments_of(selected: Iterable[Selected]) -> set[str]:
    answers = [answer for each in selected for answer in (each.answer, each.rejected) if answer is not None]
    return {answer.segment for answer in answers}


def _answers_of(selected: Iterable[Selected]) -> frozenset[str]:
    answers = [answer for each in selected for answer in (each.answer, each.rejected) if answer is not None]
    return frozenset(answer.answer_id for answer in answers)


def read_exchanges(
    segments: Segments, digests: Iterable[str], answer_ids: frozenset[str]
) -> dict[str, Exchange]:
    """Return the exchanges of these answers; those of a segment that is gone or broken are left out and logged."""
    exchanges: dict[str, Exchange] = {}
    for digest in digests:
        try:
            rows = [row for row in segments.read(digest) if isinstance(row, Exchange)]
        except (BadSegment, FailedPrecondition, NotFound) as error:
            _LOG.warning("a traffic segment yields no labelled examples: %s", error)
            continue
        exchanges |= {row.answer_id: row for row in rows if row.answer_id in answer_ids}
    return exchanges


def _lines(examples: Sequence[LabelledExample], texts: dict[str, str]) -> list[bytes]:
    return [exported(example, texts[example.answer_id]) for example in examples if example.answer_id in texts]
