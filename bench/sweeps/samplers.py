"""Samplers of sweeps beside one another: how far the best of the first trials is from the optimum, and at what cost.

Two functions of global optimization with a known minimum, scaled to their spread, and a small neural network of a toy
task, which is trained for each trial. Every sampler of a seed has the same ten random trials first.
"""

import math
import statistics
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from ratoon_training.adapters.gaussian_process import GaussianProcessModel
from ratoon_training.adapters.tpe import TpeModel
from ratoon_training.domain.search_space import Parameter, Settings
from ratoon_training.domain.sweeps import Direction, Sampler, Sweep, Trial, TrialState, next_settings

TRIALS, _EARLY = 40, 20
_MODELS = {Sampler.GAUSSIAN_PROCESS: GaussianProcessModel(), Sampler.TPE: TpeModel()}
_THEN = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Objective:
    """Function of settings that is minimized; `optimum` is its known minimum, `scale` the unit of what is reported."""

    name: str
    parameters: tuple[Parameter, ...]
    value: Callable[[Settings], float]
    optimum: float = 0.0
    scale: float = 1.0


def branin(settings: Settings) -> float:
    """Return Branin's function, of two variables (Dixon and Szegö 1978)."""
    x, y = float(settings["x"]), float(settings["y"])
    bent = y - 5.1 * x**2 / (4 * math.pi**2) + 5 * x / math.pi - 6
    return bent**2 + 10 * (1 - 1 / (8 * math.pi)) * math.cos(x) + 10


_ALPHA = (1.0, 1.2, 3.0, 3.2)
_A = (
    (10, 3, 17, 3.5, 1.7, 8),
    (0.05, 10, 17, 0.1, 8, 14),
    (3, 3.5, 1.7, 10, 17, 8),
    (17, 8, 0.05, 10, 0.1, 14),
)
_P = (
    (1312, 1696, 5569, 124, 8283, 5886),
    (2329, 4135, 8307, 3736, 1004, 9991),
    (2348, 1451, 3522, 2883, 3047, 6650),
    (4047, 8828, 8732, 5743, 1091, 381),
)


def hartmann(settings: Settings) -> float:
    """Return Hartmann's function of six variables (Dixon and Szegö 1978)."""
    x = [float(settings[f"x{at}"]) for at in range(6)]
    return -math.fsum(
        alpha
        * math.exp(-math.fsum(a * (v - p / 10_000) ** 2 for a, v, p in zip(row, x, centre, strict=True)))
        for alpha, row, centre in zip(_ALPHA, _A, _P, strict=True)
    )


def network(settings: Settings) -> float:
    """Return the validation loss of a network of 16 units after some steps on 256 noisy points of a sine."""
    import torch
    from torch import nn

    random = torch.Generator().manual_seed(0)
    x = torch.rand(512, 1, generator=random) * 6 - 3
    y = torch.sin(2 * x) + 0.1 * torch.randn(512, 1, generator=random)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        layers = nn.Sequential(nn.Linear(1, 16), nn.Tanh(), nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 1))
    optimizer = torch.optim.AdamW(
        layers.parameters(),
        lr=float(settings["learning_rate"]),
        weight_decay=float(settings["weight_decay"]),
        betas=(float(settings["beta1"]), 0.99),
    )
    batch = int(settings["batch_size"])
    for step in range(1024 // batch):
        places = torch.arange(step * batch, (step + 1) * batch) % 256
        loss = nn.functional.mse_loss(layers(x[places]), y[places])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        value = float(nn.functional.mse_loss(layers(x[256:]), y[256:]))
    return min(value, 10.0) if math.isfinite(value) else 10.0


OBJECTIVES = (
    Objective("Branin", (Parameter("x", -5, 10), Parameter("y", 0, 15)), branin, 0.397887, 50.0),
    Objective("Hartmann", tuple(Parameter(f"x{at}", 0, 1) for at in range(6)), hartmann, -3.32237),
    Objective(
        "network",
        (
            Parameter("learning_rate", 1e-4, 1.0, log=True),
            Parameter("batch_size", 4, 128, log=True, is_integer=True),
            Parameter("weight_decay", 0, 0.5),
            Parameter("beta1", 0, 0.99),
        ),
        network,
    ),
)


def compare(seeds: int, only: Collection[str]) -> int:
    """Print, for each objective and sampler, the mean and spread of what is left to the optimum, and the cost."""
    import torch

    torch.set_num_threads(1)
    print(f"distance of the best trial from the optimum, mean and standard deviation of {seeds} seeds")
    for objective in (each for each in OBJECTIVES if each.name in only):
        for sampler in (Sampler.GAUSSIAN_PROCESS, Sampler.TPE, Sampler.RANDOM):
            results = [_search(objective, sampler, seed) for seed in range(seeds)]
            early, last = ([best[at - 1] for best, _ in results] for at in (_EARLY, TRIALS))
            cost = statistics.mean(seconds for _, seconds in results) / TRIALS
            print(
                f"{objective.name:<12}{sampler:<18}{_spread(early)} after {_EARLY}, {_spread(last)} after {TRIALS} "
                f"trials; {cost * 1000:.0f} ms a proposal",
                flush=True,
            )
    return 0


def _spread(values: Sequence[float]) -> str:
    deviation = statistics.stdev(values) if len(values) > 1 else 0.0
    return f"{statistics.mean(values):.3f} ({deviation:.3f})"


def _search(objective: Objective, sampler: Sampler, seed: int) -> tuple[list[float], float]:
    """Return the distance of the best trial so far after each trial, and the processor time of all proposals."""
    sweep = Sweep(
        name="projects/bench/sweeps/s",
        create_time=_THEN,
        update_time=_THEN,
        recipe={},
        metric="loss",
        direction=Direction.MINIMIZE,
        parameters=objective.parameters,
        sampler=sampler,
        seed=seed,
    )
    best, seconds = [math.inf], 0.0
    for number in range(1, TRIALS + 1):
        model, began = _MODELS.get(sampler), time.process_time()
        settings = model.propose(sweep, number) if model else next_settings(sweep, number)
        seconds += time.process_time() - began
        if settings is None:
            break
        value = objective.value(settings)
        trial = Trial(number, settings, TrialState.COMPLETED, value=value)
        sweep = replace(sweep, trials=(*sweep.trials, trial))
        best.append(min(best[-1], (value - objective.optimum) / objective.scale))
    return best[1:], seconds
