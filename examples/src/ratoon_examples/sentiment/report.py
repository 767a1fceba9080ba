"""Report of the demo as JSON, text and HTML. All numbers are from the same run."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from ratoon_examples.demo import pages
from ratoon_examples.demo.following import own_runs
from ratoon_examples.demo.pages import (
    JSON,
    Page,
    Table,
    evaluation_of,
    number,
    score_table,
    stage_table,
    timeline_table,
)
from ratoon_examples.demo.traffic import Exchange
from ratoon_examples.sentiment.steps import Demo, true_scores

METRIC = "mae"


def complaints(demo: Demo) -> list[str]:
    """Return the failed checks of the demo; empty if it passed."""
    truth, failed = true_scores(demo), _failed(demo)
    messages: list[str] = []
    if demo.size.must_improve and truth["v1.1"] >= truth["v1.0"]:
        messages.append(
            f"v1.1 is not better than v1.0 on what arrived: mean absolute error {truth['v1.1']:.3f} against "
            f"{truth['v1.0']:.3f}."
        )
    if failed:
        messages.append(f"{len(failed)} requests failed. First error: {failed[0].error}")
    if demo.facts.get("agreementAlpha") is None:
        messages.append("The agreement of the raters was not measured.")
    if (count := len(own_runs(demo))) != 1:
        messages.append(f"{count} retraining runs started automatically instead of 1.")
    return messages


def write(demo: Demo, folder: Path, failures: Sequence[str]) -> Path:
    """Write report.json, report.txt and report.html; return the path of report.txt."""
    facts = _facts(demo, failures)
    page = Page(
        title=f"Ratoon demo: {demo.project}",
        headline=_headline(facts),
        origin=f"{facts['time']}, {facts['machine']}",
        passed=facts["passed"],
        tables=_tables(facts),
    )
    return pages.write(page, facts, folder)


def _facts(demo: Demo, failures: Sequence[str]) -> JSON:
    return {
        **pages.origin(),
        "project": demo.project,
        "size": demo.size.name,
        "passed": not failures,
        "complaints": list(failures),
        "stages": [asdict(stage) for stage in demo.measured.stages],
        "timeline": [asdict(entry) for entry in demo.measured.timeline],
        "evaluations": {key: evaluation_of(run, METRIC) for key, run in demo.evaluations.items()},
        "truth": true_scores(demo) if demo.after else {},
        "agreementAlpha": demo.facts.get("agreementAlpha"),
        "feedback": {"corrected": demo.corrected, "liked": demo.liked, "junk": demo.junk},
        "requests": {
            "served": sum(1 for each in _exchanges(demo) if each.answer),
            "failed": len(_failed(demo)),
            "versions": sorted({each.answer.version for each in demo.during if each.answer}),
        },
    }


def _tables(facts: JSON) -> list[Table]:
    return [
        score_table(facts["evaluations"], METRIC),
        (
            "Mean absolute error against the mean of ten ratings (the gate used corrections, some of them at random)",
            ["answers of", "mean absolute error"],
            [[key, number(value)] for key, value in facts["truth"].items()],
        ),
        (
            "Agreement of the raters",
            ["measure", "value"],
            [["Krippendorff's alpha, interval", number(facts["agreementAlpha"])]],
        ),
        ("Requests", ["metric", "count"], [[key, str(value)] for key, value in facts["requests"].items()]),
        timeline_table(facts["timeline"]),
        stage_table(facts["stages"]),
    ]


def _headline(facts: JSON) -> str:
    if not facts["passed"]:
        return "The demo failed: " + " ".join(facts["complaints"])
    truth = facts["truth"]
    return (
        f"The loop closed automatically: the mean absolute error on what arrived went from {truth['v1.0']:.3f} to "
        f"{truth['v1.1']:.3f}, {facts['requests']['served']} requests served, none failed."
    )


def _failed(demo: Demo) -> list[Exchange]:
    return [each for each in _exchanges(demo) if not each.answer]


def _exchanges(demo: Demo) -> list[Exchange]:
    return [*demo.control, *demo.before, *demo.during, *demo.after]
