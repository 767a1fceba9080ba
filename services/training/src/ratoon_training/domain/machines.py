"""Machine families by kind of work. The families are a data file that operators can override."""

import json
from dataclasses import dataclass


@dataclass(frozen=True)
class MachineFamily:
    """A machine family: its chip, purpose, energy efficiency, and suitable kinds of work, best first."""

    family: str
    chip: str
    purpose: str
    energy: str
    suits: tuple[str, ...]


def parse_families(text: str) -> tuple[MachineFamily, ...]:
    """The families in a JSON array of objects."""
    return tuple(MachineFamily(**{**row, "suits": tuple(row["suits"])}) for row in json.loads(text))


def best_for(work: str, families: tuple[MachineFamily, ...]) -> list[str]:
    """The names of the families that suit a kind of work, best first: by where the family lists it."""
    fitting = [
        (each.suits.index(work), at, each.family) for at, each in enumerate(families) if work in each.suits
    ]
    return [family for _, _, family in sorted(fitting)]


def work_of(parameters: int, accelerator: str) -> str:
    """The kind of work a training run is: by its accelerator and its size."""
    if accelerator == "NEURON":
        return "energy-conscious llm training"
    if accelerator == "CUDA":
        return "gpu-bound"
    return "light cpu" if parameters < 10_000_000 else "balanced medium"
