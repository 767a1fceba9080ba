"""Workers of a run and their layout to protobuf and back; `mapping` uses it."""

from ratoon.training.v1 import training_run_pb2 as pb
from ratoon_training.domain.parallelism import Parallelism, PipelineSchedule, Strategy
from ratoon_training.domain.recipes import Accelerator, Resources

_SCHEDULES = {
    PipelineSchedule.ONE_F_ONE_B: pb.Parallelism.SCHEDULE_ONE_F_ONE_B,
    PipelineSchedule.GPIPE: pb.Parallelism.SCHEDULE_GPIPE,
}


def resources_message(value: Resources) -> pb.Resources:
    """Return workers as callers see them, with the layout that they have."""
    message = pb.Resources(
        accelerator=pb.Resources.Accelerator.Value(f"ACCELERATOR_{value.accelerator}"),
        workers=value.workers,
        threads_per_worker=value.threads,
    )
    layout = value.layout
    if layout.workers > 1 or value.parallelism != Parallelism():
        message.parallelism.CopyFrom(
            pb.Parallelism(
                data=layout.data,
                tensor=layout.tensor,
                pipeline=layout.pipeline,
                strategy=pb.Parallelism.Strategy.Value(f"STRATEGY_{layout.strategy}"),
                schedule=_SCHEDULES[layout.schedule]
                if layout.pipeline > 1
                else pb.Parallelism.SCHEDULE_UNSPECIFIED,
                min_workers=value.parallelism.min_workers,
            )
        )
    return message


def requested_resources(message: pb.Resources) -> Resources:
    """Return requested workers."""
    return Resources(
        accelerator=_accelerator(message.accelerator),
        workers=message.workers or 1,
        threads=message.threads_per_worker,
        parallelism=_parallelism(message.parallelism),
    )


def _parallelism(message: pb.Parallelism) -> Parallelism:
    strategy = pb.Parallelism.Strategy.Name(message.strategy).removeprefix("STRATEGY_")
    schedules = {number: schedule for schedule, number in _SCHEDULES.items()}
    return Parallelism(
        message.data,
        message.tensor,
        message.pipeline,
        Strategy(strategy) if message.strategy else None,
        schedules.get(message.schedule, PipelineSchedule.ONE_F_ONE_B),
        message.min_workers,
    )


def _accelerator(value: pb.Resources.Accelerator.ValueType) -> Accelerator:
    if value == pb.Resources.ACCELERATOR_UNSPECIFIED:
        return Accelerator.CPU
    return Accelerator(pb.Resources.Accelerator.Name(value).removeprefix("ACCELERATOR_"))
