"""Lease continuity: a gap in the numbers of the claims shows that another process held the operation."""

import pytest

from ratoon.operations.operations import Claim
from ratoon_serving.application.lease_continuity import LeaseContinuity


def test_a_new_holder_of_an_operation_takes_over_once_before_its_first_action():
    continuity, taken = LeaseContinuity(), []
    for number, acts in ((4, 0), (5, 2), (6, 1), (8, 1), (9, 1)):
        claim = Claim("r", number)
        continuity.tick(claim)
        for _ in range(acts):
            continuity.act(claim, lambda number=number: taken.append(number))
    assert taken == [5, 8]  # Another process held number 7.


def test_a_take_over_that_failed_is_tried_again():
    continuity, claim = LeaseContinuity(), Claim("r", 1)
    continuity.tick(claim)
    with pytest.raises(ZeroDivisionError):
        continuity.act(claim, lambda: 1 // 0)
    taken = []
    continuity.act(claim, lambda: taken.append(1))
    assert taken == [1]
