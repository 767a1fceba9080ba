"""Optimizers, schedules and adapters by name, with defaults and limits. This module knows no library."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

Limit = tuple[str, bool, str]
"""A field of the API, whether it is out of its limits, and what they are."""


class Optimizer(StrEnum):
    """Optimizer."""

    ADAMW = "ADAMW"
    ADAM = "ADAM"
    SGD = "SGD"
    RMSPROP = "RMSPROP"
    ADAGRAD = "ADAGRAD"
    MUON = "MUON"

    @property
    def decouples_decay(self) -> bool:
        """Return True if weight decay takes its share of the weights apart from the gradient."""
        return self in (Optimizer.ADAMW, Optimizer.MUON)

    @property
    def has_momentum(self) -> bool:
        """Return True if the momentum is a setting of it."""
        return self in (Optimizer.SGD, Optimizer.RMSPROP, Optimizer.MUON)

    @property
    def rate_factor(self) -> float:
        """Factor on the usual learning rate of AdamW, whose steps are about as large as the rate itself."""
        return _RATE_FACTORS.get(self, 1.0)

    def momentum(self, stated: float | None) -> float:
        """Return the momentum: the stated one, else the usual one."""
        return _MOMENTA.get(self, 0.0) if stated is None else stated

    def states(self, momentum: float | None) -> int:
        """Return how many numbers the optimizer holds for each weight; of Muon, those of a matrix of a layer."""
        if self in (Optimizer.SGD, Optimizer.RMSPROP):
            return (self is Optimizer.RMSPROP) + (self.momentum(momentum) > 0)
        return 2 if self in (Optimizer.ADAMW, Optimizer.ADAM) else 1


_RATE_FACTORS = {Optimizer.SGD: 50.0, Optimizer.ADAGRAD: 5.0}
_MOMENTA = {Optimizer.SGD: 0.9, Optimizer.MUON: 0.95}
USUAL_DECAY = 0.1
"""Weight decay where it is decoupled."""


class Schedule(StrEnum):
    """Course of the learning rate after the warm-up."""

    COSINE = "COSINE"
    LINEAR = "LINEAR"
    CONSTANT = "CONSTANT"
    WARMUP_STABLE_DECAY = "WARMUP_STABLE_DECAY"


@dataclass(frozen=True)
class Optimization:
    """Optimizer and schedule of a run, beyond what every recipe states."""

    optimizer: Optimizer = Optimizer.ADAMW
    momentum: float | None = None
    """Momentum; None: that of the optimizer."""
    schedule: Schedule = Schedule.COSINE
    warmup_steps: int = 0
    """Steps in which the rate rises; 0: the share of the recipe."""
    decay_share: float = 0.2
    """Share of the steps in which the rate falls at the end (WARMUP_STABLE_DECAY)."""
    dropout: float | None = None
    """Share of attention weights and of the outputs of dropout layers that a step sets to 0; None: the model's own."""
    l1: float = 0.0
    token_budget: int = 0
    """Maximum number of tokens that a run reads; 0: no limit."""

    @staticmethod
    def parse(value: Mapping[str, Any]) -> "Optimization":
        """Return the settings in a JSON object; what it does not state has its default."""
        stated = {name: each for name, each in value.items() if each is not None}
        stated["optimizer"] = Optimizer(stated.get("optimizer", Optimizer.ADAMW))
        stated["schedule"] = Schedule(stated.get("schedule", Schedule.COSINE))
        if "token_budget" in stated:
            stated["token_budget"] = int(stated["token_budget"])
        return Optimization(**stated)

    def as_json(self) -> dict[str, Any]:
        """Return a JSON object that `parse` reads."""
        return asdict(self)

    def limits(self) -> Iterator[Limit]:
        """Yield the limits of these settings alone."""
        momentum, dropout = self.momentum, self.dropout
        yield (
            "momentum",
            momentum is not None and not self.optimizer.has_momentum,
            f"needs SGD, RMSPROP or MUON: {self.optimizer} has none",
        )
        yield "momentum", momentum is not None and not 0 <= momentum < 1, "must be 0 to below 1"
        yield "warmup_steps", not 0 <= self.warmup_steps <= 1_000_000, "must be 0 to 1,000,000"
        yield "decay_share", not 0 < self.decay_share <= 1, "must be above 0 and at most 1"
        yield (
            "decay_share",
            self.decay_share != Optimization().decay_share
            and self.schedule is not Schedule.WARMUP_STABLE_DECAY,
            "needs the schedule WARMUP_STABLE_DECAY",
        )
        yield "dropout", dropout is not None and not 0 <= dropout < 1, "must be 0 to below 1"
        yield "l1", not 0 <= self.l1 <= 1, "must be 0 to 1"
        yield "token_budget", not 0 <= self.token_budget <= 10**15, "must be 0 (no limit) to 10^15"


class Quantization(StrEnum):
    """Number format of the frozen weights of linear layers."""

    NONE = ""
    """That of the other weights."""
    NF4 = "NF4"
    """4-bit NormalFloat with scales of 8 bits (QLoRA)."""


@dataclass(frozen=True)
class Lora:
    """Settings of a new adapter beyond its rank."""

    alpha: float = 0.0
    """Scale; 0: twice the rank."""
    dropout: float = 0.0
    targets: tuple[str, ...] = ()
    """Last parts of the names of the layers that get an adapter; empty: all linear layers of the decoder."""
    rank_stabilized: bool = False
    dora: bool = False
    merge: bool = False
    """Publish the whole model with the adapter merged."""
    quantization: Quantization = Quantization.NONE

    @staticmethod
    def parse(value: Mapping[str, Any]) -> "Lora":
        """Return the settings in a JSON object; what it does not state has its default."""
        stated = {name: each for name, each in value.items() if each is not None}
        stated["targets"] = tuple(stated.get("targets") or ())
        stated["quantization"] = Quantization(stated.get("quantization", ""))
        return Lora(**stated)

    def as_json(self) -> dict[str, Any]:
        """Return a JSON object that `parse` reads."""
        return {**asdict(self), "targets": list(self.targets)}

    def limits(self) -> Iterator[Limit]:
        """Yield the limits of these settings alone."""
        yield "alpha", not 0 <= self.alpha <= 4096, "must be above 0 and at most 4,096"
        yield "dropout", not 0 <= self.dropout < 1, "must be 0 to below 1"
        yield "targets", len(self.targets) > 64, "must be at most 64 names"
        yield (
            "targets",
            any(not name or len(name) > 128 or not name.isprintable() for name in self.targets),
            "must be names of layers, such as q_proj",
        )
        yield (
            "dora",
            self.dora and not self.merge,
            "needs lora.merge: engines load no adapter of DoRA, but the merged model",
        )
        yield (
            "quantization",
            self.merge and self.quantization is not Quantization.NONE,
            "does not go with lora.merge: publish the adapter, and merge it with the method MERGE afterwards",
        )
