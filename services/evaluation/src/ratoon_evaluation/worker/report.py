"""The report of one evaluation, as JSON and as one HTML page without outside parts. It computes no score."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from html import escape
from typing import Any

from ratoon.tasks import kinds
from ratoon.tasks.classify import Classify
from ratoon.tasks.judges import METRICS as JUDGE_METRICS
from ratoon.tasks.kind import Direction, Metric
from ratoon.tasks.kinds import TaskSpec
from ratoon.tasks.titles import metric_title
from ratoon_evaluation.domain.costs import described
from ratoon_evaluation.domain.gate import Outcome, Verdict, untested
from ratoon_evaluation.domain.kinds.classify import Confusion
from ratoon_evaluation.domain.kinds.table import kind_of
from ratoon_evaluation.domain.scores import (
    DomainScores,
    HumanScores,
    Interval,
    JudgeScores,
    Scores,
    SliceScore,
    SuiteScores,
)
from ratoon_evaluation.domain.wording import number, span
from ratoon_evaluation.worker.cards import Card

_STYLE = """ :root{color-scheme:light dark;--line:#8884} body{font:16px/1.5
system-ui,sans-serif;max-width:64rem;margin:2rem auto;padding:0 1rem}
.scroll{overflow-x:auto}table{border-collapse:collapse;margin:.5rem 0 1.5rem}
caption{text-align:left;font-weight:600}th,td{padding:.25rem .75rem;border-bottom:1px solid
var(--line);text-align:left} td.n{text-align:right;font-variant-numeric:tabular-nums}.verdict{padding:.75rem
1rem;border-left:.4rem solid}
.passed{border-color:#2a8a4a}.refused{border-color:#c0392b}code{overflow-wrap:anywhere}
"""


_ANY_LABELS = Classify()


@dataclass(frozen=True)
class _Words:
    """Metrics of the kind of task, the primary one, and names of the baselines."""

    metrics: Mapping[str, Metric]
    primary: Metric
    baselines: Mapping[str, str]

    def baseline(self, name: str) -> str:
        """Return the name of a baseline for people."""
        return self.baselines.get(name, name)

    def title(self, name: str) -> str:
        """Return the name of a metric with its direction, if lower values are better."""
        lower = self.metrics[name].direction is Direction.LOWER
        return metric_title(name) + (" (lower is better)" if lower else "")

    def span(self, name: str, values: Mapping[str, Interval], sign: str = "") -> str:
        """Return a value with its interval, or a dash."""
        metric = self.metrics.get(name, Metric(name))
        return span(values[name], metric, sign) if name in values else "–"

    def measured(self, each: Iterable[Scores | SliceScore]) -> list[str]:
        """Return the metrics that any of the scores has: the primary one, then those of the kind in their order."""
        names = {name for scores in each for name in scores.measured}
        first = [self.primary.name] if self.primary.name in names else []
        return first + [name for name in self.metrics if name in names and name != self.primary.name]


def _words(task: TaskSpec, primary: str) -> _Words:
    shared = kinds.kind_of(task)
    metrics = {**shared.METRICS, **JUDGE_METRICS}
    return _Words(metrics, shared.METRICS[primary or shared.PRIMARY], kind_of(task).BASELINE_TITLES)


_OF_LABELS = _words(_ANY_LABELS, "")


@dataclass(frozen=True)
class Content:
    """What a report shows."""

    title: str
    models: Mapping[str, Card]
    outcome: Outcome
    task: TaskSpec = _ANY_LABELS
    metric: str = ""
    """Primary metric; empty: that of the kind of task."""
    generation: Mapping[str, object] = field(default_factory=dict)
    """Settings of generated answers by name."""
    note: str = ""
    """Sentence that says why this candidate is evaluated."""


def as_json(content: Content) -> bytes:
    """Everything measured, with architecture and training parameters, as canonical JSON."""
    metric, outcome = _words(content.task, content.metric).primary, content.outcome
    document: dict[str, Any] = {
        "title": content.title,
        "task": content.task.kind,
        "metric": metric.name,
        "direction": metric.direction,
        "generation": dict(content.generation),
        "models": {role: asdict(card) for role, card in content.models.items()},
        **asdict(outcome),
        "summary": outcome.verdict.sentence,
        "candidate_note": content.note,
    }
    if not outcome.measured.suites:
        del document["measured"]["suites"]
    for domain in document["measured"]["domains"]:
        if not domain["judges"]:
            del domain["judges"]
        if domain["human"] is None:
            del domain["human"]
    return json.dumps(document, sort_keys=True, indent=1).encode()


def as_html(content: Content) -> str:
    """The page: verdict, scores beside baselines, slices, confusion, then what was trained and how.

    It names no text of a record: those of erased records must not live on in reports.
    """
    words, outcome = _words(content.task, content.metric), content.outcome
    body = [
        f"<h1>{escape(content.title)}</h1>",
        _verdict(outcome.verdict),
        f"<p>{escape(content.note)}</p>" if content.note else "",
        *(section for domain in outcome.measured.domains for section in _domain(domain, words)),
        f"<p>{escape(size_note(content.models))}</p>" if size_note(content.models) else "",
        *(section for suite in outcome.measured.suites for section in _suite(suite, words)),
        _generation(content.generation),
        "<h2>Architecture and training</h2>",
        _cards(content.models),
    ]
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(content.title)}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{_STYLE}</style></head><body><main>{''.join(body)}</main></body></html>\n"
    )


def _verdict(verdict: Verdict) -> str:
    findings = "".join(
        f"<li>{'✓' if finding.passed else '✗'} {escape(finding.sentence)}</li>"
        for finding in verdict.findings
    )
    outcome = "passed" if verdict.passed else "refused"
    return f'<div class="verdict {outcome}"><strong>{outcome.capitalize()}.</strong><ul>{findings}</ul></div>'


def _domain(domain: DomainScores, words: _Words) -> Iterable[str]:
    answerers: dict[str, Scores] = {"candidate": domain.candidate}
    if domain.reference:
        answerers["reference"] = domain.reference
    answerers |= {words.baseline(name): scores for name, scores in domain.baselines.items()}
    yield f"<h2>Domain {escape(domain.domain)}</h2><p>{domain.candidate.records} records."
    yield f" Test part <code>{domain.test}</code></p>"
    if notes := " ".join(domain.notes) or baseline_note(domain, words):
        yield f'<p class="verdict refused"><strong>{escape(notes)}</strong></p>'
    if note := untested(domain):
        yield f"<p>{escape(note)} Macro averages leave it out.</p>"
    yield _scores(answerers, words)
    yield _costs(answerers)
    if domain.bleu_tokenizer:
        yield f"<p>BLEU is over the tokens of sacrebleu's <code>{escape(domain.bleu_tokenizer)}</code>.</p>"
    yield _unmeasured(domain.candidate)
    yield _differences(
        "Candidate minus reference, paired", _compared(domain, domain.difference_of, words), words
    )
    yield _differences(
        f"Candidate minus {words.baseline(domain.best_baseline)}, paired",
        _compared(domain, domain.baseline_difference_of, words),
        words,
    )
    if domain.candidate.classes:
        yield _classes(domain.candidate)
    if domain.candidate.confusion:
        yield _confusion(domain.candidate.confusion)
    yield _judges(domain.judges)
    yield _human(domain.human)
    yield _slices(domain.candidate, words)
    yield f"<p>{domain.wrong_count} wrong answers, stored as <code>{domain.wrong}</code>.</p>"


def _suite(suite: SuiteScores, words: _Words) -> Iterable[str]:
    """Yield the tests of a suite: the metric that sums each up, then the others, and those without a value."""
    yield f"<h2>Suite {escape(suite.suite)}</h2>"
    rows = [
        (
            test.test,
            ", ".join(filter(None, (test.kind.lower().replace("_", " "), test.difficulty))) or "–",
            str(test.records),
            metric_title(name),
            *(words.span(name, each) for each in (test.candidate, test.reference)),
            words.span(name, test.differences, "+"),
        )
        for test in suite.tests
        for name in sorted(test.candidate, key=lambda each: (each != test.metric, each))
    ]
    head = ("test", "kind", "records", "metric", "candidate", "reference", "difference")
    yield _table("Tests with 95 % confidence intervals", head, rows) if rows else ""
    yield from _step_by_step(suite, words)
    for test in suite.tests:
        for name, why in test.unmeasured.items():
            yield f"<p>{escape(test.test)}: {escape(metric_title(name or test.metric))} has no value. {escape(why)}</p>"


def _step_by_step(suite: SuiteScores, words: _Words) -> Iterable[str]:
    """Yield the scores with and without reasoning of the tests that ask for it."""
    rows = [
        (
            test.test,
            metric_title(name),
            *(words.span(name, each) for each in (test.candidate, reasoned.candidate)),
            words.span(name, reasoned.differences, "+"),
        )
        for test in suite.tests
        if (reasoned := test.step_by_step) is not None
        for name in sorted(reasoned.candidate, key=lambda each: (each != test.metric, each))
    ]
    head = ("test", "metric", "without", "step by step", "difference")
    yield _table("Candidate with and without reasoning step by step", head, rows) if rows else ""


def _scores(answerers: Mapping[str, Scores], words: _Words) -> str:
    names = words.measured(answerers.values())
    extra = {
        column: value for column, value in _PLAIN.items() if any(value(each) for each in answerers.values())
    }
    rows = [
        (
            name,
            *(words.span(metric, scores.measured) for metric in names),
            *(value(scores) or "–" for value in extra.values()),
            str(scores.unanswered_count),
        )
        for name, scores in answerers.items()
    ]
    head = ("", *map(words.title, names), *extra, "no valid answer")
    return _table("Scores with 95 % confidence intervals", head, rows)


def _unmeasured(scores: Scores) -> str:
    lines = [
        f"<li>{escape(metric_title(name))}: {escape(why)}</li>" for name, why in scores.unmeasured.items()
    ]
    return f"<p>Not measured:</p><ul>{''.join(lines)}</ul>" if lines else ""


def _compared(
    domain: DomainScores, difference_of: Callable[[str], Interval | None], words: _Words
) -> dict[str, Interval]:
    """Return the differences of the candidate's metrics, by name."""
    names = words.measured([domain.candidate])
    return {name: known for name in names if (known := difference_of(name)) is not None}


def _differences(caption: str, differences: Mapping[str, Interval], words: _Words) -> str:
    rows = [(words.title(name), words.span(name, differences, "+")) for name in differences]
    return _table(caption, ("metric", "difference"), rows) if rows else ""


def baseline_note(domain: DomainScores, words: _Words = _OF_LABELS) -> str:
    """A sentence that says that a baseline does better than the candidate; empty: none does."""
    metric, best = words.primary, domain.baselines.get(domain.best_baseline)
    reached, model = (each.measured.get(metric.name) if each else None for each in (best, domain.candidate))
    if reached is None or model is None or metric.gain(reached.value, model.value) <= 0:
        return ""
    return (
        f"{words.baseline(domain.best_baseline)} reaches {metric_title(metric.name)} "
        f"{number(reached.value, metric)}; the model {number(model.value, metric)}."
    )


def notes_of(
    domain: DomainScores, candidate: Card, task: TaskSpec = _ANY_LABELS, metric: str = ""
) -> tuple[str, ...]:
    """Return sentences on a baseline that does better than the candidate, with the costs of both.

    A bag of words *beats* a language model if the paired interval of their difference is on its side of 0.
    """
    words = _words(task, metric)
    note = baseline_note(domain, words)
    if not note:
        return ()
    best = domain.baselines[domain.best_baseline]
    difference = domain.baseline_difference_of(words.primary.name)
    is_lower = words.primary.direction is Direction.LOWER
    loses = difference is not None and (difference.low > 0 if is_lower else difference.high < 0)
    is_bag = domain.best_baseline in _BAGS_OF_WORDS and not candidate.is_small
    costs = (
        f"A million answers: {described(best.cost)} against {described(domain.candidate.cost)}."
        if best.cost and domain.candidate.cost
        else ""
    )
    beaten = "A bag of words beats the language model." if loses and is_bag else ""
    return tuple(filter(None, (note, beaten, costs)))


_BAGS_OF_WORDS = ("tfidf", "tfidf_chars", "ridge_tfidf", "classical")
"""Baselines that read the words or the characters of a text without their order."""


def _costs(answerers: Mapping[str, Scores]) -> str:
    """Return what a million answers of each answerer cost, with the assumptions below."""
    known = {name: scores.cost for name, scores in answerers.items() if scores.cost is not None}
    rows = [
        (
            name,
            f"{cost.core_seconds_per_million:,.0f}",
            f"{cost.device_seconds_per_million:,.0f}" if cost.device_seconds_per_million else "–",
            "–" if cost.price_per_million is None else f"{cost.price_per_million:.4g} {cost.currency}",
        )
        for name, cost in known.items()
    ]
    head = ("", "seconds of a core", "seconds of the accelerator", "price")
    assumptions = dict.fromkeys(cost.assumption for cost in known.values())
    below = "".join(f"<p>{escape(each)}</p>" for each in assumptions if each)
    return _table("Cost of a million answers", head, rows) + below if rows else ""


_PLAIN: Mapping[str, Callable[[Scores], str]] = {
    "precision": lambda scores: _share(scores.precision) if scores.confusion else "",
    "recall": lambda scores: _share(scores.recall) if scores.confusion else "",
    "perplexity of the texts": lambda scores: (
        f"{scores.perplexity:.1f}" if scores.perplexity and scores.confusion else ""
    ),
    "too long": lambda scores: str(scores.unfit) if scores.unfit else "",
}
"""Columns of values without an interval; one that no scores have is left out."""


def _classes(scores: Scores) -> str:
    rows = [
        (c.label, _share(c.precision), _share(c.recall), _share(c.f1), str(c.support)) for c in scores.classes
    ]
    return _table("Candidate by class", ("label", "precision", "recall", "F1", "records"), rows)


def _confusion(confusion: Confusion) -> str:
    labels = confusion.labels
    rows = [(label, *map(str, row)) for label, row in zip(labels, confusion.counts, strict=True)]
    return _table("Label (rows) by answer (columns)", ("", *labels, "no label"), rows)


def _judges(judges: Sequence[JudgeScores]) -> str:
    """Return what lies beside the metrics of judges: what they did not say, and what their verdicts depend on."""
    win_rate = JUDGE_METRICS["judge_win_rate"]
    rows = [
        (
            each.judge,
            *map(str, (each.counted, each.unparsable, each.failed)),
            f"{each.wins} / {each.ties} / {each.losses}",
            str(each.inconsistent),
            f"{each.first_position} / {each.second_position}",
            *(
                f"{span(interval, win_rate)} of {count}" if interval else "–"
                for interval, count in (
                    (each.longer_win_rate, each.longer),
                    (each.shorter_win_rate, each.shorter),
                )
            ),
        )
        for each in judges
    ]
    head = (
        "judge",
        "verdicts",
        "unreadable",
        "no reply",
        "wins / ties / losses",
        "turned with the order",
        "first / second place won both",
        "win rate where longer",
        "win rate where shorter",
    )
    return _table("Judges", head, rows) if rows else ""


def _human(human: HumanScores | None) -> str:
    if human is None:
        return ""
    alphas = (human.comparison_alpha, human.rating_alpha)
    row = (
        f"{human.wins} / {human.ties} / {human.losses}",
        f"{human.candidate_ratings} / {human.reference_ratings}",
        *("–" if alpha is None else _share(alpha) for alpha in alphas),
    )
    head = (
        "wins / ties / losses",
        "rated answers of candidate / reference",
        "alpha of comparisons",
        "alpha of ratings",
    )
    return _table("People", head, [row])


def _slices(scores: Scores, words: _Words) -> str:
    names = words.measured(scores.slices)
    rows = [
        (each.slice, str(each.records), *(words.span(name, each.measured) for name in names))
        for each in scores.slices
    ]
    head = ("slice", "records", *map(words.title, names))
    return _table("Candidate by slice", head, rows) if rows else ""


def _generation(settings: Mapping[str, object]) -> str:
    rows = [(name.replace("_", " "), str(value)) for name, value in settings.items()]
    return _table("Generation of answers", ("setting", "value"), rows) if rows else ""


def _cards(models: Mapping[str, Card]) -> str:
    lines = {role: _card_lines(card) for role, card in models.items()}
    names = list(dict.fromkeys(name for each in lines.values() for name in each))
    rows = [(name, *(str(each.get(name, "–")) for each in lines.values())) for name in names]
    return _table("What was trained, and how", ("", *lines), rows)


def _card_lines(card: Card) -> dict[str, Any]:
    return {
        "digest": card.digest or "–",
        "parameters": f"{card.parameters:,}",
        "bytes": f"{card.bytes:,}",
        **card.architecture,
        **{f"recipe: {name}": value for name, value in card.recipe.items()},
        "diagnosis": card.diagnosis or "–",
    }


def size_note(models: Mapping[str, Card]) -> str:
    """Return how large the best classical model and the candidate are; empty: there is no such model."""
    own, other = models.get("candidate"), models.get("classical")
    if own is None or other is None:
        return ""
    return (
        f"The best classical model, {other.architecture['model']}, has {other.bytes:,} bytes, the candidate "
        f"{own.bytes:,}."
    )


def _table(caption: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    header = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in head)
    lines = "".join(
        f'<tr><th scope="row">{escape(row[0])}</th>'
        + "".join(f'<td class="n">{escape(cell)}</td>' for cell in row[1:])
        + "</tr>"
        for row in rows
    )
    return (
        f'<div class="scroll"><table><caption>{escape(caption)}</caption>'
        f"<thead><tr>{header}</tr></thead><tbody>{lines}</tbody></table></div>"
    )


def _share(value: float) -> str:
    return f"{value:.3f}"
