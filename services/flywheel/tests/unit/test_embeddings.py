"""Drift of embeddings: when texts are sketched, what is compared, and what a report waits for."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from ratoon_flywheel.application.embeddings import Embeddable, EmbeddingDrift
from ratoon_flywheel.domain.signals.drift import Feature, Reference
from ratoon_flywheel.domain.signals.embeddings import Kernel, Sketch, measure, squared_mmd
from ratoon_flywheel.domain.signals.features import features
from ratoon_flywheel.domain.signals.monitor import (
    IDLE_INTERVAL,
    READER_EDITION,
    BaselineState,
    MeasureDrift,
    Monitor,
    Observation,
    SketchTexts,
    measured,
    next_check,
    step,
)
from ratoon_flywheel.domain.signals.traffic import Answer

NOW = datetime(2026, 6, 1, tzinfo=UTC)
V1 = "projects/mail/models/mail/versions/v1.0"
KERNEL = Kernel(0.8, "d" * 64)
NEAR = Sketch(KERNEL, (1.0, 0.0), 100)
FAR = Sketch(KERNEL, (0.0, 0.0), 100)
BANDS = (0.05, 0.04, 0.03, 0.02, 0.01)


class FakeClock:
    def __init__(self) -> None:
        self.time = NOW

    def now(self) -> datetime:
        return self.time

    def monotonic(self) -> float:
        return 0.0


class FakeSketches:
    """Sketches whose jobs run until the test ends them."""

    def __init__(self) -> None:
        self.states: dict[str, BaselineState] = {}
        self.ready: dict[str, Sketch] = {}
        self.texts: dict[str, Mapping[str, Sequence[str]]] = {}
        self.forgotten: list[str] = []

    def state(self, name: str) -> BaselineState:
        return self.states.get(name, BaselineState.ABSENT)

    def start_training(self, name: str, version: str, max_chars: int) -> None:
        self.states[name] = BaselineState.WORKING

    def start_traffic(
        self,
        name: str,
        texts: Mapping[str, Sequence[str]],
        max_chars: int,
        kernel: Kernel,
        is_reference: bool,
    ) -> None:
        assert kernel == KERNEL
        self.states[name], self.texts[name] = BaselineState.WORKING, texts

    def load(self, name: str) -> Sketch:
        return self.ready[name]

    def forget(self, name: str) -> None:
        self.forgotten.append(name)
        self.states.pop(name, None)

    def end(self, word: str, sketch: Sketch) -> str:
        (name,) = [
            each for each, state in self.states.items() if word in each and state is BaselineState.WORKING
        ]
        self.states[name], self.ready[name] = BaselineState.READY, sketch
        return name

    def fail(self, word: str) -> None:
        (name,) = [each for each in self.states if word in each]
        self.states[name] = BaselineState.FAILED


def answers(count: int, time: datetime = NOW) -> list[Answer]:
    return [
        Answer(f"a{n}", f"s{n % 2}", "d", V1, time, f"{n:064}", "ham", features("", 0)) for n in range(count)
    ]


class Drift:
    """Drift of embeddings with a clock and jobs of the test's."""

    def __init__(self) -> None:
        self.sketches, self.clock = FakeSketches(), FakeClock()
        self.drift = EmbeddingDrift(self.sketches, 80, timedelta(minutes=15), self.clock)

    def start(self, traffic: Embeddable) -> tuple[Reference | None, ...]:
        due = self.drift.due(traffic)
        self.drift.start(traffic, due, {"s0": "0" * 64, "s1": "1" * 64})
        return due


TRAFFIC = Embeddable(V1, 500, answers(100))


def test_texts_are_sketched_after_the_training_data_and_once_an_interval():
    env = Drift()
    assert env.start(TRAFFIC) == (Reference.TRAINING,)
    assert env.start(TRAFFIC) == ()
    assert env.drift.is_working(V1)
    env.sketches.end("training", replace(FAR, noise_bands=BANDS))
    assert env.start(TRAFFIC) == (None,)
    assert env.start(TRAFFIC) == ()
    (texts,) = env.sketches.texts.values()
    assert {digest[0]: len(ids) for digest, ids in texts.items()} == {"0": 40, "1": 40}, "80 texts at most"
    assert (env.drift.newest(V1, False), env.drift.measures(V1, False)) == ("", ())
    name = env.sketches.end("window", NEAR)
    assert env.drift.newest(V1, False) == name
    env.clock.time += timedelta(minutes=15)
    assert env.start(replace(TRAFFIC, texts=answers(100, env.clock.time))) == (None,)
    assert env.drift.newest(V1, False) == name, "until the new one is ready"
    assert env.sketches.forgotten


def test_traffic_that_ended_is_not_sketched_again():
    env = Drift()
    env.start(TRAFFIC)
    env.sketches.end("training", replace(FAR, noise_bands=BANDS))
    env.start(TRAFFIC)
    env.clock.time += timedelta(hours=2)
    assert env.drift.due(TRAFFIC) == ()


@pytest.mark.parametrize("traffic", [replace(TRAFFIC, texts=answers(49)), replace(TRAFFIC, version="")])
def test_few_texts_are_not_sketched(traffic):
    assert Drift().drift.due(traffic) == ()


def test_nothing_is_measured_until_the_traffic_at_the_promotion_is_sketched_too():
    env = Drift()
    env.start(TRAFFIC)
    env.sketches.end("training", replace(FAR, noise_bands=BANDS))
    assert env.start(replace(TRAFFIC, promotion=answers(300))) == (Reference.PROMOTION, None)
    env.sketches.end("window", NEAR)
    assert env.drift.measures(V1, True) == ()
    assert env.drift.newest(V1, True) == "", "a report now would count it as measured"
    env.sketches.end("promotion", replace(NEAR, noise_bands=BANDS))
    trained, promoted = env.drift.measures(V1, True)
    assert (trained.reference, promoted.reference) == (Reference.TRAINING, Reference.PROMOTION)
    assert (trained.divergence, trained.null_band, promoted.divergence) == (1.0, 0.04, 0.0)
    assert {each.feature for each in (trained, promoted)} == {Feature.EMBEDDINGS}


def test_a_sketch_that_failed_is_tried_again_in_another_interval():
    env = Drift()
    env.start(TRAFFIC)
    env.sketches.fail("training")
    assert env.drift.due(TRAFFIC) == ()
    env.clock.time += timedelta(minutes=15)
    assert env.drift.due(TRAFFIC) == (Reference.TRAINING,)


def test_sketches_of_different_models_are_not_compared():
    base = replace(FAR, noise_bands=BANDS)
    assert measure(NEAR, base, Reference.TRAINING) is not None
    assert measure(replace(NEAR, kernel=Kernel(0.8, "e" * 64)), base, Reference.TRAINING) is None
    with pytest.raises(ValueError, match="longer"):
        squared_mmd((1.0,), (1.0, 0.0))


MONITOR = Monitor(
    "projects/mail/monitors/traffic", NOW, NOW, V1, 400, pruned_time=NOW, reader_edition=READER_EDITION
)
MEASURED = Observation(V1, 400, 300, NOW, BaselineState.READY)


def test_a_new_sketch_is_reported_once_although_no_traffic_came():
    assert step(MONITOR, MEASURED, NOW)[1] == ()
    news = replace(MEASURED, sketch="window 7")
    assert step(MONITOR, news, NOW)[1] == (MeasureDrift(V1, 400, "window 7"),)
    assert step(measured(MONITOR, MeasureDrift(V1, 400, "window 7")), news, NOW)[1] == ()


def test_texts_are_sketched_when_they_are_due_and_looked_for_until_they_are_ready():
    due = replace(MEASURED, are_sketches_due=True)
    assert step(MONITOR, due, NOW)[1] == (SketchTexts(V1),)
    later = NOW + timedelta(hours=1)
    assert next_check(MEASURED, later) == IDLE_INTERVAL
    assert next_check(replace(MEASURED, are_sketches_under_way=True), later) < IDLE_INTERVAL
