"""What a run says whose workers do not start."""

import sys
from types import SimpleNamespace

import pytest

from ratoon_training.domain.recipes import Accelerator
from ratoon_training.worker import cluster, driver


def reported(monkeypatch: pytest.MonkeyPatch, lacks: bool, seconds: int) -> list[tuple[int, str]]:
    """Return the reports of a run that waits so long, each with its second."""
    reports, clock = list[tuple[int, str]](), SimpleNamespace(now=0)
    monkeypatch.setattr(driver, "time", SimpleNamespace(monotonic=lambda: clock.now))
    monkeypatch.setattr(driver, "_report", lambda _job, message: reports.append((clock.now, message)))
    monkeypatch.setattr(cluster, "lacks", lambda _workers, _pods, _accelerator, _devices: lacks)
    monkeypatch.setattr(cluster, "capacity", lambda _pods: "the Ray cluster has 1 CPU and 0 GPUs")
    waiting = driver._Waiting(
        None, SimpleNamespace(workers=2, pods="", accelerator=Accelerator.CPU, devices=1)
    )
    for clock.now in range(seconds):
        waiting()
    return reports


TEXT = "Waiting for capacity for 2 training workers: the Ray cluster has 1 CPU and 0 GPUs."


def test_what_the_cluster_lacks_is_reported_at_once(monkeypatch):
    assert reported(monkeypatch, lacks=True, seconds=30) == [(1, TEXT), (21, TEXT)]


def test_workers_that_have_their_place_may_take_a_while_to_start(monkeypatch):
    assert reported(monkeypatch, lacks=False, seconds=30) == [(20, TEXT)]


@pytest.mark.parametrize(
    ("available", "pods", "accelerator", "lacks"),
    [
        ({"CPU": 2.0}, "", Accelerator.CPU, False),
        ({"CPU": 1.0}, "", Accelerator.CPU, True),
        ({}, "", Accelerator.CPU, True),
        ({"CPU": 8.0, "GPU": 1.0}, "", Accelerator.CUDA, True),
        ({"CPU": 8.0}, "run-own", Accelerator.CPU, True),
        ({"CPU": 8.0, "GPU": 8.0}, "", Accelerator.NEURON, True),
        ({"CPU": 8.0, "neuron_cores": 2.0}, "", Accelerator.NEURON, False),
        ({"run-own": 2.0}, "run-own", Accelerator.CPU, False),
    ],
)
def test_a_cluster_lacks_what_it_would_not_have_if_it_were_free(
    monkeypatch, available, pods, accelerator, lacks
):
    monkeypatch.setenv("RATOON_RAY_ADDRESS", "127.0.0.1:6379")
    monkeypatch.setitem(sys.modules, "ray", SimpleNamespace(cluster_resources=lambda: available))
    assert cluster.lacks(2, pods, accelerator) is lacks
