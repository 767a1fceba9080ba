"""The quick form of the kill loop: one loop on a small slice, and a handful of kills. `kills` has the full one."""

from collections import Counter

import pytest

from ratoon.local.installation import Installation
from ratoon.testkit.waiting import until

from .kills import DATA, Outcome, run_loop
from .loop import slice_of
from .stack import free_port
from .victims import Census, Victim

pytestmark = [pytest.mark.engine, pytest.mark.ray, pytest.mark.timeout(900)]
KILLS = 5


def test_a_loop_under_fire_loses_nothing_and_does_nothing_twice(tmp_path):
    if not DATA.exists():
        pytest.skip("the mails are not here; run: make data")
    outcome = run_loop(Outcome(1, 7), KILLS, slice_of(DATA), free_port(), tmp_path, Counter())
    assert outcome.findings == []
    assert outcome.kills
    assert outcome.acknowledged["feedback"] > 100


def test_the_census_finds_what_runs_and_what_is_left(tmp_path):
    installation = Installation(tmp_path / "state")
    census = Census(installation.state)
    installation.up(isolated=False, host="127.0.0.1", port=free_port(), say=lambda _line: None)
    try:
        [control], [gateway] = census.of(Victim.CONTROL), census.of(Victim.GATEWAY)
        assert {control, gateway} <= set(census.of(Victim.ALL))
        assert len(census.kill(Victim.GATEWAY)) == 1
        assert [line for line in census.left() if line.startswith(f"{control} ")]
        until(lambda: not [line for line in census.left() if line.startswith(f"{gateway} ")], 10)
    finally:
        census.kill(Victim.ALL)
    until(lambda: not census.left(), 10)
