"""Time of answers as this process measures it, and their price by the rates of the operator."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import replace

from ratoon.jobs.v1.evaluation_jobs_pb2 import ScoringSpec
from ratoon.tasks.compute import Accelerator, Compute
from ratoon_evaluation.domain.costs import AnswerCost, Rates, cost_of, priced
from ratoon_evaluation.domain.generation import Engine
from ratoon_evaluation.domain.scores import DomainScores, Scores
from ratoon_evaluation.worker.passes import CANDIDATE, REFERENCE
from ratoon_evaluation.worker.spec import compute_of_spec


class Stopwatch:
    """Time since it was created: of all threads of this process, and of the accelerator that it has alone."""

    def __init__(self, compute: Compute, engine: str = "") -> None:
        self._on_cpu = compute.accelerator is Accelerator.CPU
        self._elsewhere = engine == Engine.VLLM
        """Whether other processes answer, whose processor time this one does not see."""
        self._core, self._wall = time.process_time(), time.monotonic()

    def cost(self, answers: int) -> AnswerCost | None:
        """Return the time of a million answers by that of these; None if it is not known."""
        core, wall = time.process_time() - self._core, time.monotonic() - self._wall
        if not answers or (self._on_cpu and self._elsewhere):
            return None
        return cost_of(core, 0.0 if self._on_cpu else wall, answers)


def stored_costs(spec: ScoringSpec) -> dict[tuple[str, str, str], AnswerCost]:
    """Return the time of stored answers, by model, test part and settings."""
    return {
        (each.model, each.test, each.answer_settings): AnswerCost(
            each.cost.core_seconds_per_million, each.cost.device_seconds_per_million
        )
        for each in spec.stored_answers
        if each.HasField("cost")
    }


class Costing:
    """Adds costs to scores."""

    def __init__(self, spec: ScoringSpec) -> None:
        self._accelerator = compute_of_spec(spec).accelerator
        costs = {Accelerator(name): cost for name, cost in spec.rates.hourly_costs.items()}
        self._rates, self._cores = Rates(costs, spec.rates.currency), os.cpu_count() or 1

    def added_to(
        self, scores: DomainScores, models: Mapping[str, AnswerCost], seconds: Mapping[str, float]
    ) -> DomainScores:
        """Return the scores of a domain with the costs of the models and, by their processor time, of baselines."""
        fitted = {name: cost_of(each, 0.0, scores.candidate.records) for name, each in seconds.items()}
        costs = {**fitted, **models}
        return replace(
            scores,
            candidate=self._with_cost(scores.candidate, costs.get(CANDIDATE)),
            reference=self._with_cost(scores.reference, costs.get(REFERENCE)) if scores.reference else None,
            baselines={
                name: self._with_cost(each, costs.get(name)) for name, each in scores.baselines.items()
            },
        )

    def _with_cost(self, scores: Scores, cost: AnswerCost | None) -> Scores:
        if cost is None:
            return scores
        return replace(scores, cost=priced(cost, self._accelerator, self._cores, self._rates))
