"""Ray Train without parts that one machine does not need: autoscaler, data manager, and torch in its controller.

A stock `TorchTrainer.fit()` starts seven processes for one worker, three of which import torch; on two cores that is
half a minute before the first step. This trainer keeps Ray Train's controller, worker group and recovery, brings its
own process-group backend (so that torch is imported by workers alone), and leaves three helpers out: the cleaner of
placement groups (they die with the driver's Ray), the dataset manager (there are no Ray datasets) and the
autoscaling coordinator (the group takes what is there, or waits). Three underscored methods of Ray Train are
overridden for that: `ray_internals.USED` lists them for the test of the pinned Ray, and another test holds the
processes that a run starts.
"""

import socket
import time
from dataclasses import dataclass
from typing import Any

import ray
from ray.train.backend import Backend, BackendConfig
from ray.train.v2._internal.execution.scaling_policy import (
    FixedScalingPolicy,
    NoopDecision,
    ResizeDecision,
    ScalingDecision,
)
from ray.train.v2.api.data_parallel_trainer import DataParallelTrainer

from ratoon_training.domain.parallelism import GroupSize

_COMPLETE_S = 60.0
"""Seconds that a group with a minimum waits for all of its workers before it begins with those that are there."""
_LOOK_S = 2.0
"""Seconds between two looks at the nodes of the cluster."""
_LEFT_OUT = {"PlacementGroupCleanerCallback", "DatasetsCallback"}


class ProcessGroup(Backend):
    """Joins the workers of a group in one torch process group."""

    def on_start(self, worker_group: Any, backend_config: BackendConfig) -> None:
        """Every worker joins at an address that the first one chooses. A worker alone needs none."""
        world_size = len(worker_group)
        if world_size == 1 or not isinstance(backend_config, ProcessGroupConfig):
            return
        address = worker_group.execute_single(0, _free_address)
        joining = [
            worker_group.execute_single_async(rank, _join, backend_config.backend, address, rank, world_size)
            for rank in range(world_size)
        ]
        ray.get(joining)


@dataclass
class ProcessGroupConfig(BackendConfig):
    """Torch backend that joins the workers: gloo on CPUs, nccl on GPUs."""

    backend: str = "gloo"

    @property
    def backend_cls(self) -> type[Backend]:
        """Backend that joins the workers."""
        return ProcessGroup


class SizedGroup(FixedScalingPolicy):
    """A group of a fixed size, or of what is left of it; without requests to an autoscaler.

    A group with a minimum goes on without workers that are lost, and takes new ones in when they are there. It begins
    with all of them, unless some do not come in time.
    """

    def __init__(self, scaling_config: Any, size: GroupSize) -> None:
        super().__init__(scaling_config)
        self._size = size
        self._begun: float | None = None
        self._looked = 0.0
        self._is_complete = False

    def make_decision_for_non_running_worker_group(self) -> ScalingDecision:
        """Start as many workers as there are resources for, at least the minimum."""
        if not self._size.min_workers:
            return super().make_decision_for_non_running_worker_group()
        number = self._size.of(self._capacity())
        # The controller's clock: this object was made in the driver.
        self._begun = self._begun or time.monotonic()
        waited = time.monotonic() - self._begun
        if number < self._size.workers and not self._is_complete and waited < _COMPLETE_S:
            return NoopDecision()
        return self._resized(number) if number else NoopDecision()

    def make_decision_for_running_worker_group(
        self, worker_group_state: Any, worker_group_status: Any
    ) -> ScalingDecision:
        """Start a larger group when lost workers are replaced; the task resumes from its last checkpoint."""
        now = time.monotonic()
        if not self._size.min_workers or now - self._looked < _LOOK_S:
            return NoopDecision()
        self._looked = now
        self._is_complete = True
        workers: int = worker_group_state.num_workers
        # Other runs may have what is not free.
        number = self._size.of(workers + self._fitting(ray.available_resources()))
        return self._resized(number) if number > workers else NoopDecision()

    def _resized(self, number: int) -> ResizeDecision:
        return ResizeDecision(number, self.scaling_config._resources_per_worker_not_none)

    def _capacity(self) -> int:
        """Return for how many workers the nodes of the cluster have resources."""
        return sum(self._fitting(node["Resources"]) for node in ray.nodes() if node["Alive"])

    def _fitting(self, resources: dict[str, float]) -> int:
        """Return how many workers these resources are enough for."""
        required = self.scaling_config._resources_per_worker_not_none
        return int(min(resources.get(unit, 0.0) / amount for unit, amount in required.items() if amount))

    def after_controller_start(self, train_run_context: Any) -> None:
        """Register nothing."""

    def _maybe_send_resource_request(self) -> None:
        """Request nothing."""


class Trainer(DataParallelTrainer):
    """Ray Train's data-parallel trainer, lean."""

    def __init__(self, *arguments: Any, size: GroupSize, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._size = size

    def _create_default_callbacks(self) -> list[Any]:
        usual = super()._create_default_callbacks()
        return [callback for callback in usual if type(callback).__name__ not in _LEFT_OUT]

    def _initialize_and_run_controller(self, **arguments: Any) -> Any:
        arguments["scaling_policy"] = SizedGroup(self.scaling_config, self._size)
        return super()._initialize_and_run_controller(**arguments)


def _free_address() -> str:
    """Return a free address of this worker's node."""
    host = ray.util.get_node_ip_address()
    with socket.socket() as probe:
        probe.bind((host, 0))
        return f"tcp://{host}:{probe.getsockname()[1]}"


def _join(backend: str, address: str, rank: int, world_size: int) -> None:
    from ratoon_training.worker import mesh

    mesh.join(backend, address, rank, world_size)
