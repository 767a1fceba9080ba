"""Sizes of the demo: amount of mail, model, load."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

BASE_MODEL = Path("smollm2-135m-instruct")
"""Directory of the small chat model that `make data` fetches, next to the mails."""


@dataclass(frozen=True)
class Mails:
    """Mails of each class for training (with validation and test), for the control, and arriving later."""

    training: int
    held_out: int
    arriving: int


@dataclass(frozen=True)
class Tier:
    """Size of the demo. `settings` are fields of the project."""

    name: str
    settings: dict[str, Any] = field(default_factory=dict)
    mails: Mails | None = None
    """Limits of mails; None: all mails of the corpus."""
    base: Path | None = None
    """Base model directory next to the mails; None: train from scratch."""
    min_signals: int = 200
    """Answers for a measurement of drift, and answers with feedback for one of errors."""
    flipped: int = 500
    """Training mails of the candidate that must be refused."""
    streams: int = 28
    """Long answers that are open at the switch, each of `stream_tokens` tokens."""
    stream_tokens: int = 640
    request_timeout_s: float = 60.0
    """Timeout of a request in seconds; requests may queue behind the streams."""
    trigger_within_s: float = 240.0


NANO = Tier(
    "nano",
    settings={
        "split": {"testShare": 0.2},
        "training": {"replayCount": 800},
        "gate": {"baselineMargin": 0.05},
    },
)
"""A Llama with a million parameters, trained from scratch on all mails.

The test part is a fifth of the mails, so that a gain is measurable: about 60 spam mails, each worth 0.008 macro-F1.
"""
SMALL = Tier(
    "small",
    settings={
        "training": {
            "method": "METHOD_LORA",
            "learningRate": 5e-4,
            "batchSize": 8,
            "promptTokens": 80,
            "continueEpochs": 2,
            "replayCount": 120,
        },
        "split": {"validationShare": 0.06, "testShare": 0.36},
        # On spam, a bag of words outperforms a chat model trained on 295 mails; this tier demonstrates adapters.
        "gate": {"baselineMargin": 1},
    },
    mails=Mails(training=295, held_out=100, arriving=200),
    base=BASE_MODEL,
    flipped=200,
    streams=22,
    stream_tokens=280,
    request_timeout_s=240.0,
    trigger_within_s=480.0,
)
"""LoRA on SmolLM2-135M-Instruct: of 590 mails, about 320 train and 200 test; 400 mails arrive later."""
TIERS = {tier.name: tier for tier in (NANO, SMALL)}
