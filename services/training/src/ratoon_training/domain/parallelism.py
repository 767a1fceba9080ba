"""Layouts of a run over its workers: copies of the model that share the data, and models divided among workers.

A layout is a grid of pipeline stages, data shares and tensor parts; the number of workers is their product. It knows
no library.
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

MAX_WORKERS = 64
"""Maximum number of workers of a run."""


class Strategy(StrEnum):
    """Storage of the weights by the workers that share the data."""

    DDP = "DDP"
    """Each holds all weights, gradients and optimizer states."""
    FSDP = "FSDP"
    """Each holds its part of them, and gathers a layer's weights while it computes that layer (Zhao et al. 2023)."""


class PipelineSchedule(StrEnum):
    """Order in which the stages of a pipeline compute the parts of a step."""

    ONE_F_ONE_B = "1F1B"
    """A backward pass follows as soon as it can, so that few activations are kept (Narayanan et al. 2019)."""
    GPIPE = "GPIPE"
    """All forward passes, then all backward passes (Huang et al. 2019)."""


@dataclass(frozen=True)
class Parallelism:
    """Requested layout; a number of 0 and a strategy of None are chosen."""

    data: int = 0
    """Number of shares of a step's samples."""
    tensor: int = 0
    """Number of workers that divide each layer among them."""
    pipeline: int = 0
    """Number of workers that divide the layers of the model among them."""
    strategy: Strategy | None = None
    schedule: PipelineSchedule = PipelineSchedule.ONE_F_ONE_B
    min_workers: int = 0
    """Number of workers with which the run goes on after it lost others; 0: it waits for all of them."""

    @staticmethod
    def parse(value: dict[str, Any] | None) -> "Parallelism":
        """Return the layout of a JSON object; what it does not state has its default."""
        stated = {name: each for name, each in (value or {}).items() if each not in (None, "")}
        if "strategy" in stated:
            stated["strategy"] = Strategy(stated["strategy"])
        if "schedule" in stated:
            stated["schedule"] = PipelineSchedule(stated["schedule"])
        return Parallelism(**stated)

    def limits(self, workers: int) -> list[tuple[str, bool, str]]:
        """Return each limit as (field, True if it is broken, sentence)."""
        divided = max(1, self.tensor) * max(1, self.pipeline)
        return [
            *(
                (name, not 0 <= getattr(self, name) <= MAX_WORKERS, f"must be 0 to {MAX_WORKERS}")
                for name in ("data", "tensor", "pipeline")
            ),
            (
                "tensor",
                workers % divided > 0,
                f"times pipeline is {divided}: the number of workers must be a multiple of it, and is {workers}",
            ),
            (
                "data",
                self.data > 0 and self.data * divided != workers,
                f"times tensor times pipeline must be the number of workers ({workers}), not {self.data * divided}",
            ),
            (
                "strategy",
                self.strategy is Strategy.FSDP and self.pipeline > 1,
                "FSDP does not go with a pipeline: choose DDP, or tensor instead of pipeline",
            ),
            (
                "min_workers",
                not 0 <= self.min_workers <= workers,
                f"must be 0 to the number of workers ({workers})",
            ),
            (
                "min_workers",
                self.min_workers % divided > 0,
                f"must be a multiple of tensor times pipeline ({divided})",
            ),
        ]

    def layout(self, workers: int) -> "Layout":
        """Return the layout of this number of workers; data parallel copies where nothing is requested."""
        tensor, pipeline = max(1, self.tensor), max(1, self.pipeline)
        data = max(1, workers // (tensor * pipeline))
        return Layout(data, tensor, pipeline, self.strategy or Strategy.DDP, self.schedule)

    def stating(self, layout: "Layout") -> "Parallelism":
        """Return the request with all that was left to the plan stated."""
        return replace(
            self,
            data=layout.data,
            tensor=layout.tensor,
            pipeline=layout.pipeline,
            strategy=layout.strategy,
            schedule=layout.schedule,
        )


@dataclass(frozen=True)
class GroupSize:
    """Numbers of workers with which a group runs."""

    workers: int
    min_workers: int = 0
    """Minimum after workers were lost; 0: all of them."""
    step: int = 1
    """The number of workers is a multiple of this."""

    def of(self, capacity: int) -> int:
        """Return the number of workers for this capacity; 0: too few for a group."""
        minimum = self.min_workers or self.workers
        number = min(self.workers, capacity) // self.step * self.step
        return number if number >= minimum else 0


@dataclass(frozen=True)
class Layout:
    """Layout of a group of workers. Worker numbers go through tensor parts first, then data shares, then stages."""

    data: int = 1
    tensor: int = 1
    pipeline: int = 1
    strategy: Strategy = Strategy.DDP
    schedule: PipelineSchedule = PipelineSchedule.ONE_F_ONE_B

    @property
    def workers(self) -> int:
        """Number of workers."""
        return self.data * self.tensor * self.pipeline

    @property
    def divides(self) -> bool:
        """True if a worker holds only a part of the weights."""
        return self.tensor > 1 or self.pipeline > 1 or self.is_fully_sharded

    @property
    def is_fully_sharded(self) -> bool:
        """True if the workers that share the data divide the weights as well."""
        return self.strategy is Strategy.FSDP and self.data > 1

    def place(self, rank: int) -> tuple[int, int, int]:
        """Return stage, data share and tensor part of a worker."""
        rest, part = divmod(rank, self.tensor)
        stage, share = divmod(rest, self.data)
        return stage, share, part

    def weight_share(self) -> float:
        """Return the share of the weights that one worker holds, about."""
        sharded = self.data if self.is_fully_sharded else 1
        return 1 / (self.tensor * self.pipeline * sharded)

    def __str__(self) -> str:
        """Return the layout as text: `2 data (FSDP) x 2 tensor`."""
        named = [
            f"{self.data} data ({self.strategy})" if self.data > 1 else "",
            f"{self.tensor} tensor" if self.tensor > 1 else "",
            f"{self.pipeline} pipeline ({self.schedule})" if self.pipeline > 1 else "",
        ]
        return " x ".join(filter(None, named)) or "1 worker"


def stage_layers(layers: int, stages: int, stage: int) -> range:
    """Return the layers of a stage of a pipeline: numbers of layers differ by one at most."""
    return range(layers * stage // stages, layers * (stage + 1) // stages)
