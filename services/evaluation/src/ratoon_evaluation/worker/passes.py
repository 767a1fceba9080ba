"""What an evaluation lets models answer: a pass is one model's answers to one test part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ratoon.jobs.v1.evaluation_jobs_pb2 import ScoringSpec
from ratoon.tasks.compute import Accelerator, Compute, Dtype
from ratoon.tasks.kind import Record
from ratoon_evaluation.worker.parts import Part

CANDIDATE, REFERENCE = "candidate", "reference"


@dataclass(frozen=True)
class Domain:
    """A population by its test part, and the training part that baselines are fitted on."""

    name: str
    test: Part
    train: Part | None


@dataclass(frozen=True)
class Pass:
    """Answers of one model to one test part."""

    answerer: str
    """`candidate`, `reference`, or the name of a baseline."""
    model: str
    """Digest of the model."""
    domain: Domain
    settings: str = ""
    """Identifier of all else that the answers depend on."""
    shots: tuple[Record, ...] = ()
    """Examples that stand before each prompt."""

    @property
    def key(self) -> tuple[str, str, str]:
        """Return what the answers depend on."""
        return self.model, self.domain.test.digest, self.settings


def settings_of_compute(compute: Compute) -> str:
    """Return what distinguishes answers by device and number format; empty: float32 on the CPU."""
    device = "" if compute.accelerator is Accelerator.CPU else f" on {compute.accelerator.lower()}"
    return "" if not device and compute.dtype is Dtype.FLOAT32 else f"{compute.dtype.lower()}{device}"


def roles(spec: ScoringSpec) -> dict[str, str]:
    """Return the digests of the models to compare, by role."""
    digests = {CANDIDATE: spec.candidate, REFERENCE: spec.reference}
    return {role: digest for role, digest in digests.items() if digest}


def of_roles(spec: ScoringSpec, domains: Sequence[Domain], settings: str = "") -> list[Pass]:
    """Return the passes of the candidate and of the reference over all domains."""
    return [
        Pass(role, digest, domain, settings) for role, digest in roles(spec).items() for domain in domains
    ]
