"""The machine's clock when it is set."""

import time

import pytest

from ratoon.process.clock import SystemClock


class Machine:
    """The two clocks of a machine, set by hand."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.wall, self.booted = 1_000_000.0, 500.0
        monkeypatch.setattr(time, "time", lambda: self.wall)
        monkeypatch.setattr(time, "clock_gettime", lambda _clock: self.booted)

    def pass_by(self, seconds: float) -> None:
        self.wall += seconds
        self.booted += seconds


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(monkeypatch)


def test_it_tells_the_wall_clock(machine):
    clock = SystemClock()
    for _ in range(3):
        machine.pass_by(10)
        assert clock.now().timestamp() == machine.wall


def test_a_clock_that_is_set_back_goes_on_from_where_it_was(machine):
    clock = SystemClock()
    before = clock.now()
    machine.wall -= 3600
    machine.pass_by(30)
    assert (clock.now() - before).total_seconds() == 30
    machine.pass_by(30)
    assert (clock.now() - before).total_seconds() == 60


def test_one_that_is_set_ahead_is_believed_and_so_is_a_small_correction(machine):
    clock = SystemClock()
    clock.now()
    machine.wall += 3600
    assert clock.now().timestamp() == machine.wall
    machine.wall -= 0.2
    assert clock.now().timestamp() == machine.wall


def test_it_follows_the_wall_again_once_that_has_caught_up(machine):
    clock = SystemClock()
    clock.now()
    machine.wall -= 100
    machine.pass_by(1)
    clock.now()
    machine.wall += 150
    assert clock.now().timestamp() == machine.wall
