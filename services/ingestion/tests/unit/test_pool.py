"""A pool of processes: order, what this process computes itself, processes that stay, and one that dies.

The functions are those of libraries: spawned processes cannot import this module.
"""

import operator
import os
from functools import partial

import pytest

from ratoon_ingestion.worker.pool import WorkerCrashed, mapped

PROCESS = "__import__('time').sleep(0.01) or __import__('os').getpid()"
"""Returns the process that evaluates it, after a while."""


@pytest.mark.parametrize("processes", [1, 2, 3])
def test_results_come_in_the_order_of_the_inputs(processes, tmp_path):
    assert list(mapped(abs, range(-100, 0), processes, tmp_path)) == list(range(100, 0, -1))
    assert list(tmp_path.iterdir()) == []


def test_this_process_computes_too_and_the_others_stay():
    first, second = (set(mapped(eval, [PROCESS] * 30, 2)) for _ in range(2))
    assert os.getpid() in first & second
    assert first == second and len(first) == 2


def test_a_process_that_dies_is_reported_and_replaced():
    dies = f"({PROCESS}) == {os.getpid()} or __import__('os')._exit(1)"
    with pytest.raises(WorkerCrashed, match="A curation process died"):
        list(mapped(eval, [dies] * 10, 2))
    assert list(mapped(abs, range(-10, 0), 2)) == list(range(10, 0, -1))


def test_a_process_that_died_between_two_curations_is_replaced():
    pids = set(mapped(eval, [PROCESS] * 30, 2)) - {os.getpid()}
    for pid in pids:
        os.kill(pid, 9)
    assert len(pids) == 1
    assert set(mapped(eval, [PROCESS] * 30, 2)) & pids == set()


def test_what_the_function_raises_is_raised_here():
    with pytest.raises(ZeroDivisionError):
        list(mapped(partial(operator.truediv, 1), range(-5, 5), 2))
