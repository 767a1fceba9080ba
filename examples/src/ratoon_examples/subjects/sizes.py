"""Sizes of the demo: how many mails, and how long to train."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Size:
    """Size of the demo. `settings` are fields of the project."""

    name: str
    training: int
    """Mails of the first version: for training, validation and test."""
    held_out: int
    """Mails of the control."""
    arriving: int
    streams: int
    """Answers that are open at the switch, each of `stream_tokens` tokens."""
    stream_tokens: int
    settings: dict[str, Any] = field(default_factory=dict)
    must_improve: bool = True
    """The second version must be better on the new mail; else the gate may refuse it, with its numbers."""
    request_timeout_s: float = 300.0
    bake_s: float = 20.0
    """Bake time of each rollout, in seconds."""
    trigger_within_s: float = 600.0


def _training(**settings: Any) -> dict[str, Any]:
    return {"method": "METHOD_LORA", "learningRate": 5e-4, "batchSize": 8, "loraRank": 16, **settings}


FULL = Size(
    "full",
    training=420,
    held_out=60,
    arriving=240,
    streams=20,
    stream_tokens=200,
    settings={
        "training": _training(epochs=2, continueEpochs=2, replayCount=60),
        "split": {"validationShare": 0.06, "testShare": 0.24},
    },
)
"""About 300 mails train the first version and 100 test it; of 240 arriving mails, some 140 train the second."""
QUICK = Size(
    "quick",
    training=100,
    held_out=12,
    arriving=60,
    streams=4,
    stream_tokens=60,
    settings={
        "training": _training(epochs=1, continueEpochs=1, replayCount=10),
        "split": {"validationShare": 0.1, "testShare": 0.3},
        "gate": {"baselineMargin": 1, "newDomainThreshold": -1, "oldDomainThreshold": -1},
    },
    must_improve=False,
    bake_s=5.0,
)
"""For tests: too few mails to be sure of a gain, so the gate lets every version pass."""
SCRATCH = Size(
    "scratch",
    training=300,
    held_out=12,
    arriving=60,
    streams=4,
    stream_tokens=60,
    settings={
        "training": {"method": "METHOD_FULL", "epochs": 3, "continueEpochs": 2, "replayCount": 40},
        "split": {"validationShare": 0.1, "testShare": 0.2},
        "gate": {"baselineMargin": 1, "newDomainThreshold": -1, "oldDomainThreshold": -1},
    },
    must_improve=False,
    bake_s=5.0,
    trigger_within_s=240.0,
)
"""For tests without a chat model: a model of a million parameters, from scratch, whose answers are poor."""
SIZES = {size.name: size for size in (FULL, QUICK)}
