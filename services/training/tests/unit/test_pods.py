"""Memory of worker pods: the size of dedicated ones, and the capacity of shared ones."""

import pytest

from ratoon_training.domain.parallelism import Parallelism, Strategy
from ratoon_training.domain.plan import MEBI, plan
from ratoon_training.domain.pods import RAY_BYTES, SharedPods, own_bytes, pod_bytes, shared_bytes
from ratoon_training.domain.recipes import Accelerator, Recipe, Resources

GIB = 1024 * MEBI
RECIPE = Recipe(labels=("ham", "spam"))


@pytest.mark.parametrize("workers", [1, 3, 8])
def test_a_pod_has_its_part_of_the_plan_and_what_ray_needs(workers):
    planned = plan(RECIPE, Resources(workers=workers), 100 * GIB, ())
    each = pod_bytes(planned, workers)
    assert 0 <= each - RAY_BYTES - planned.measured_bytes / workers < MEBI
    assert each % MEBI == 0


def test_what_is_admitted_fits_into_the_largest_pod_and_what_is_not_does_not():
    for workers in (1, 4):
        # Workers without a requested layout divide the weights instead of being refused.
        resources = Resources(workers=workers, parallelism=Parallelism(strategy=Strategy.DDP))
        needed = plan(RECIPE, resources, 100 * GIB, ())
        max_pod_bytes = pod_bytes(needed, workers)
        assert plan(RECIPE, resources, own_bytes(resources, max_pod_bytes), ()).admitted
        assert not plan(RECIPE, resources, own_bytes(resources, max_pod_bytes - MEBI), ()).admitted


def test_a_pod_too_small_for_ray_holds_no_run():
    assert own_bytes(Resources(), RAY_BYTES // 2) == 0


def test_workers_have_the_memory_of_as_few_pods_as_hold_them():
    shared = [SharedPods(Accelerator.CPU, pods=3, places=2, memory_bytes=4 * GIB)]
    each = 4 * GIB - RAY_BYTES
    held = [shared_bytes(Resources(workers=workers), shared) for workers in (1, 2, 3, 6, 9)]
    assert held == [each, each, 2 * each, 3 * each, 3 * each]


def test_a_run_takes_the_pods_of_its_accelerator():
    small, large = (
        SharedPods(accelerator, pods=8, places=1, memory_bytes=size * GIB)
        for accelerator, size in ((Accelerator.CPU, 4), (Accelerator.CUDA, 64))
    )
    resources = {each: Resources(each, workers=2) for each in (Accelerator.CPU, Accelerator.CUDA)}
    assert shared_bytes(resources[Accelerator.CPU], [small, large]) == 2 * (4 * GIB - RAY_BYTES)
    assert shared_bytes(resources[Accelerator.CUDA], [small, large]) == 2 * (64 * GIB - RAY_BYTES)
    assert shared_bytes(resources[Accelerator.CPU], [large]) == 2 * (64 * GIB - RAY_BYTES)
    assert shared_bytes(resources[Accelerator.CUDA], [small]) == 0


def test_pods_that_are_scaled_to_zero_are_waited_for():
    pool = SharedPods(Accelerator.CPU, pods=0, places=2, memory_bytes=4 * GIB)
    assert shared_bytes(Resources(), [pool]) == 4 * GIB - RAY_BYTES


def test_a_run_without_any_workers_of_its_accelerator_is_refused_by_name():
    refused = plan(RECIPE, Resources(Accelerator.CUDA), 0, ())
    assert not refused.admitted
    assert "no worker for cuda is available: add workers" in refused.reason
