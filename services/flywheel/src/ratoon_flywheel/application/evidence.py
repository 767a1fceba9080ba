"""What can be seen of a project's traffic: the one place where signals become the figures that pipelines decide by."""

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from ratoon.chassis.errors import FailedPrecondition, NotFound
from ratoon.chassis.store import Store, Transaction
from ratoon.tasks.labels import label_key
from ratoon.tasks.votes import Votes, count_votes
from ratoon_flywheel.application.ports import AnswerIndex, Baselines, Mark, Profile, Segments
from ratoon_flywheel.domain.errors import BadSegment
from ratoon_flywheel.domain.pipelines.policies import Divergence, Evidence
from ratoon_flywheel.domain.pipelines.runs import Window
from ratoon_flywheel.domain.projects import Project
from ratoon_flywheel.domain.signals.drift import Measure, measure
from ratoon_flywheel.domain.signals.feedback import Judgement, is_negative, is_vote
from ratoon_flywheel.domain.signals.monitor import MIN_TEXTS, BaselineState, Sight
from ratoon_flywheel.domain.signals.traffic import Answer, Exchange, Lesson, distinct, exported, lessons

_LOG = logging.getLogger(__name__)
_VERSION_SAMPLE = 100
"""The version that answers now is the most frequent one among so many newest answers."""
_ROWS_A_TEXT = 2
"""So many of the newest answers are looked at for each distinct text that is measured."""
_UNPROFILED = (BaselineState.ABSENT, BaselineState.WORKING)
_MOST_TRACES = 100
_VOTES_LAG = timedelta(seconds=1)
"""Feedback this fresh may still be committing; it is told at the next look."""
_SEGMENT_TIMEOUT = timedelta(seconds=15)
"""Age of feedback up to which it waits for the traffic segment with its answer, which names the caller."""


_COSTLY_S, _REST, _LONGEST_REST_S = 0.05, 20, 15.0
"""Evidence that took as many seconds to gather is not gathered again for that many times as long, to a bound."""


@dataclass(frozen=True)
class Deferred:
    """Evidence that was gathered a moment ago at some cost, and is gathered again after so many seconds."""

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


class Evidences:
    """Looks at traffic and feedback; what was looked at once is not again until something changes."""

    def __init__(
        self,
        index: AnswerIndex,
        baselines: Baselines,
        window: int,
        max_chars: int,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`window` distinct texts are measured, `max_chars` characters of each."""
        self._index, self._baselines, self._monotonic = index, baselines, monotonic
        self._resting: dict[str, tuple[object, float]] = {}
        self._window, self._max_chars = window, max_chars
        self._traffic_seen: dict[object, tuple[object, Traffic]] = {}
        self._evidence_seen: dict[str, tuple[object, Evidence]] = {}

    def profile(self, project: Project, version: str) -> Profile:
        """Which profile a version's traffic is held against."""
        return Profile(version, shown_chars(project, self._max_chars))

    def sight(self, project: Project, told_until: datetime, now: datetime, store: Store) -> Sight:
        """What the watch over the traffic needs to know."""
        with store.read() as tx:
            seen = self._traffic(tx, project, None, 0)
            newest = self._index.newest_judgement(
                tx, project.name, told_until, now - _VOTES_LAG, now - _SEGMENT_TIMEOUT
            )
            soon = now + _SEGMENT_TIMEOUT  # another replica's clock may be ahead
            latest = self._index.newest_judgement(tx, project.name, told_until, soon, soon)
        return Sight(
            seen.version,
            seen.mark.answers,
            len(seen.texts),
            seen.answers[0].time if seen.answers else None,
            self._state(project, seen.version),
            newest,
            latest != newest,
        )

    def measured(self, tx: Transaction, project: Project) -> tuple[tuple[Measure, ...], int, Votes]:
        """The drift of the newest traffic, the number of its texts, and the votes on its answers."""
        seen = self._traffic(tx, project, None, 0)
        judged = self._index.judged(tx, project.name, seen.answers[-1].time if seen.answers else None)
        return self._measures(tx, project, seen), len(seen.texts), _votes(judged, seen.version)

    def of_burst(
        self,
        project: Project,
        since: datetime | None,
        learned_until: datetime | None,
        at_least: int,
        store: Store,
    ) -> Evidence | Deferred:
        """What was seen since a burst began; lessons count from where the last successful retraining stopped.

        At least so many answers are looked at, if there are. Deferred while evidence that is costly to gather rests.
        """
        with store.read() as tx:
            seen = self._traffic(tx, project, since, at_least)
            state = self._state(project, seen.version)
            key = (seen.mark, since, learned_until, at_least, project.etag, state)
            known = self._evidence_seen.get(project.name)
            if known is not None and known[0] == key:
                return known[1]
            begun = self._monotonic()
            if (rest := self._rest_s(project.name, key[1:], begun)) > 0:
                return Deferred(rest)
            evidence = self._gathered(tx, project, seen, since, learned_until)
            evidence = replace(evidence, profiling=bool(seen.version) and state in _UNPROFILED)
        self._evidence_seen[project.name] = (key, evidence)
        ended = self._monotonic()
        spent = ended - begun
        rest = min(_LONGEST_REST_S, _REST * spent) if spent >= _COSTLY_S else 0.0
        self._resting[project.name] = (key[1:], ended + rest)
        return evidence

    def _rest_s(self, project: str, question: object, now: float) -> float:
        """Seconds until evidence for the same question is gathered again."""
        rested, until = self._resting.get(project, (None, 0.0))
        return until - now if rested == question else 0.0

    def _gathered(
        self,
        tx: Transaction,
        project: Project,
        seen: Traffic,
        since: datetime | None,
        learned: datetime | None,
    ) -> Evidence:
        judged = self._index.judged(tx, project.name, since)
        to_learn = judged if learned == since else self._index.judged(tx, project.name, learned)
        taught = lessons(to_learn, project.labels)
        answered = {answer.answer_id: answer for answer, _ in to_learn}
        times = [answer.time for answer in seen.answers[:1]] + [said.time for _, said in judged]
        return Evidence(
            version=seen.version,
            answers=len(seen.texts),
            exchanges=len(seen.answers),
            votes=_votes(judged, seen.version),
            last_time=max(times, default=None),
            divergences=tuple(
                Divergence(m.feature.value, m.divergence, m.null_band)
                for m in self._measures(tx, project, seen)
            ),
            lessons=count_votes(_lesson_vote(answered[lesson.answer_id], lesson) for lesson in taught),
            traces=_traces(said for _, said in judged),
        )

    def _traffic(self, tx: Transaction, project: Project, since: datetime | None, at_least: int) -> Traffic:
        mark = self._index.mark(tx, project.name)
        key = (project.name, since is None)
        known = self._traffic_seen.get(key)
        asked = (since, at_least)
        if known is not None and known[0] == (asked, mark.answers):
            return replace(known[1], mark=mark)
        newest = self._index.latest(tx, project.name, since, max(_ROWS_A_TEXT * self._window, at_least))
        votes = Counter(answer.version for answer in newest[:_VERSION_SAMPLE])
        version = max(votes, key=lambda name: votes[name], default="")
        ours = tuple(answer for answer in newest if answer.version == version)
        seen = Traffic(mark, version, ours, tuple(distinct(ours)))
        self._traffic_seen[key] = ((asked, mark.answers), seen)
        return seen

    def _measures(self, tx: Transaction, project: Project, seen: Traffic) -> tuple[Measure, ...]:
        if len(seen.texts) < MIN_TEXTS or self._state(project, seen.version) is not BaselineState.READY:
            return ()
        base = self._baselines.load(self.profile(project, seen.version))
        return measure(base, self._index.features(tx, project.name, seen.texts[: self._window]))

    def _state(self, project: Project, version: str) -> BaselineState:
        return self._baselines.state(self.profile(project, version)) if version else BaselineState.ABSENT


def shown_chars(project: Project, most: int) -> int:
    """How many characters of a text drift looks at: what the model is shown, at most so many."""
    return min(most, project.training.max_chars or most)


def export_lessons(
    project: Project, window: Window, store: Store, index: AnswerIndex, segments: Segments
) -> str:
    """Write what a window of traffic teaches as JSON lines into the artifact store; its digest, empty for nothing."""
    with store.read() as tx:
        judged = index.judged(tx, project.name, window.start, window.end)
        taught = lessons(judged, project.labels)
        digests = index.segment_digests(tx, {lesson.segment for lesson in taught})
    if not taught:
        return ""
    wanted = frozenset(lesson.answer_id for lesson in taught)
    texts: dict[str, str] = {}
    for digest in digests:
        texts |= _texts(segments, digest, wanted)
    lines = _lines(taught, texts)
    return segments.write(lines) if lines else ""


def _texts(segments: Segments, digest: str, wanted: frozenset[str]) -> dict[str, str]:
    """Return the questions of these answers in a segment; one that is gone or broken has none, and is logged."""
    try:
        return {
            row.answer_id: row.text
            for row in segments.read(digest)
            if isinstance(row, Exchange) and row.answer_id in wanted
        }
    except (BadSegment, FailedPrecondition, NotFound) as error:
        _LOG.warning("a traffic segment yields no labelled examples: %s", error)
        return {}


def _lines(taught: Sequence[Lesson], texts: dict[str, str]) -> list[bytes]:
    return [exported(lesson, texts[lesson.answer_id]) for lesson in taught if lesson.answer_id in texts]


def _traces(judged: Iterable[Judgement]) -> tuple[str, ...]:
    """Where judgements came from, the newest first, each once."""
    newest = sorted(judged, key=lambda said: said.time, reverse=True)
    return tuple(dict.fromkeys(said.trace for said in newest if said.trace))[:_MOST_TRACES]


def _votes(judged: Iterable[tuple[Answer, Judgement]], version: str) -> Votes:
    return count_votes(
        _vote(answer, is_negative(answer.label, said))
        for answer, said in judged
        if answer.version == version and is_vote(said)
    )


def _lesson_vote(answer: Answer, lesson: Lesson) -> tuple[str, int, int]:
    return _vote(answer, label_key(lesson.label) != label_key(answer.label))


def _vote(answer: Answer, negative: bool) -> tuple[str, int, int]:
    return (answer.caller, 0, 1) if negative else (answer.caller, 1, 0)
