"""Metrics of human ratings and comparisons of the answers to a test part."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import fsum

from ratoon.jobs.v1.evaluation_jobs_pb2 import ScoringSpec
from ratoon_evaluation.domain.judging import nominal_alpha, ordinal_alpha
from ratoon_evaluation.domain.scores import DomainScores, HumanScores
from ratoon_evaluation.worker.judges.counting import Measured, Values, means
from ratoon_evaluation.worker.passes import CANDIDATE, REFERENCE, Domain
from ratoon_evaluation.worker.resampling import resampling_of

_SHARES = {"CANDIDATE": 1.0, "TIE": 0.5, "REFERENCE": 0.0}
_NO_COMPARISON = "No person compared the two answers to a record of the test part."
_NO_RATING = "No person rated an answer of the candidate to a record of the test part."


class People:
    """Verdicts of people in one job."""

    def __init__(self, spec: ScoringSpec) -> None:
        self._is_requested, self._how = spec.HasField("human"), resampling_of(spec)
        self._verdicts: dict[str, list[str]] = defaultdict(list)
        for comparison in spec.human.comparisons:
            self._verdicts[comparison.record_id] += comparison.verdicts
        self._ratings: dict[tuple[str, str], list[Sequence[int]]] = defaultdict(list)
        for rating in spec.human.ratings:
            self._ratings[rating.role, rating.record_id] += [scale.ratings for scale in rating.scales]

    def added_to(self, scores: DomainScores, domain: Domain) -> DomainScores:
        """Return the scores of a domain with those of people; unchanged if the job takes in none."""
        if not self._is_requested:
            return scores
        ids = domain.test.record_ids
        verdicts = [self._verdicts.get(each, []) for each in ids]
        ratings = {
            role: [self._ratings.get((role, each), []) for each in ids] for role in (CANDIDATE, REFERENCE)
        }
        measured = self._measured(domain, verdicts, ratings)
        return replace(measured.added_to(scores), human=_counted(verdicts, ratings))

    def _measured(
        self,
        domain: Domain,
        verdicts: Sequence[Sequence[str]],
        ratings: Mapping[str, Sequence[Sequence[Sequence[int]]]],
    ) -> Measured:
        shares = [_mean([_SHARES[each] for each in of_record]) for of_record in verdicts]
        rated = {role: [_mean(_flat(each)) for each in of_role] for role, of_role in ratings.items()}
        absent = {
            name: why
            for name, values, why in (
                ("human_win_rate", shares, _NO_COMPARISON),
                ("human_rating", rated[CANDIDATE], _NO_RATING),
            )
            if not any(each is not None for each in values)
        }
        values: dict[str, dict[str, Values]] = {
            CANDIDATE: {"human_win_rate": shares, "human_rating": rated[CANDIDATE]},
            REFERENCE: {"human_rating": rated[REFERENCE]},
        }
        measured = means(domain.test, self._how, values)
        return replace(measured, unmeasured={**measured.unmeasured, **absent})


def _counted(
    verdicts: Sequence[Sequence[str]], ratings: Mapping[str, Sequence[Sequence[Sequence[int]]]]
) -> HumanScores:
    shares = [
        share for each in verdicts if (share := _mean([_SHARES[verdict] for verdict in each])) is not None
    ]
    return HumanScores(
        pairs=len(shares),
        wins=sum(share > 0.5 for share in shares),
        losses=sum(share < 0.5 for share in shares),
        ties=sum(share == 0.5 for share in shares),
        comparison_alpha=nominal_alpha(verdicts),
        candidate_ratings=sum(any(each) for each in ratings[CANDIDATE]),
        reference_ratings=sum(any(each) for each in ratings[REFERENCE]),
        rating_alpha=ordinal_alpha(
            scale for of_role in ratings.values() for of_record in of_role for scale in of_record
        ),
    )


def _flat(scales: Sequence[Sequence[int]]) -> list[float]:
    return [float(rating) for scale in scales for rating in scale]


def _mean(values: Sequence[float]) -> float | None:
    return fsum(values) / len(values) if values else None
