"""Sizes of the demo: how many items, and how long to train."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Size:
    """Size of the demo. `settings` are fields of the project."""

    name: str
    training: int
    """Words of the first version: for training, validation and test. Ten people rate each."""
    held_out: int
    """Words of the control."""
    arriving: int
    """Strong complaints that arrive later."""
    settings: dict[str, Any] = field(default_factory=dict)
    must_improve: bool = True
    """The second version must be better on what arrived; else the gate may refuse it, with its numbers."""
    request_timeout_s: float = 60.0
    bake_s: float = 20.0
    """Bake time of each rollout, in seconds."""
    trigger_within_s: float = 240.0


_SPLIT = {"validationShare": 0.1, "testShare": 0.2}
FULL = Size(
    "full",
    training=4_900,
    held_out=300,
    arriving=800,
    settings={
        "training": {"epochs": 20, "continueEpochs": 8, "replayCount": 3000},
        "split": _SPLIT,
        # Of single words, a regression on their characters knows about as much as a small model from scratch.
        "gate": {"baselineMargin": 0.05},
    },
)
QUICK = Size(
    "quick",
    training=400,
    held_out=40,
    arriving=80,
    settings={
        "training": {"epochs": 4, "continueEpochs": 2, "replayCount": 100},
        "split": _SPLIT,
        "gate": {"baselineMargin": 10, "newDomainThreshold": -8, "oldDomainThreshold": -8},
    },
    must_improve=False,
    bake_s=5.0,
)
"""For tests: too few words to be sure of a gain, so the gate lets every version pass."""
SIZES = {size.name: size for size in (FULL, QUICK)}
