"""Monitor of one project's traffic: which version answers, the profile of its training data, the drift from it.

Pure: `step` returns the next actions. The reports are for people; policies measure for themselves.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from ratoon_flywheel.domain.signals.drift import Measure
from ratoon_flywheel.domain.signals.shadows import ShadowMark

MIN_TEXTS = 50
"""Distinct texts below which a divergence says nothing."""
MIN_PROMOTION_TEXTS = 250
"""Distinct texts before a promotion from which later traffic is compared with them: the noise band of fewer is too
narrow, because they lack many words of their own kind."""
REPORT_EVERY = 100
"""Answers after which a stream that never pauses is measured again."""
QUIET = timedelta(seconds=5)
RETRY_AFTER = timedelta(seconds=60)
PRUNE_EVERY = timedelta(hours=6)
ACTIVE_INTERVAL = timedelta(seconds=1)
RETRY_INTERVAL = timedelta(seconds=20)
IDLE_INTERVAL = timedelta(hours=1)
"""Times between two observations: while traffic flows, while a profile is not ready, and else."""
ACTIVE_FOR = timedelta(minutes=5)
"""Time for which traffic counts as flowing after the latest answer."""
REPORT_INTERVAL = timedelta(minutes=5)
"""Time after which a report is stored although it repeats the one before."""
SHADOW_INTERVAL = timedelta(seconds=5)
"""Minimum time between two reports of shadow answers."""
_PASSED_OVER = 1_000
"""Number of feedback on other answers after which it is not looked through again."""
_RATIO_CHANGE, _SHARE_CHANGE, _COUNT_CHANGE = 0.25, 0.02, 0.1
"""Changes that are worth a report: of a divergence in noise bands, of a share, of a count relative to itself."""
READER_EDITION = 1
"""Edition of the reader of traffic segments; a new one reads segments again of which rows were set aside."""


@dataclass(frozen=True)
class DriftReport:
    """How far a window of traffic is from the training data of the version that answered."""

    name: str
    create_time: datetime
    update_time: datetime
    version: str
    answer_count: int
    measures: tuple[Measure, ...]
    feedback_count: int = 0
    negative_count: int = 0
    unhappy_share: float | None = None
    """Share of unhappy callers, each counted once; None in reports that counted answers only."""
    revision: int = 0

    @property
    def drifted(self) -> bool:
        """Whether any measure lies beyond its noise band."""
        return any(measure.ratio > 1 for measure in self.measures)

    @property
    def error_rate(self) -> float:
        """Return the share of unhappy callers; of a report that counted answers only, the share of wrong ones."""
        if self.unhappy_share is not None:
            return self.unhappy_share
        return self.negative_count / self.feedback_count if self.feedback_count else 0.0


@dataclass(frozen=True)
class DriftDetected:
    """A window of traffic lies beyond its noise band."""

    drift_report: str


@dataclass(frozen=True)
class Monitor:
    """Monitor of one project's traffic."""

    name: str
    create_time: datetime
    update_time: datetime
    measured_version: str = ""
    measured_answers: int = 0
    reported_until: datetime | None = None
    """Time up to which feedback was reported to serving."""
    failed_time: datetime | None = None
    """When the baseline last failed; it is tried again."""
    pruned_time: datetime | None = None
    reader_edition: int = 0
    """Edition of the reader that last read the rows that were set aside again."""
    shadows: ShadowMark = ShadowMark()
    """Shadow answers and feedback on them that were reported to serving."""
    shadows_time: datetime | None = None
    """Time of the latest report of shadow answers."""
    measured_sketch: str = ""
    """Sketch of embeddings in the latest report; empty: none."""
    revision: int = 0


class BaselineState(StrEnum):
    """Where the profile of a version's training data stands."""

    ABSENT = "ABSENT"
    WORKING = "WORKING"
    READY = "READY"
    FAILED = "FAILED"


@dataclass(frozen=True)
class Observation:
    """Observation of a project's traffic."""

    version: str = ""
    """The version that answers now; empty without traffic."""
    answers: int = 0
    """Grows with every answer of the project."""
    texts: int = 0
    """Distinct texts among the newest answers of that version."""
    last_time: datetime | None = None
    baseline: BaselineState = BaselineState.ABSENT
    votes_until: datetime | None = None
    """Time of the newest feedback that was not reported to serving."""
    has_unsettled_votes: bool = False
    """Whether there is feedback that will be reported to serving later."""
    promotion: BaselineState | None = None
    """Where the profile of the traffic at the version's promotion stands; None if there was too little traffic."""
    shadows: ShadowMark = ShadowMark()
    """Newest shadow answers and feedback."""
    has_shadow_news: bool = False
    """Whether there are shadow answers, or feedback on what they shadow, that were not reported to serving."""
    sketch: str = ""
    """Newest sketch of the embeddings of the version's traffic that is ready; empty: none."""
    are_sketches_due: bool = False
    """Whether texts are to be embedded."""
    are_sketches_under_way: bool = False


@dataclass(frozen=True)
class ProfileTraining:
    """Profile the training data of a version."""

    version: str


@dataclass(frozen=True)
class ProfilePromotion:
    """Profile the newest traffic when a version was promoted."""

    version: str


@dataclass(frozen=True)
class ForgetProfile:
    """Allow a failed profile to be computed again."""

    version: str


@dataclass(frozen=True)
class MeasureDrift:
    """Write a drift report, and note that these answers were measured."""

    version: str
    answers: int
    sketch: str = ""


@dataclass(frozen=True)
class SketchTexts:
    """Embed texts, so that the drift of their embeddings can be measured."""

    version: str


@dataclass(frozen=True)
class ReportQuality:
    """Report the feedback of a span of time to serving, `start` included, `end` not."""

    start: datetime
    end: datetime


@dataclass(frozen=True)
class ReportShadows:
    """Report how both versions of a rollout answered the same requests, and note what is reported."""

    mark: ShadowMark


@dataclass(frozen=True)
class Prune:
    """Delete traffic and feedback that is older than the project keeps it."""


@dataclass(frozen=True)
class ReadAgain:
    """Read the segments again of which rows were set aside."""


Action = (
    ReadAgain
    | ProfileTraining
    | ProfilePromotion
    | ForgetProfile
    | MeasureDrift
    | SketchTexts
    | ReportQuality
    | ReportShadows
    | Prune
)


def step(monitor: Monitor, observation: Observation, now: datetime) -> tuple[Monitor, tuple[Action, ...]]:
    """Return the next state of the monitor and its actions; those that may wait for another service come last."""
    actions: list[Action] = []
    if monitor.pruned_time is None or now - monitor.pruned_time >= PRUNE_EVERY:
        monitor = replace(monitor, pruned_time=now)
        actions.append(Prune())
    if monitor.reader_edition != READER_EDITION:
        monitor = replace(monitor, reader_edition=READER_EDITION)
        actions.append(ReadAgain())
    monitor, more = _profiled(monitor, observation, now)
    actions += more
    if observation.promotion is BaselineState.ABSENT and observation.baseline is BaselineState.READY:
        actions.append(ProfilePromotion(observation.version))
    if _worth_measuring(monitor, observation, now):
        actions.append(MeasureDrift(observation.version, observation.answers, observation.sketch))
    if observation.are_sketches_due:
        actions.append(SketchTexts(observation.version))
    if observation.votes_until is not None:
        end = observation.votes_until + timedelta(microseconds=1)
        actions.append(ReportQuality(monitor.reported_until or monitor.create_time, end))
    monitor, more = _shadows(monitor, observation, now)
    actions += more
    return monitor, tuple(actions)


def _shadows(monitor: Monitor, observation: Observation, now: datetime) -> tuple[Monitor, list[Action]]:
    """Report news of shadow answers at intervals; feedback on other answers is passed over."""
    if observation.has_shadow_news:
        last = monitor.shadows_time
        if last is not None and now - last < SHADOW_INTERVAL:
            return monitor, []
        return replace(monitor, shadows_time=now), [ReportShadows(observation.shadows)]
    if observation.shadows.feedback - monitor.shadows.feedback > _PASSED_OVER:
        return replace(monitor, shadows=observation.shadows), []
    return monitor, []


def next_check(observation: Observation, now: datetime) -> timedelta:
    """Return the time until the next observation of traffic that nothing wakes for."""
    if (observation.has_unsettled_votes or observation.has_shadow_news) or (
        observation.last_time is not None and now - observation.last_time < ACTIVE_FOR
    ):
        return ACTIVE_INTERVAL
    is_profiled = not observation.version or observation.baseline is BaselineState.READY
    is_profiled = is_profiled and not (observation.are_sketches_due or observation.are_sketches_under_way)
    return IDLE_INTERVAL if is_profiled else RETRY_INTERVAL


def measured(monitor: Monitor, done: MeasureDrift) -> Monitor:
    """Return the monitor after its report was written."""
    return replace(
        monitor,
        measured_version=done.version,
        measured_answers=done.answers,
        measured_sketch=done.sketch or monitor.measured_sketch,
    )


def is_news(report: DriftReport, before: DriftReport | None) -> bool:
    """Return whether a report says something that the one before does not, or is the first for a while."""
    if before is None or report.version != before.version or report.drifted != before.drifted:
        return True
    if report.create_time - before.create_time >= REPORT_INTERVAL:
        return True
    ratios = {(m.feature, m.reference, m.slice): m.ratio for m in report.measures}
    known = {(m.feature, m.reference, m.slice): m.ratio for m in before.measures}
    return (
        ratios.keys() != known.keys()
        or any(abs(ratios[measured] - known[measured]) >= _RATIO_CHANGE for measured in ratios)
        or abs(report.error_rate - before.error_rate) >= _SHARE_CHANGE
        or _has_grown(report.answer_count, before.answer_count)
        or _has_grown(report.feedback_count, before.feedback_count)
    )


def _has_grown(count: int, before: int) -> bool:
    return abs(count - before) > _COUNT_CHANGE * before


def _profiled(monitor: Monitor, observation: Observation, now: datetime) -> tuple[Monitor, list[Action]]:
    if not observation.version or observation.baseline in (BaselineState.WORKING, BaselineState.READY):
        return monitor, []
    if observation.baseline is BaselineState.ABSENT:
        return monitor, [ProfileTraining(observation.version)]
    if monitor.failed_time is None:
        return replace(monitor, failed_time=now), []
    if now - monitor.failed_time < RETRY_AFTER:
        return monitor, []
    return replace(monitor, failed_time=None), [ForgetProfile(observation.version)]


def _worth_measuring(monitor: Monitor, observation: Observation, now: datetime) -> bool:
    if observation.baseline is not BaselineState.READY or observation.texts < MIN_TEXTS:
        return False
    if observation.sketch and observation.sketch != monitor.measured_sketch:
        return True
    known = monitor.measured_answers if observation.version == monitor.measured_version else 0
    if observation.answers == known or observation.last_time is None:
        return False
    return observation.answers - known >= REPORT_EVERY or now - observation.last_time >= QUIET
