"""The judges of one evaluation job: what they are asked about the answers to the test parts, and their metrics."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from ratoon.jobs.v1.evaluation_jobs_pb2 import JudgeSpec, ScoringSpec
from ratoon.storage.artifacts import ArtifactStore
from ratoon.tasks.judges import JudgeKind
from ratoon_evaluation.domain.judging import (
    WIN_SHARE,
    Choice,
    PairVerdict,
    comparison_prompt,
    pair_verdict,
    score_prompt,
)
from ratoon_evaluation.domain.scores import DomainScores, Interval, JudgeScores
from ratoon_evaluation.worker.judges.asking import Advance, Asker, Replies
from ratoon_evaluation.worker.judges.counting import Measured, Values, mean, means
from ratoon_evaluation.worker.judges.sampling import Texts, sampled
from ratoon_evaluation.worker.parts import Part
from ratoon_evaluation.worker.passes import CANDIDATE, REFERENCE, Domain
from ratoon_evaluation.worker.resampling import Resampling, resampling_of


class Reporter(Protocol):
    """Reports the progress of a job."""

    def advancing(self, message: str) -> Advance:
        """Return a callback for one pass."""
        ...


class JudgingJob:
    """The judges of a job."""

    def __init__(self, spec: ScoringSpec, store: ArtifactStore, folder: Path) -> None:
        how = resampling_of(spec)
        self._judges = [
            _KINDS[JudgeKind(each.kind)](each, Asker(each, store, folder / "judge"), how)
            for each in spec.judges
        ]

    def count(self, answers: Mapping[str, tuple[Domain, Texts]]) -> int:
        """Return the number of prompts to ask about answers by domain."""
        return sum(
            len(judge.asker.missing(judge.prompts(*judge.sample(domain, texts))))
            for judge in self._judges
            for domain, texts in answers.values()
        )

    def ask(self, answers: Mapping[str, tuple[Domain, Texts]], reporter: Reporter) -> None:
        """Ask all judges about answers by domain."""
        for judge in self._judges:
            for domain, texts in answers.values():
                prompts = judge.prompts(*judge.sample(domain, texts))
                message = f"Asking the judge {judge.spec.name} about the domain {domain.name}"
                advance = reporter.advancing(message) if judge.asker.missing(prompts) else _ignore
                judge.replies[domain.name] = judge.asker.ask(prompts, advance)

    def added_to(self, scores: DomainScores, domain: Domain, texts: Texts) -> DomainScores:
        """Return the scores of a domain with those of the judges."""
        for judge in self._judges:
            part, answers = judge.sample(domain, texts)
            of_judge, measured = judge.measure(part, answers, judge.replies[domain.name])
            counted = replace(
                of_judge,
                judge=judge.spec.name,
                identity=judge.asker.identity,
                verdicts=judge.asker.write(),
            )
            scores = replace(measured.added_to(scores), judges=(*scores.judges, counted))
        return scores


def _ignore(_: int) -> None:
    """Take no notice of progress: nothing is asked."""


class _Judge:
    """A judge with its verdicts by domain."""

    def __init__(self, spec: JudgeSpec, asker: Asker, how: Resampling) -> None:
        self.spec, self.asker, self.how = spec, asker, how
        self.replies: dict[str, Replies] = {}

    def sample(self, domain: Domain, texts: Texts) -> tuple[Part, Texts]:
        """Return the records of a test part that the judge is asked about, with the answers to them."""
        return sampled(domain.test, texts, self.spec.max_records)

    def prompts(self, part: Part, texts: Texts) -> list[str]:
        """Return all prompts about the answers to a part."""
        raise NotImplementedError

    def measure(self, part: Part, texts: Texts, replies: Replies) -> tuple[JudgeScores, Measured]:
        """Return what was counted and measured."""
        raise NotImplementedError


@dataclass(frozen=True)
class _Pairs:
    """Verdicts on the pairs of a part, one a record; None: no verdict."""

    verdicts: Sequence[PairVerdict | None]
    identical: Sequence[bool]
    failed: int
    unparsable: int

    @property
    def shares(self) -> list[float | None]:
        """Return the share of a win of the candidate, by record."""
        return [None if each is None else WIN_SHARE[each.choice] for each in self.verdicts]

    @property
    def compared(self) -> list[PairVerdict]:
        """Return the verdicts of the judge on different answers."""
        pairs = zip(self.verdicts, self.identical, strict=True)
        return [each for each, is_identical in pairs if each is not None and not is_identical]

    @property
    def consistent(self) -> list[float | None]:
        """Return 1 or 0 for each pair that was asked, by whether its verdict held in both orders."""
        pairs = zip(self.verdicts, self.identical, strict=True)
        return [
            None if each is None or is_identical else float(each.is_consistent)
            for each, is_identical in pairs
        ]


class _Pairwise(_Judge):
    """Compares the answers of the candidate and of the reference, in both orders."""

    def prompts(self, part: Part, texts: Texts) -> list[str]:
        """Return two prompts for each pair of different answers."""
        return [prompt for pair in self._orders(part, texts) if pair for prompt in pair]

    def measure(self, part: Part, texts: Texts, replies: Replies) -> tuple[JudgeScores, Measured]:
        """Return the win rate, the consistency and what lies beside them."""
        pairs = self._pairs(part, texts, replies)
        measured = means(
            part,
            self.how,
            {CANDIDATE: {"judge_win_rate": pairs.shares, "judge_consistency": pairs.consistent}},
        )
        why = _unusable(
            len(part) - sum(pairs.identical),
            pairs.failed,
            pairs.unparsable,
            replies.failure,
        )
        if why:
            measured = Measured(unmeasured={"judge_win_rate": why, "judge_consistency": why})
        elif pairs.compared and not any(each.is_consistent for each in pairs.compared):
            measured = _without_win_rate(measured)
        return self._counted(part, texts, pairs), measured

    def _orders(self, part: Part, texts: Texts) -> list[tuple[str, str] | None]:
        """Return the two prompts of each pair; None: both answers are the same."""
        criteria = self.spec.criteria
        return [
            None
            if first == second
            else (
                comparison_prompt(record, first, second, criteria),
                comparison_prompt(record, second, first, criteria),
            )
            for record, first, second in zip(part.records, texts[CANDIDATE], texts[REFERENCE], strict=True)
        ]

    def _pairs(self, part: Part, texts: Texts, replies: Replies) -> _Pairs:
        orders = self._orders(part, texts)
        same = PairVerdict(Choice.TIE, True)
        verdicts = [same if each is None else verdict_of(each, replies) for each in orders]
        missing = [each for each, verdict in zip(orders, verdicts, strict=True) if each and verdict is None]
        unparsable = sum(bool(replies.unparsable.intersection(each)) for each in missing)
        return _Pairs(verdicts, [each is None for each in orders], len(missing) - unparsable, unparsable)

    def _counted(self, part: Part, texts: Texts, pairs: _Pairs) -> JudgeScores:
        known = [each for each in pairs.verdicts if each is not None]
        longer, shorter = (self._of_length(part, texts, pairs.shares, sign) for sign in (1, -1))
        return JudgeScores(
            "",
            counted=len(known),
            unparsable=pairs.unparsable,
            failed=pairs.failed,
            wins=sum(each.choice is Choice.FIRST for each in known),
            losses=sum(each.choice is Choice.SECOND for each in known),
            ties=sum(each.choice is Choice.TIE for each in known),
            inconsistent=sum(not each.is_consistent for each in known),
            identical=sum(pairs.identical),
            first_position=sum(each.position is Choice.FIRST for each in known),
            second_position=sum(each.position is Choice.SECOND for each in known),
            longer_win_rate=longer[0],
            longer=longer[1],
            shorter_win_rate=shorter[0],
            shorter=shorter[1],
        )

    def _of_length(self, part: Part, texts: Texts, shares: Values, sign: int) -> tuple[Interval | None, int]:
        """Return the win rate among the pairs whose longer (sign 1) or shorter (-1) answer is the candidate's."""
        lengths = zip(texts[CANDIDATE], texts[REFERENCE], strict=True)
        chosen: list[float | None] = [
            share if sign * (len(first) - len(second)) > 0 else None
            for share, (first, second) in zip(shares, lengths, strict=True)
        ]
        return mean(part, self.how, chosen), sum(each is not None for each in chosen)


class _Rubric(_Judge):
    """Scores the answers of the candidate and of the reference, each alone."""

    def prompts(self, part: Part, texts: Texts) -> list[str]:
        """Return a prompt for each answer."""
        return [prompt for each in self._of_roles(part, texts).values() for prompt in each]

    def measure(self, part: Part, texts: Texts, replies: Replies) -> tuple[JudgeScores, Measured]:
        """Return the mean scores and their difference, over the answers with a score."""
        prompts = self._of_roles(part, texts)
        values: dict[str, Mapping[str, Values]] = {
            role: {"rubric_score": [_score(replies, prompt) for prompt in each]}
            for role, each in prompts.items()
        }
        known = [_score(replies, prompt) for prompt in prompts[CANDIDATE]]
        known_count = sum(each is not None for each in known)
        unparsable = sum(each in replies.unparsable for each in prompts[CANDIDATE])
        failed = len(known) - known_count - unparsable
        counted = JudgeScores("", counted=known_count, unparsable=unparsable, failed=failed)
        if why := _unusable(len(known), failed, unparsable, replies.failure):
            return counted, Measured(unmeasured={"rubric_score": why})
        return counted, means(part, self.how, values)

    def _of_roles(self, part: Part, texts: Texts) -> dict[str, list[str]]:
        return {
            role: [
                score_prompt(record, answer, self.spec.criteria)
                for record, answer in zip(part.records, texts[role], strict=True)
            ]
            for role in (CANDIDATE, REFERENCE)
            if role in texts
        }


_KINDS: Mapping[JudgeKind, Callable[[JudgeSpec, Asker, Resampling], _Judge]] = {
    JudgeKind.PAIRWISE: _Pairwise,
    JudgeKind.RUBRIC: _Rubric,
}


def verdict_of(orders: tuple[str, str], replies: Replies) -> PairVerdict | None:
    """Return the verdict on a pair by its two prompts; None unless both have a verdict."""
    forward, backward = (replies.read.get(prompt) for prompt in orders)
    return None if forward is None or backward is None else pair_verdict(Choice(forward), Choice(backward))


def _score(replies: Replies, prompt: str) -> float | None:
    known = replies.read.get(prompt)
    return None if known is None else float(known)


def _unusable(total: int, failed: int, unparsable: int, failure: str) -> str:
    """Return why verdicts give no metric; empty if they do: more than half of what was asked has one."""
    known = total - failed - unparsable
    if not total or 2 * known > total:
        return ""
    why = f" {failure}" if failure else ""
    return (
        f"The judge judged {known:,} of {total:,}: {failed:,} got no reply, and {unparsable:,} replies could not "
        f"be read.{why}"
    )


def _without_win_rate(measured: Measured) -> Measured:
    of_candidate = dict(measured.metrics[CANDIDATE])
    of_candidate.pop("judge_win_rate", None)
    why = "Each verdict of the judge changed with the order of the answers, so none is decided."
    return replace(
        measured,
        metrics={CANDIDATE: of_candidate},
        unmeasured={**measured.unmeasured, "judge_win_rate": why},
    )
