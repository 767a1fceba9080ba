"""The quick form of the rollouts under fire: two of them. `rollouts` has the full one."""

import pytest

from .rollouts import FAULTS, drawn, line, roll_out

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]


@pytest.mark.parametrize("fault", ["kill_control", "kill_old_engine"])
def test_a_rollout_with_a_fault_in_it_fails_nothing_else(served, fault):
    outcome = roll_out(served, 1, fault, "SECOND_ENGINE")
    assert outcome.findings == [], line(vars(outcome))
    assert outcome.streams
    assert outcome.answered


@pytest.mark.parametrize("strategy", list(FAULTS))
def test_every_fault_has_its_turn_before_any_comes_again(strategy):
    faults = list(FAULTS[strategy])
    turns = [drawn(faults, 7, number) for number in range(1, 2 * len(faults) + 1)]
    assert sorted(turns[: len(faults)]) == sorted(turns[len(faults) :]) == sorted(faults)
    assert turns != [drawn(faults, 8, number) for number in range(1, 2 * len(faults) + 1)]
