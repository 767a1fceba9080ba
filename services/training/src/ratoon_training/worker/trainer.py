"""Ray Train without parts that one machine does not need: autoscaler, data manager, and torch in its controller.

A stock `TorchTrainer.fit()` starts seven processes for one worker, three of which import torch; on two cores that is
half a minute before the first step. This trainer keeps Ray Train's controller, worker group and recovery, brings its
own process-group backend (so that torch is imported by workers alone), and leaves three helpers out: the cleaner of
placement groups (they die with the driver's Ray), the dataset manager (there are no Ray datasets) and the
autoscaling coordinator (the group's size is fixed). Three underscored methods of Ray Train are overridden for that:
`ray_internals.USED` lists them for the test of the pinned Ray, and another test holds the processes that a run starts.
"""

import socket
from dataclasses import dataclass
from typing import Any

import ray
from ray.train.backend import Backend, BackendConfig
from ray.train.v2._internal.execution.scaling_policy import FixedScalingPolicy
from ray.train.v2.api.data_parallel_trainer import DataParallelTrainer

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


class FixedGroup(FixedScalingPolicy):
    """A group of a fixed size, without requests to an autoscaler."""

    def after_controller_start(self, train_run_context: Any) -> None:
        """Register nothing."""

    def _maybe_send_resource_request(self) -> None:
        """Request nothing."""


class Trainer(DataParallelTrainer):
    """Ray Train's data-parallel trainer, lean."""

    def _create_default_callbacks(self) -> list[Any]:
        usual = super()._create_default_callbacks()
        return [callback for callback in usual if type(callback).__name__ not in _LEFT_OUT]

    def _initialize_and_run_controller(self, **arguments: Any) -> Any:
        arguments["scaling_policy"] = FixedGroup(self.scaling_config)
        return super()._initialize_and_run_controller(**arguments)


def _free_address() -> str:
    """Return a free address of this worker's node."""
    host = ray.util.get_node_ip_address()
    with socket.socket() as probe:
        probe.bind((host, 0))
        return f"tcp://{host}:{probe.getsockname()[1]}"


def _join(backend: str, address: str, rank: int, world_size: int) -> None:
    import torch.distributed as dist

    dist.init_process_group(backend, init_method=address, rank=rank, world_size=world_size)
