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
def test_every_fault_occurs_before_any_is_repeated(strategy):
    faults = list(FAULTS[strategy])
    faults_drawn = [drawn(faults, 7, number) for number in range(1, 2 * len(faults) + 1)]
    assert sorted(faults_drawn[: len(faults)]) == sorted(faults_drawn[len(faults) :]) == sorted(faults)
    assert faults_drawn != [drawn(faults, 8, number) for number in range(1, 2 * len(faults) + 1)]
