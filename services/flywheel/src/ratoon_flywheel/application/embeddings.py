"""Drift of embeddings: when texts are sketched, and what the newest sketch says.

The traffic of a version is sketched once an interval at most, in a job. The jobs have names that follow from the
version and the interval, so that every replica finds them.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from ratoon.process.clock import Clock
from ratoon_flywheel.application.ports import Sketches
from ratoon_flywheel.domain.signals import embeddings
from ratoon_flywheel.domain.signals.drift import Measure, Reference
from ratoon_flywheel.domain.signals.monitor import MIN_TEXTS, BaselineState
from ratoon_flywheel.domain.signals.traffic import Answer

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ENDED = (BaselineState.READY, BaselineState.FAILED)
_STALE = 4
"""Earlier intervals whose sketches are removed when a new one starts."""


@dataclass(frozen=True)
class Embeddable:
    """Traffic of a version whose texts can be embedded."""

    version: str
    max_chars: int
    texts: Sequence[Answer] = ()
    """Newest first, each text once."""
    promotion: Sequence[Answer] = ()
    """Traffic at the promotion of the version; empty: too little."""


@dataclass
class EmbeddingDrift:
    """Starts sketches of texts and compares those that are ready."""

    sketches: Sketches
    window: int
    """Number of texts of a sketch of traffic."""
    interval: timedelta
    clock: Clock
    _failed_in: dict[str, int] = field(default_factory=dict)

    def newest(self, version: str, has_promotion: bool) -> str:
        """Return the name of the newest sketch of a version's traffic that can be measured; empty: none can.

        With traffic at the promotion, none can until that traffic is sketched too.
        """
        if not version or self._state(_training(version)) is not BaselineState.READY:
            return ""
        if has_promotion and self._state(_promotion(version)) not in _ENDED:
            return ""
        interval = self._interval()
        names = (_window(version, each) for each in (interval, interval - 1))
        return next((name for name in names if self._state(name) is BaselineState.READY), "")

    def due(self, traffic: Embeddable) -> tuple[Reference | None, ...]:
        """Return the sketches to start: of a reference, or, as None, of the newest traffic."""
        if not traffic.version or len(traffic.texts) < MIN_TEXTS:
            return ()
        training = self._state(_training(traffic.version))
        if training is BaselineState.ABSENT:
            return (Reference.TRAINING,)
        if training is not BaselineState.READY:
            return ()
        due: list[Reference | None] = []
        if traffic.promotion and self._state(_promotion(traffic.version)) is BaselineState.ABSENT:
            due.append(Reference.PROMOTION)
        if self._is_window_due(traffic):
            due.append(None)
        return tuple(due)

    def start(
        self, traffic: Embeddable, due: Sequence[Reference | None], segments: Mapping[str, str]
    ) -> None:
        """Start sketches; `segments` has the digest of each segment by its name."""
        version, max_chars = traffic.version, traffic.max_chars
        training = _training(version)
        for each in due:
            if each is Reference.TRAINING:
                self.sketches.start_training(training, version, max_chars)
                continue
            kernel = self.sketches.load(training).kernel
            answers = traffic.promotion if each is Reference.PROMOTION else traffic.texts
            ids = _by_digest(answers[: self.window], segments)
            interval = self._interval()
            name = _promotion(version) if each is Reference.PROMOTION else _window(version, interval)
            self.sketches.start_traffic(name, ids, max_chars, kernel, each is Reference.PROMOTION)
            if each is None:
                self._forget(_window(version, stale) for stale in range(interval - 1 - _STALE, interval - 1))

    def is_working(self, version: str) -> bool:
        """Return whether a sketch of a version is being computed."""
        names = (_training(version), _promotion(version), _window(version, self._interval()))
        return bool(version) and any(self._state(name) is BaselineState.WORKING for name in names)

    def measures(self, version: str, has_promotion: bool) -> tuple[Measure, ...]:
        """Return the drift of the newest sketch from the training data, and since the promotion."""
        newest = self.newest(version, has_promotion)
        if not newest:
            return ()
        window = self.sketches.load(newest)
        references = [(Reference.TRAINING, _training(version))]
        if has_promotion and self._state(_promotion(version)) is BaselineState.READY:
            references.append((Reference.PROMOTION, _promotion(version)))
        measured = (
            embeddings.measure(window, self.sketches.load(name), reference) for reference, name in references
        )
        return tuple(measure for measure in measured if measure is not None)

    def _forget(self, names: Iterable[str]) -> None:
        for name in names:
            self._failed_in.pop(name, None)
            self.sketches.forget(name)

    def _is_window_due(self, traffic: Embeddable) -> bool:
        interval = self._interval()
        begins = interval * self.interval
        newest = traffic.texts[0].time - _EPOCH
        return newest >= begins - self.interval and (
            self._state(_window(traffic.version, interval)) is BaselineState.ABSENT
        )

    def _state(self, name: str) -> BaselineState:
        """Return where a sketch stands; one that failed is tried again in another interval."""
        state, interval = self.sketches.state(name), self._interval()
        if state is not BaselineState.FAILED:
            return state
        if self._failed_in.setdefault(name, interval) == interval:
            return state
        self._forget([name])
        return BaselineState.ABSENT

    def _interval(self) -> int:
        return (self.clock.now() - _EPOCH) // self.interval


def _by_digest(answers: Sequence[Answer], segments: Mapping[str, str]) -> dict[str, list[str]]:
    ids: dict[str, list[str]] = {}
    for answer in answers:
        if answer.segment in segments:
            ids.setdefault(segments[answer.segment], []).append(answer.answer_id)
    return ids


def _training(version: str) -> str:
    return f"{version} training"


def _promotion(version: str) -> str:
    return f"{version} promotion"


def _window(version: str, interval: int) -> str:
    return f"{version} window {interval}"
