"""Scores of versions on real traffic: the project's metric on answers whose right answer is known by feedback."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime

from ratoon.storage.store import Store
from ratoon.tasks import kinds
from ratoon_flywheel.application.examples import read_exchanges
from ratoon_flywheel.application.ports import AnswerIndex, Segments
from ratoon_flywheel.domain.kinds.table import KINDS
from ratoon_flywheel.domain.pipelines.runs import PipelineRun, StageId
from ratoon_flywheel.domain.projects import Project
from ratoon_flywheel.domain.signals.comparison import MetricComparison, Scores, loss_against
from ratoon_flywheel.domain.signals.feedback import Feedback, FeedbackLabel, right_answer
from ratoon_flywheel.domain.signals.traffic import Answer

MAX_ANSWERS = 300
"""Newest answers of each version that are scored."""
MAX_CHARS = 2_000
"""Characters of a text that are scored: long texts would take the time of a control process."""

Known = Sequence[tuple[Answer, FeedbackLabel, str]]
"""Answers with their feedback, and the right answer in its form in the index."""


def compare_by_metric(
    project: Project,
    version: str,
    other: str,
    start: datetime,
    end: datetime,
    store: Store,
    index: AnswerIndex,
    segments: Segments,
) -> MetricComparison | None:
    """Return the comparison of two versions; None if the primary metric has no value for a single answer."""
    kind, metric = KINDS[project.task.kind], project.decisive_metric
    if kind is None or metric.name not in kind.SCORED_METRICS:
        return None
    with store.read() as tx:
        labelled = index.with_feedback(tx, project.name, start, end)
    scores = [
        _scores(project, _known(project, each, labelled), store, index, segments) for each in (version, other)
    ]
    return MetricComparison(metric, *scores)


def loss_of_rollout(
    run: PipelineRun, now: datetime, store: Store, index: AnswerIndex, segments: Segments
) -> str:
    """Return a sentence if users' corrections since the rollout show a loss against production; else an empty text.

    The expected value is that of the version in production on the new domain, in the evaluation of the run. Only the
    new domain of a retraining is corrected traffic too, so that the two can be compared.
    """
    project, begun = run.project, run.stage(StageId.ROLLOUT).start_time
    kind, metric = KINDS[project.task.kind], project.decisive_metric
    expected = run.products.production_scores.get(metric.name)
    if not run.retrains or expected is None or begun is None:
        return ""
    if kind is None or metric.name not in kind.SCORED_METRICS:
        return ""
    with store.read() as tx:
        labelled = index.with_feedback(tx, project.name, begun, now)
    known = _known(project, run.products.model_version, labelled)
    of = f"{run.production.version} on the new domain" if run.production else "production"
    return loss_against(metric, _scores(project, known, store, index, segments), expected, of)


def _known(project: Project, version: str, labelled: Sequence[tuple[Answer, FeedbackLabel]]) -> Known:
    known = [
        (answer, feedback, right)
        for answer, feedback in labelled
        if answer.version == version
        and (right := right_answer(answer.label, feedback, project.task)) is not None
    ]
    return known[-MAX_ANSWERS:]


def _scores(project: Project, known: Known, store: Store, index: AnswerIndex, segments: Segments) -> Scores:
    kind = KINDS[project.task.kind]
    is_text = kinds.kind_of(project.task).FREE_TEXT
    texts = _texts(known, store, index, segments) if is_text else _numbers(known)
    by_caller: defaultdict[str, list[float]] = defaultdict(list)
    for answer, _, _ in known:
        if kind is None or answer.answer_id not in texts:
            continue
        answered, expected = texts[answer.answer_id]
        value = kind.score(project.task, project.decisive_metric.name, answered, expected)
        if value is not None:
            by_caller[answer.caller or answer.answer_id].append(value)
    return Scores(dict(by_caller))


def _numbers(known: Known) -> Mapping[str, tuple[str, str]]:
    return {answer.answer_id: (answer.label, right) for answer, _, right in known}


def _texts(
    known: Known, store: Store, index: AnswerIndex, segments: Segments
) -> Mapping[str, tuple[str, str]]:
    """Return the answers and their right answers; what was confirmed is its own, what lost its text is left out."""
    with store.read() as tx:
        digests = index.segment_digests(tx, {answer.segment for answer, _, _ in known})
        corrections = {
            feedback.feedback: stored.correction
            for _, feedback, _ in known
            if feedback.correction and (stored := tx.find(Feedback, feedback.feedback)) is not None
        }
    exchanges = read_exchanges(segments, digests, frozenset(answer.answer_id for answer, _, _ in known))
    texts = {}
    for answer, feedback, _ in known:
        exchange = exchanges.get(answer.answer_id)
        if exchange is None:
            continue
        right = corrections.get(feedback.feedback, "") if feedback.correction else exchange.answer
        if right:
            texts[answer.answer_id] = exchange.answer[:MAX_CHARS], right[:MAX_CHARS]
    return texts
