"""Background loops."""

import logging
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from ratoon.process.backoff import Backoff
from ratoon.process.loop import NEVER, BackgroundLoop
from ratoon.testkit.waiting import until

LONG_S = 60.0


@pytest.fixture
def started() -> Iterator[Callable[[BackgroundLoop], BackgroundLoop]]:
    """Start a loop that is stopped at the end of the test."""
    loops: list[BackgroundLoop] = []

    def start(loop: BackgroundLoop) -> BackgroundLoop:
        loops.append(loop)
        loop.start()
        return loop

    yield start
    for loop in loops:
        loop.stop()


class Step:
    """A step that counts and returns a delay, or raises."""

    def __init__(self, delay_s: float = LONG_S, errors: int = 0) -> None:
        self.delay_s, self.errors = delay_s, errors
        self.times: list[float] = []

    def __call__(self) -> float:
        self.times.append(time.monotonic())
        if len(self.times) <= self.errors:
            raise RuntimeError(f"failure {len(self.times)}")
        return self.delay_s

    def reach(self, count: int) -> None:
        until(lambda: len(self.times) >= count, 10.0, lambda: f"{count} steps, not {len(self.times)}", 0.005)


def test_it_repeats_the_step_after_its_delay(started):
    step = Step(delay_s=0.02)
    started(BackgroundLoop("test", step))
    step.reach(3)
    assert step.times[1] - step.times[0] >= 0.02


def test_a_wake_cuts_the_delay_short(started):
    step = Step()
    loop = started(BackgroundLoop("test", step))
    step.reach(1)
    loop.wake()
    step.reach(2)


def test_a_wake_during_a_step_is_not_lost(started):
    entered, go, steps = threading.Event(), threading.Event(), []

    def step() -> float:
        steps.append(1)
        entered.set()
        go.wait(10)
        return LONG_S

    loop = started(BackgroundLoop("test", step))
    assert entered.wait(10)
    loop.wake()
    go.set()
    until(lambda: len(steps) == 2, 10.0)


class RecordedWaits(threading.Condition):
    """Record the timeout of each wait."""

    def __init__(self) -> None:
        super().__init__()
        self.timeouts: list[float | None] = []

    def wait_for(self, predicate: Callable[[], bool], timeout: float | None = None) -> bool:
        self.timeouts.append(timeout)
        return super().wait_for(predicate, timeout)


def test_the_first_step_may_wait(started):
    step = Step()
    loop = BackgroundLoop("test", step, first_delay_s=NEVER)
    waits = RecordedWaits()
    loop._changed = waits
    started(loop)
    until(lambda: waits.timeouts, 10.0)
    assert (waits.timeouts, step.times) == ([None], [])
    loop.wake()
    step.reach(1)


def test_a_wake_does_not_cut_the_least_interval_short(started):
    step = Step(delay_s=NEVER)
    loop = started(BackgroundLoop("test", step, min_interval_s=0.1))
    step.reach(1)
    loop.wake()
    step.reach(2)
    assert step.times[1] - step.times[0] >= 0.1


def test_it_survives_errors_and_waits_longer_after_each(started):
    step = Step(errors=3)
    loop = started(BackgroundLoop("test", step, backoff=Backoff(0.02, 1.0)))
    for _ in range(50):
        loop.wake()  # cuts no back-off short
    step.reach(4)
    gaps = [later - earlier for earlier, later in zip(step.times, step.times[1:], strict=False)]
    assert all(gap >= minimum for gap, minimum in zip(gaps, (0.02, 0.04, 0.08), strict=True)), gaps


def test_the_first_failure_and_the_recovery_are_logged_once(started, caplog):
    caplog.set_level(logging.INFO, "ratoon.process")
    step = Step(errors=3)
    started(BackgroundLoop("relay", step, backoff=Backoff(0.001, 0.001)))
    until(lambda: "works again" in caplog.text, 10.0)
    assert caplog.messages == ["relay: RuntimeError: failure 1", "relay: works again after 3 failures"]


def test_the_owner_may_log_failures_itself(started):
    failures: list[str] = []
    step = Step(errors=2)
    loop = BackgroundLoop(
        "test", step, backoff=Backoff(0.001, 0.001), on_failure=lambda error: failures.append(str(error))
    )
    started(loop)
    step.reach(3)
    assert failures == ["failure 1", "failure 2"]


def test_stop_finishes_the_step_and_then_runs_the_final_one():
    steps: list[str] = []
    entered, go = threading.Event(), threading.Event()

    def step() -> float:
        entered.set()
        go.wait(10)
        steps.append("step")
        return LONG_S

    loop = BackgroundLoop("test", step, final=lambda: steps.append("final"))
    loop.start()
    assert entered.wait(10)
    threading.Timer(0.05, go.set).start()
    loop.stop()
    assert loop.stopping
    assert steps == ["step", "final"]


def test_a_final_step_that_fails_is_survived(caplog):
    loop = BackgroundLoop("test", Step(), final=lambda: [][0])
    loop.start()
    loop.stop()
    assert caplog.messages == ["test: IndexError: list index out of range"]


def test_a_stop_does_not_wait_longer_than_its_timeout():
    go = threading.Event()

    def step() -> float:
        go.wait(10)
        return LONG_S

    loop = BackgroundLoop("test", step)
    loop.start()
    began = time.monotonic()
    loop.stop(0.05)
    assert time.monotonic() - began < 5.0
    go.set()


def test_a_loop_that_was_never_started_stops_and_one_that_has_stopped_starts_again():
    step = Step()
    loop = BackgroundLoop("test", step)
    loop.stop()
    for count in (1, 2):
        loop.start()
        step.reach(count)
        loop.stop()
