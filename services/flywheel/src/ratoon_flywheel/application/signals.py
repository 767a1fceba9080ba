"""Signals of a project's traffic: the one place where traffic and feedback become numbers that policies decide by."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from ratoon.storage.store import Store, Transaction
from ratoon.tasks import kinds
from ratoon.tasks.kinds import TaskSpec
from ratoon.tasks.votes import Votes, count_votes
from ratoon_flywheel.application.embeddings import Embeddable, EmbeddingDrift
from ratoon_flywheel.application.ports import AnswerIndex, Baselines, Mark, Profile
from ratoon_flywheel.application.recipes import learned_forms
from ratoon_flywheel.domain.pipelines.policies import Divergence, Signals
from ratoon_flywheel.domain.projects import Project
from ratoon_flywheel.domain.signals.drift import (
    PROMPT_FEATURES,
    Feature,
    Measure,
    Reference,
    measure,
    measure_slices,
)
from ratoon_flywheel.domain.signals.feedback import FeedbackLabel, differs, is_negative, is_vote
from ratoon_flywheel.domain.signals.monitor import MIN_PROMOTION_TEXTS, MIN_TEXTS, BaselineState, Observation
from ratoon_flywheel.domain.signals.records import Form, Selected, select
from ratoon_flywheel.domain.signals.shadows import ShadowMark
from ratoon_flywheel.domain.signals.traffic import (
    Answer,
    LabelledExample,
    TrafficSegment,
    distinct,
    labelled_examples,
)

_VERSION_SAMPLE = 100
"""Number of newest answers among which the most frequent version counts as the one that answers now."""
_ROWS_A_TEXT = 2
"""Number of newest answers that are read for each distinct text that is measured."""
_NO_SHADOWS = ShadowMark()
_UNPROFILED = (BaselineState.ABSENT, BaselineState.WORKING)
_MAX_TRACES = 100
_VOTES_LAG = timedelta(seconds=1)
"""Feedback younger than this may still be committing; it is reported at the next observation."""
_SEGMENT_TIMEOUT = timedelta(seconds=15)
"""Age of feedback up to which it waits for the traffic segment with its answer, which names the caller."""


_COSTLY_S, _REST, _LONGEST_REST_S = 0.05, 20, 15.0
"""Signals that took this many seconds to gather are not gathered again for this many times as long, up to a bound."""


@dataclass(frozen=True)
class Deferred:
    """Signals whose gathering is costly and was done a moment ago; they are gathered again after these seconds."""

    seconds: float


@dataclass(frozen=True)
class Traffic:
    """The newest traffic of the version that answers now."""

    mark: Mark
    version: str = ""
    answers: tuple[Answer, ...] = ()
    """Newest first, repeated texts included."""
    texts: tuple[Answer, ...] = ()
    """One answer a text, newest first."""


class SignalReader:
    """Reads signals from traffic and feedback; results are cached until something changes."""

    def __init__(
        self,
        index: AnswerIndex,
        baselines: Baselines,
        window: int,
        max_chars: int,
        monotonic: Callable[[], float] = time.monotonic,
        embeddings: EmbeddingDrift | None = None,
        attributes: Sequence[str] = (),
    ) -> None:
        """`window` distinct texts are measured, `max_chars` characters of each; embeddings, if they are given."""
        self._embeddings, self._attributes = embeddings, tuple(attributes)
        self._index, self._baselines, self._monotonic = index, baselines, monotonic
        self._resting: dict[str, tuple[object, float]] = {}
        self._window, self._max_chars = window, max_chars
        self._known_traffic: dict[object, tuple[object, Traffic]] = {}
        self._promoted_on: dict[tuple[str, str], tuple[Answer, ...]] = {}
        self._known_signals: dict[str, tuple[object, Signals]] = {}

    def profile(self, project: Project, version: str, reference: Reference = Reference.TRAINING) -> Profile:
        """Return the profile that a version's traffic is compared with."""
        shown = shown_chars(project, self._max_chars)
        return Profile(version, shown, project.task, reference, self._slices(project))

    def _slices(self, project: Project) -> tuple[str, ...]:
        """Return the attributes by which drift is measured: the project's groups, and those of the settings."""
        names = (project.group_attribute, *self._attributes)
        return tuple(dict.fromkeys(name for name in names if name and "=" not in name))

    def profile_promotion(self, project: Project, version: str, store: Store) -> None:
        """Start the profile of the newest traffic when a version was promoted."""
        with store.read() as tx:
            documents = self._index.features(tx, project.name, self._promotion_traffic(tx, project, version))
        self._baselines.start_traffic(self.profile(project, version, Reference.PROMOTION), documents)

    def start_sketches(self, project: Project, store: Store) -> None:
        """Start the sketches of embeddings that are due."""
        if self._embeddings is None:
            return
        with store.read() as tx:
            traffic = self._embeddable(tx, project, self._traffic(tx, project, None, 0))
            names = {answer.segment for answer in (*traffic.texts, *traffic.promotion)}
            resources = (tx.find(TrafficSegment, name) for name in sorted(names))
            segments = {segment.name: segment.digest for segment in resources if segment is not None}
        self._embeddings.start(traffic, self._embeddings.due(traffic), segments)

    def _embeddable(self, tx: Transaction, project: Project, traffic: Traffic) -> Embeddable:
        version = traffic.version
        promotion = self._promotion_traffic(tx, project, version) if version else ()
        shown = shown_chars(project, self._max_chars)
        return Embeddable(version, shown, traffic.texts[: self._window], promotion)

    def observe(
        self,
        project: Project,
        reported_until: datetime,
        now: datetime,
        store: Store,
        reported_shadows: ShadowMark = _NO_SHADOWS,
    ) -> Observation:
        """Return the observation of the monitor."""
        with store.read() as tx:
            traffic = self._traffic(tx, project, None, 0)
            newest = self._index.newest_feedback(
                tx, project.name, reported_until, now - _VOTES_LAG, now - _SEGMENT_TIMEOUT
            )
            soon = now + _SEGMENT_TIMEOUT  # another replica's clock may be ahead
            latest = self._index.newest_feedback(tx, project.name, reported_until, soon, soon)
            promotion = self._promotion_state(tx, project, traffic.version)
            shadows = self._index.shadow_mark(tx, project.name)
            has_shadow_news = self._index.has_shadow_news(tx, project.name, reported_shadows)
            embeddable = self._embeddable(tx, project, traffic) if self._embeddings else None
        observation = Observation(
            traffic.version,
            traffic.mark.answers,
            len(traffic.texts),
            traffic.answers[0].time if traffic.answers else None,
            self._state(project, traffic.version),
            newest,
            latest != newest,
            promotion,
            shadows,
            has_shadow_news,
        )
        if self._embeddings is None or embeddable is None:
            return observation
        return replace(
            observation,
            sketch=self._embeddings.newest(embeddable.version, bool(embeddable.promotion)),
            are_sketches_due=bool(self._embeddings.due(embeddable)),
            are_sketches_under_way=self._embeddings.is_working(embeddable.version),
        )

    def measured(self, tx: Transaction, project: Project) -> tuple[tuple[Measure, ...], int, Votes]:
        """The drift of the newest traffic, the number of its texts, and the votes on its answers."""
        traffic = self._traffic(tx, project, None, 0)
        labelled = self._index.with_feedback(
            tx, project.name, traffic.answers[-1].time if traffic.answers else None
        )
        return (
            self._measures(tx, project, traffic),
            len(traffic.texts),
            _votes(labelled, traffic.version, project.task),
        )

    def of_window(
        self,
        project: Project,
        since: datetime | None,
        learned_until: datetime | None,
        min_answers: int,
        store: Store,
    ) -> Signals | Deferred:
        """Return the signals since a trigger window began; examples count since the last successful retraining.

        At least `min_answers` answers are read, if they exist. Deferred if the signals are costly to gather again.
        """
        with store.read() as tx:
            traffic = self._traffic(tx, project, since, min_answers)
            state = self._state(project, traffic.version)
            promotion = self._promotion_state(tx, project, traffic.version)
            sketch = self._newest_sketch(tx, project, traffic.version)
            key = (traffic.mark, since, learned_until, min_answers, project.etag, state, promotion, sketch)
            known = self._known_signals.get(project.name)
            if known is not None and known[0] == key:
                return known[1]
            begun = self._monotonic()
            if (rest := self._rest_s(project.name, key[1:], begun)) > 0:
                return Deferred(rest)
            signals = self._gathered(tx, project, traffic, since, learned_until)
            is_profiling = state in _UNPROFILED or promotion in _UNPROFILED
            signals = replace(
                signals,
                profiling=bool(traffic.version) and is_profiling,
                divergences=() if promotion in _UNPROFILED else signals.divergences,
            )
        self._known_signals[project.name] = (key, signals)
        ended = self._monotonic()
        spent = ended - begun
        rest = min(_LONGEST_REST_S, _REST * spent) if spent >= _COSTLY_S else 0.0
        self._resting[project.name] = (key[1:], ended + rest)
        return signals

    def _rest_s(self, project: str, question: object, now: float) -> float:
        """Return the seconds until signals for the same question are gathered again."""
        rested, until = self._resting.get(project, (None, 0.0))
        return until - now if rested == question else 0.0

    def _gathered(
        self,
        tx: Transaction,
        project: Project,
        traffic: Traffic,
        since: datetime | None,
        learned: datetime | None,
    ) -> Signals:
        labelled = self._index.with_feedback(tx, project.name, since)
        to_learn = labelled if learned == since else self._index.with_feedback(tx, project.name, learned)
        times = [answer.time for answer in traffic.answers[:1]] + [feedback.time for _, feedback in labelled]
        return Signals(
            version=traffic.version,
            answers=len(traffic.texts),
            exchanges=len(traffic.answers),
            votes=_votes(labelled, traffic.version, project.task),
            last_time=max(times, default=None),
            divergences=_divergences(self._measures(tx, project, traffic)),
            examples=self._examples(tx, project, learned, to_learn),
            traces=_traces(feedback for _, feedback in labelled),
        )

    def _examples(
        self,
        tx: Transaction,
        project: Project,
        learned: datetime | None,
        labelled: Sequence[tuple[Answer, FeedbackLabel]],
    ) -> Votes:
        """Return the answers that a retraining can learn from, as votes for or against them."""
        task = project.task
        if kinds.kind_of(task).FREE_TEXT:
            pairs, forms = self._index.preferences(tx, project.name, learned), learned_forms(project)
            return count_votes(
                _selected_vote(each, task)
                for each in select(labelled, pairs, task).selected
                if each.form in forms
            )
        answered = {answer.answer_id: answer for answer, _ in labelled}
        return count_votes(
            _example_vote(answered[example.answer_id], example, task)
            for example in labelled_examples(labelled, task)
        )

    def _traffic(
        self, tx: Transaction, project: Project, since: datetime | None, min_answers: int
    ) -> Traffic:
        mark = self._index.mark(tx, project.name)
        key = (project.name, since is None)
        known = self._known_traffic.get(key)
        query = (since, min_answers)
        if known is not None and known[0] == (query, mark.answers):
            return replace(known[1], mark=mark)
        newest = self._index.latest(tx, project.name, since, max(_ROWS_A_TEXT * self._window, min_answers))
        votes = Counter(answer.version for answer in newest[:_VERSION_SAMPLE])
        version = max(votes, key=lambda name: votes[name], default="")
        ours = tuple(answer for answer in newest if answer.version == version)
        traffic = Traffic(mark, version, ours, tuple(distinct(ours)))
        self._known_traffic[key] = ((query, mark.answers), traffic)
        return traffic

    def _measures(self, tx: Transaction, project: Project, traffic: Traffic) -> tuple[Measure, ...]:
        """Return the drift from the training data, whole and by language, and since the promotion."""
        if len(traffic.texts) < MIN_TEXTS or self._state(project, traffic.version) is not BaselineState.READY:
            return ()
        base, promotion = self._baselines.load(self.profile(project, traffic.version)), None
        documents = self._index.features(tx, project.name, traffic.texts[: self._window])
        compared = kinds.kind_of(project.task).DRIFT_INPUTS
        measures = list(measure(base, documents, compared))
        if self._promotion_state(tx, project, traffic.version) is BaselineState.READY:
            promotion = self._baselines.load(self.profile(project, traffic.version, Reference.PROMOTION))
            measures += measure(promotion, documents, compared, Reference.PROMOTION)
        measures += measure_slices(base, documents, compared, promotion)
        if self._embeddings is not None:
            has_promotion = bool(self._promotion_traffic(tx, project, traffic.version))
            measures += self._embeddings.measures(traffic.version, has_promotion)
        return tuple(measures)

    def _newest_sketch(self, tx: Transaction, project: Project, version: str) -> str:
        if self._embeddings is None or not version:
            return ""
        return self._embeddings.newest(version, bool(self._promotion_traffic(tx, project, version)))

    def _promotion_traffic(self, tx: Transaction, project: Project, version: str) -> tuple[Answer, ...]:
        """Return the newest distinct texts before the first answer of a version; none if they are too few."""
        key = (project.name, version)
        if key not in self._promoted_on:
            before = self._index.before_version(tx, project.name, version, _ROWS_A_TEXT * self._window)
            texts = tuple(distinct(before))[: self._window]
            self._promoted_on[key] = texts if len(texts) >= MIN_PROMOTION_TEXTS else ()
        return self._promoted_on[key]

    def _promotion_state(self, tx: Transaction, project: Project, version: str) -> BaselineState | None:
        """Return where the profile of the traffic at a promotion stands; None if there was too little traffic."""
        if not version or not self._promotion_traffic(tx, project, version):
            return None
        return self._baselines.state(self.profile(project, version, Reference.PROMOTION))

    def _state(self, project: Project, version: str) -> BaselineState:
        return self._baselines.state(self.profile(project, version)) if version else BaselineState.ABSENT


def _divergences(measures: Sequence[Measure]) -> tuple[Divergence, ...]:
    """Return the drift of the prompts, by which policies decide; answers change with the version, too."""
    since = {m.feature: m.ratio for m in measures if m.reference is Reference.PROMOTION}
    return tuple(
        Divergence(m.feature.value, m.divergence, m.null_band, since.get(m.feature))
        for m in measures
        if m.reference is Reference.TRAINING
        and not m.slice
        and m.feature in (*PROMPT_FEATURES, Feature.EMBEDDINGS)
    )


def shown_chars(project: Project, limit: int) -> int:
    """Return the number of characters of a text that drift reads: those that the model gets, at most `limit`."""
    return min(limit, project.training.max_chars or limit)


def _traces(labels: Iterable[FeedbackLabel]) -> tuple[str, ...]:
    """Return the traces of feedback, the newest first, each once."""
    newest = sorted(labels, key=lambda label: label.time, reverse=True)
    return tuple(dict.fromkeys(label.trace for label in newest if label.trace))[:_MAX_TRACES]


def _votes(labelled: Iterable[tuple[Answer, FeedbackLabel]], version: str, task: TaskSpec) -> Votes:
    return count_votes(
        _vote(answer, is_negative(answer.label, feedback, task))
        for answer, feedback in labelled
        if answer.version == version and is_vote(feedback)
    )


def _example_vote(answer: Answer, example: LabelledExample, task: TaskSpec) -> tuple[str, int, int]:
    return _vote(answer, differs(answer.label, example.label, task))


def _selected_vote(selected: Selected, task: TaskSpec) -> tuple[str, int, int]:
    corrected = selected.form is Form.CORRECTION and differs(selected.answer.label, selected.label, task)
    return _vote(selected.answer, corrected or selected.is_good is False)


def _vote(answer: Answer, negative: bool) -> tuple[str, int, int]:
    return (answer.caller, 0, 1) if negative else (answer.caller, 1, 0)
