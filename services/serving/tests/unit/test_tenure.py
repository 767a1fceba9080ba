"""Whether somebody else worked on an operation since this process did: its claims are numbered without a gap."""

import pytest

from ratoon.chassis.operations import Claim
from ratoon_serving.application.tenure import Tenures


def test_who_comes_to_an_operation_takes_over_before_the_first_act_and_not_again():
    tenures, taken = Tenures(), []
    for number, acts in ((4, 0), (5, 2), (6, 1), (8, 1), (9, 1)):
        claim = Claim("r", number)
        tenures.turn(claim)
        for _ in range(acts):
            tenures.act(claim, lambda number=number: taken.append(number))
    assert taken == [5, 8]  # 7 was somebody else's


def test_a_take_over_that_failed_is_tried_again():
    tenures, claim = Tenures(), Claim("r", 1)
    tenures.turn(claim)
    with pytest.raises(ZeroDivisionError):
        tenures.act(claim, lambda: 1 // 0)
    taken = []
    tenures.act(claim, lambda: taken.append(1))
    assert taken == [1]
