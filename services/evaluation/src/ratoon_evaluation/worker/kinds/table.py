"""Table of the kinds of task, and what the job needs of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from ratoon.jobs.v1.evaluation_jobs_pb2 import ScoringSpec
from ratoon.storage.artifacts import ArtifactStore
from ratoon.storage.models import ModelFolder
from ratoon.tasks.kind import Kind
from ratoon_evaluation.domain.scores import DomainScores
from ratoon_evaluation.worker.kinds import classify, generate, regress
from ratoon_evaluation.worker.parts import Part
from ratoon_evaluation.worker.passes import Domain, Pass


class Fitting(Protocol):
    """A process that fits baselines."""

    def stop(self) -> None:
        """End the process and remove its texts."""
        ...


class Evaluator(Protocol):
    """A kind of task within one job. `Any` is what its own modules hand to each other."""

    def check(self, part: Part) -> None:
        """Raise UnusablePart if the part cannot be scored."""
        ...

    def fit(self, folder: Path, domains: Sequence[Domain]) -> Fitting:
        """Start the process that fits the baselines."""
        ...

    def fitted(self, fitting: Any, domains: Sequence[Domain]) -> Sequence[Any]:
        """Wait for the baselines and return them by domain, None where there are none; raises BaselinesFailed."""
        ...

    def passes(self, domains: Sequence[Domain]) -> Sequence[Pass]:
        """Return which models answer which test parts."""
        ...

    def stored(self, each: Pass, predictions: str) -> Any:
        """Return the answers of a pass that an earlier job stored; None if they are gone or of other settings."""
        ...

    def load(self, folder: ModelFolder) -> Any:
        """Return a model that answers."""
        ...

    def answer(self, model: Any, each: Pass, advance: Callable[[int], None]) -> Any:
        """Answer a test part; `advance` gets the number of finished records, and may raise to stop."""
        ...

    def measure(self, domain: Domain, answers: Mapping[str, Any], fitted: Any) -> DomainScores:
        """Return the scores of a domain from the answers by answerer; stores predictions and wrong answers."""
        ...


class EvaluatorKind(Protocol):
    """What a kind of task decides in a job, implemented by a module of its name."""

    def evaluator(self, spec: ScoringSpec, store: ArtifactStore, /) -> Evaluator:
        """Return the evaluator of a job."""
        ...


KINDS: Mapping[Kind, EvaluatorKind] = {
    Kind.CLASSIFY: classify,
    Kind.GENERATE: generate,
    Kind.REGRESS: regress,
}
