"""Machine families by kind of work. The families are a data file that operators can override."""

import json
from collections.abc import Iterator
from dataclasses import dataclass

LIGHT_CPU, BALANCED, GPU_BOUND = "light cpu", "balanced medium", "gpu-bound"
ENERGY, PROTOTYPE, SERVING = "energy-conscious llm training", "prototype", "efficient serving"
_LIGHT = 10_000_000
"""Parameters below which a model trains on a few cores."""
_SMALL = 100_000_000
"""Parameters from which a model keeps an accelerator busy."""


@dataclass(frozen=True)
class MachineFamily:
    """A machine family: its chip, purpose, energy efficiency, and suitable kinds of work, best first."""

    family: str
    chip: str
    purpose: str
    energy: str
    suits: tuple[str, ...]


@dataclass(frozen=True)
class Recommendation:
    """The family that suits a kind of work best, and the property of the run that makes it this kind of work."""

    work: str
    family: str
    chip: str
    energy: str
    reason: str


def parse_families(text: str) -> tuple[MachineFamily, ...]:
    """The families in a JSON array of objects."""
    return tuple(MachineFamily(**{**row, "suits": tuple(row["suits"])}) for row in json.loads(text))


def best_for(work: str, families: tuple[MachineFamily, ...]) -> list[str]:
    """The names of the families that suit a kind of work, best first: by where the family lists it."""
    fitting = [
        (each.suits.index(work), at, each.family) for at, each in enumerate(families) if work in each.suits
    ]
    return [family for _, _, family in sorted(fitting)]


def work_of(parameters: int, accelerator: str, *, adapts: bool = False) -> str:
    """Return the kind of work of a training run: by its size, and by the accelerator that it names.

    A large model on a CPU is work for an accelerator that is still to be chosen: an adapter is a prototype on a small
    GPU, all of its weights are a job for the chip that needs the least energy.
    """
    if accelerator == "NEURON":
        return ENERGY
    if accelerator == "CUDA":
        return GPU_BOUND
    if parameters < _LIGHT:
        return LIGHT_CPU
    if parameters < _SMALL:
        return BALANCED
    return PROTOTYPE if adapts else ENERGY


def recommended(
    parameters: int, accelerator: str, families: tuple[MachineFamily, ...], *, adapts: bool = False
) -> tuple[Recommendation, ...]:
    """Return the best family for each kind of work that a run may be, that of its own resources first."""
    by_name = {each.family: each for each in families}
    own = work_of(parameters, accelerator, adapts=adapts)
    reasons = dict(_kinds_of_work(parameters, adapts))
    reasons.setdefault(own, f"The run names the accelerator {accelerator.lower()}.")
    listed = [own, *(work for work in reasons if work != own)]
    best = ((work, best_for(work, families)) for work in listed)
    return tuple(
        Recommendation(work, names[0], by_name[names[0]].chip, by_name[names[0]].energy, reasons[work])
        for work, names in best
        if names
    )


def _kinds_of_work(parameters: int, adapts: bool) -> Iterator[tuple[str, str]]:
    size = f"{parameters:,} parameters"
    if parameters < _LIGHT:
        yield LIGHT_CPU, f"{size}: a few cores train it."
        return
    if parameters < _SMALL:
        yield BALANCED, f"{size}: trained by many cores, if time allows."
    else:
        yield ENERGY, f"{size} of a language model, if energy counts most."
    yield GPU_BOUND, f"{size}, if time counts most."
    if adapts or parameters < _SMALL:
        yield (
            PROTOTYPE,
            "An adapter or a small model, if it is a trial." if adapts else f"{size}, for a trial.",
        )
    yield SERVING, f"To serve {size} with little energy after the training."
