"""A pool of processes: order, what this process computes itself, and a process that dies."""

import os

import pytest

from ratoon_ingestion.worker.pool import WorkerCrashed, mapped


@pytest.mark.parametrize("processes", [1, 2])
def test_results_come_in_the_order_of_the_inputs(processes):
    assert list(mapped(abs, range(-100, 0), processes)) == list(range(100, 0, -1))


def test_this_process_computes_while_the_others_start():
    pids = list(mapped(process_of, range(50), 2))
    assert os.getpid() in pids


def process_of(item: int) -> int:
    return os.getpid()


def test_a_process_that_dies_is_reported():
    with pytest.raises(WorkerCrashed, match="A curation process died"):
        list(mapped(os._exit, [1], 2))
