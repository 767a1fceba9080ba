"""Comparison of the versions of a rollout on shadow answers: read, scored by the project's metric, and reported."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from statistics import fmean

from ratoon.storage.store import Store
from ratoon.tasks import kinds
from ratoon.tasks.kind import Metric
from ratoon.tasks.regress import format_number
from ratoon_flywheel.application.examples import read_exchanges
from ratoon_flywheel.application.ports import AnswerIndex, Rollouts, Segments
from ratoon_flywheel.domain.kinds.table import KINDS
from ratoon_flywheel.domain.projects import Project
from ratoon_flywheel.domain.signals.feedback import Feedback, right_answer
from ratoon_flywheel.domain.signals.shadows import (
    Known,
    Scored,
    ShadowAnswer,
    ShadowComparison,
    Switch,
    compare_pairs,
    message_of,
    sides_of,
)
from ratoon_flywheel.domain.signals.traffic import Answer
from ratoon_flywheel.domain.sums import Sums

MAX_SHADOWS = 2_000
"""Newest shadow answers of a rollout whose latency, length and agreement are compared."""
MAX_PAIRS = 2_000
"""Newest pairs with a known right answer that are scored."""
MAX_SIMILAR = 100
"""Newest pairs whose texts are compared with each other."""
MAX_CHARS = 2_000
"""Characters of a text that are scored: long texts would take the time of a control process."""
_MAX_READ = 100
"""Pairs whose texts are read for one report; the rest follows with the next one."""
_MAX_CACHED = 20_000


@dataclass(frozen=True)
class _Pair:
    """Two answers and the right one, in their form in the index; texts are read from segments."""

    shadow: ShadowAnswer
    live_segment: str
    live_label: str
    right: str
    correction: str = ""
    """Name of the feedback that holds the right text; empty: `right` is the answer itself."""

    @property
    def key(self) -> tuple[str, str]:
        """Return what its scores follow from."""
        return self.shadow.answer_id, self.right


class ShadowScores:
    """Scores pairs of answers; scores are kept, so that each text is read once. No text is kept."""

    def __init__(self, store: Store, index: AnswerIndex, segments: Segments) -> None:
        self._store, self._index, self._segments = store, index, segments
        self._known: dict[tuple[str, ...], tuple[Sums, Sums] | None] = {}
        self._similar: dict[tuple[str, str, str], float | None] = {}

    def compare(self, project: Project, switch: Switch, now: datetime) -> tuple[ShadowComparison, bool]:
        """Return the comparison of a rollout, and whether it covers all that is known by now."""
        metric = _metric(project, switch)
        with self._store.read() as tx:
            shadows = self._index.shadows(tx, project.name, switch, MAX_SHADOWS)
            known = self._index.known_shadows(tx, project.name, switch, MAX_PAIRS)
            answered = [each for each in shadows if each.succeeded]
            live = self._index.by_id(tx, project.name, [each.shadow_of for each in answered])
        kind = KINDS[project.task.kind]
        is_paired = kind is not None and metric.name in kind.PAIRED_METRICS
        scored, is_complete = self._scored(project, switch, metric, known) if is_paired else ([], True)
        new, old = sides_of(shadows, switch)
        both = [each for each in answered if each.shadow_of in live]
        same = sum(each.label == live[each.shadow_of].label != "" for each in both)
        comparison = ShadowComparison(
            switch.rollout,
            now,
            metric,
            len(answered),
            same / len(both) if both else 0.0,
            self._similarity(project, metric, both[-MAX_SIMILAR:], live),
            new,
            old,
            compare_pairs(metric, lambda sums: _value(project, metric, sums), scored),
        )
        return replace(comparison, message=message_of(comparison, is_paired)), is_complete

    def _scored(
        self, project: Project, switch: Switch, metric: Metric, known: Sequence[Known]
    ) -> tuple[list[Scored], bool]:
        pairs = [(each, pair) for each in known if (pair := _pair(project, each)) is not None]
        left = self._score(project, metric, [pair for _, pair in pairs])
        scored = []
        for each, pair in pairs:
            sums = self._known.get((project.name, metric.name, *pair.key))
            if sums is None:
                continue
            is_new = pair.shadow.version == switch.new
            new, old = sums if is_new else sums[::-1]
            scored.append(Scored(each.live.caller or each.live.answer_id, new, old, not is_new))
        return scored, not left

    def _score(self, project: Project, metric: Metric, pairs: Sequence[_Pair]) -> int:
        """Score pairs that are not scored yet, shadow answer first; return the number of those that are left."""
        kind = KINDS[project.task.kind]
        todo = [pair for pair in pairs if (project.name, metric.name, *pair.key) not in self._known]
        is_text = kinds.kind_of(project.task).FREE_TEXT
        some = todo[-_MAX_READ:] if is_text else todo
        texts = self._texts(some) if is_text else {pair.key: _labels(pair) for pair in some}
        if len(self._known) + len(some) > _MAX_CACHED:
            self._known.clear()
        for pair in some:
            shadow, live, right = texts.get(pair.key, ("", "", ""))
            sums = [
                kind.summands(project.task, metric.name, answered, right) if kind and right else None
                for answered in (shadow, live)
            ]
            first, second = sums
            both = None if first is None or second is None else (first, second)
            self._known[(project.name, metric.name, *pair.key)] = both
        return len(todo) - len(some)

    def _texts(self, pairs: Sequence[_Pair]) -> dict[tuple[str, str], tuple[str, str, str]]:
        """Return shadow answer, live answer and right answer; pairs that lost a text are left out."""
        answers = self._answers((pair.shadow, pair.live_segment) for pair in pairs)
        with self._store.read() as tx:
            stored = {pair.correction: tx.find(Feedback, pair.correction) for pair in pairs}
        texts = {}
        for pair in pairs:
            feedback = stored[pair.correction]
            shadow, live = answers.get(pair.shadow.answer_id), answers.get(pair.shadow.shadow_of)
            if feedback is not None and shadow is not None and live is not None:
                texts[pair.key] = shadow, live, feedback.correction[:MAX_CHARS]
        return texts

    def _answers(self, pairs: Iterable[tuple[ShadowAnswer, str]]) -> dict[str, str]:
        """Return the texts of these shadow answers and of those that they shadow, by id."""
        ids, names = set[str](), set[str]()
        for shadow, live_segment in pairs:
            ids |= {shadow.answer_id, shadow.shadow_of}
            names |= {shadow.segment, live_segment}
        with self._store.read() as tx:
            digests = self._index.segment_digests(tx, filter(None, names))
        exchanges = read_exchanges(self._segments, digests, frozenset(ids))
        return {answer_id: exchange.answer[:MAX_CHARS] for answer_id, exchange in exchanges.items()}

    def _similarity(
        self, project: Project, metric: Metric, both: Sequence[ShadowAnswer], live: Mapping[str, Answer]
    ) -> float | None:
        """Return the mean value of the metric for one answer if the other was right; None if it has no such value."""
        kind = KINDS[project.task.kind]
        if kind is None or metric.name not in kind.SCORED_METRICS:
            return None
        new = [each for each in both if (project.name, metric.name, each.answer_id) not in self._similar]
        if len(self._similar) + len(new) > _MAX_CACHED:
            self._similar.clear()
            new = list(both)
        if kinds.kind_of(project.task).FREE_TEXT:
            texts = self._answers((each, live[each.shadow_of].segment) for each in new)
        else:
            texts = {each.answer_id: each.label for each in new}
            texts |= {answer_id: answer.label for answer_id, answer in live.items()}
        for each in new:
            shadow, sent = texts.get(each.answer_id, ""), texts.get(each.shadow_of, "")
            self._similar[project.name, metric.name, each.answer_id] = (
                kind.score(project.task, metric.name, shadow, sent) if shadow and sent else None
            )
        scores = [self._similar[project.name, metric.name, each.answer_id] for each in both]
        known = [score for score in scores if score is not None]
        return fmean(known) if known else None


def report_shadows(
    project: Project,
    scores: ShadowScores,
    store: Store,
    index: AnswerIndex,
    rollouts: Rollouts,
    now: datetime,
) -> bool:
    """Report how both versions of the newest rollouts answered; return whether all is reported."""
    with store.read() as tx:
        deployments = index.shadowed_deployments(tx, project.name)
    is_complete = True
    for deployment in deployments:
        for switch in rollouts.newest(deployment):
            comparison, whole = scores.compare(project, switch, now)
            is_complete = is_complete and whole
            if comparison.new.shadows or comparison.old.shadows:
                rollouts.report(comparison)
    return is_complete


def _metric(project: Project, switch: Switch) -> Metric:
    """Return the metric of a rollout; one that the task does not have cannot compare pairs."""
    if not switch.metric:
        return project.decisive_metric
    return kinds.kind_of(project.task).METRICS.get(switch.metric) or Metric(switch.metric)


def _value(project: Project, metric: Metric, sums: Sums) -> float:
    kind = KINDS[project.task.kind]
    return kind.metric_of(metric.name, sums) if kind is not None else 0.0


def _pair(project: Project, known: Known) -> _Pair | None:
    """Return the pair of a shadow answer; None if feedback does not say what is right for both versions."""
    kind, shadow, live = KINDS[project.task.kind], known.shadow, known.live
    if known.outcome is not None:
        right = kinds.parse(project.task, format_number(known.outcome))
        if right is not None and not kinds.kind_of(project.task).FREE_TEXT:
            return _Pair(shadow, live.segment, live.label, right)
    feedback = known.feedback
    if kind is None or feedback is None or not (feedback.correction or kind.CONFIRMED_IS_RIGHT):
        return None
    right = right_answer(live.label, feedback, project.task)
    if right is None:
        return None
    return _Pair(shadow, live.segment, live.label, right, feedback.feedback)


def _labels(pair: _Pair) -> tuple[str, str, str]:
    return pair.shadow.label, pair.live_label, pair.right
