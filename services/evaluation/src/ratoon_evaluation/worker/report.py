"""The report of one evaluation, as JSON and as one HTML page without outside parts. It computes no score."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from html import escape
from typing import Any

from ratoon_evaluation.domain.gate import Outcome, Verdict, untested
from ratoon_evaluation.domain.scores import BASELINE_TITLES, DomainScores, Interval, Scores
from ratoon_evaluation.worker.cards import Card

_STYLE = """ :root{color-scheme:light dark;--line:#8884} body{font:16px/1.5
system-ui,sans-serif;max-width:64rem;margin:2rem auto;padding:0 1rem}
.scroll{overflow-x:auto}table{border-collapse:collapse;margin:.5rem 0 1.5rem}
caption{text-align:left;font-weight:600}th,td{padding:.25rem .75rem;border-bottom:1px solid
var(--line);text-align:left} td.n{text-align:right;font-variant-numeric:tabular-nums}.verdict{padding:.75rem
1rem;border-left:.4rem solid}
.passed{border-color:#2a8a4a}.refused{border-color:#c0392b}code{overflow-wrap:anywhere}
"""


def as_json(title: str, models: Mapping[str, Card], outcome: Outcome) -> bytes:
    """Everything measured, with architecture and training parameters, as canonical JSON."""
    document = {
        "title": title,
        "models": {role: asdict(card) for role, card in models.items()},
        **asdict(outcome),
        "summary": outcome.verdict.sentence,
    }
    return json.dumps(document, sort_keys=True, indent=1).encode()


def as_html(title: str, models: Mapping[str, Card], outcome: Outcome) -> str:
    """The page: verdict, scores beside baselines, slices, confusion, then what was trained and how."""
    body = [
        f"<h1>{escape(title)}</h1>",
        _verdict(outcome.verdict),
        *(section for domain in outcome.measured.domains for section in _domain(domain)),
        "<h2>Architecture and training</h2>",
        _cards(models),
    ]
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
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


def _domain(domain: DomainScores) -> Iterable[str]:
    answerers: dict[str, Scores] = {"candidate": domain.candidate}
    if domain.reference:
        answerers["reference"] = domain.reference
    answerers |= {BASELINE_TITLES.get(name, name): scores for name, scores in domain.baselines.items()}
    yield f"<h2>Domain {escape(domain.domain)}</h2><p>{domain.candidate.records} records."
    yield f" Test part <code>{domain.test}</code></p>"
    if note := baseline_note(domain):
        yield f'<p class="verdict refused"><strong>{escape(note)}</strong></p>'
    if note := untested(domain):
        yield f"<p>{escape(note)} Macro averages leave it out.</p>"
    yield _table(
        "Scores with 95 % confidence intervals",
        ("", "accuracy", "macro-F1", "precision", "recall", "AUC", "perplexity", "no label"),
        [_score_row(name, scores) for name, scores in answerers.items()],
    )
    if domain.difference:
        yield f"<p>Candidate minus reference: {_interval(domain.difference)} macro-F1 (paired bootstrap).</p>"
    yield _classes(domain.candidate)
    yield _confusion(domain.candidate)
    yield _slices(domain.candidate)
    yield f"<p>{domain.wrong_count} wrong answers, stored as <code>{domain.wrong}</code>.</p>"


def baseline_note(domain: DomainScores) -> str:
    """A sentence that says that a baseline does better than the candidate; empty: none does."""
    best = domain.baselines.get(domain.best_baseline)
    model = domain.candidate.macro_f1.value
    if best is None or best.macro_f1.value <= model:
        return ""
    name = BASELINE_TITLES.get(domain.best_baseline, domain.best_baseline)
    return f"{name} reaches macro-F1 {best.macro_f1.value:.3f}; the model {model:.3f}."


def _score_row(name: str, scores: Scores) -> Sequence[str]:
    return (
        name,
        _interval(scores.accuracy),
        _interval(scores.macro_f1),
        _share(scores.precision),
        _share(scores.recall),
        _interval(scores.auc) if scores.auc else "–",
        f"{scores.perplexity:.1f}" if scores.perplexity else "–",
        str(scores.confusion.other),
    )


def _classes(scores: Scores) -> str:
    rows = [
        (c.label, _share(c.precision), _share(c.recall), _share(c.f1), str(c.support)) for c in scores.classes
    ]
    return _table("Candidate by class", ("label", "precision", "recall", "F1", "records"), rows)


def _confusion(scores: Scores) -> str:
    labels = scores.confusion.labels
    rows = [(label, *map(str, row)) for label, row in zip(labels, scores.confusion.counts, strict=True)]
    return _table("Label (rows) by answer (columns)", ("", *labels, "no label"), rows)


def _slices(scores: Scores) -> str:
    rows = [(s.slice, str(s.records), _interval(s.accuracy), _interval(s.macro_f1)) for s in scores.slices]
    return _table("Candidate by slice", ("slice", "records", "accuracy", "macro-F1"), rows) if rows else ""


def _cards(models: Mapping[str, Card]) -> str:
    lines = {role: _card_lines(card) for role, card in models.items()}
    names = list(dict.fromkeys(name for each in lines.values() for name in each))
    rows = [(name, *(str(each.get(name, "–")) for each in lines.values())) for name in names]
    return _table("What was trained, and how", ("", *lines), rows)


def _card_lines(card: Card) -> dict[str, Any]:
    return {
        "digest": card.digest,
        "parameters": f"{card.parameters:,}",
        "bytes": f"{card.bytes:,}",
        **card.architecture,
        **{f"recipe: {name}": value for name, value in card.recipe.items()},
        "diagnosis": card.diagnosis or "–",
    }


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


def _interval(interval: Interval) -> str:
    return f"{interval.value:.3f} [{interval.low:.3f}, {interval.high:.3f}]"


def _share(value: float) -> str:
    return f"{value:.3f}"
