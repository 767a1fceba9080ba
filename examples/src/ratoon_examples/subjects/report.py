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
from ratoon_examples.subjects.steps import TOKENS_TO_COME, Demo, misattributed, true_scores

METRIC = "rouge_l"


def complaints(demo: Demo) -> list[str]:
    """Return the failed checks of the demo; empty if it passed."""
    truth, blame, failed = true_scores(demo), misattributed(demo), _failed(demo)
    messages: list[str] = []
    if demo.size.must_improve and truth["v1.1"] <= truth["v1.0"]:
        messages.append(
            f"v1.1 is not better than v1.0 on the new mail: ROUGE-L {truth['v1.1']:.3f} against {truth['v1.0']:.3f}."
        )
    if failed:
        messages.append(f"{len(failed)} requests failed. First error: {failed[0].error}")
    if cut := [stream for stream in demo.streams if stream.ended not in ("length", "stop")]:
        messages.append(f"{len(cut)} streams did not complete. First reason: {cut[0].ended}")
    if demo.facts.get("streamsOpenAtSwitch", 0) < demo.size.streams // 2:
        messages.append(f"Only {demo.facts.get('streamsOpenAtSwitch', 0)} streams were open at the switch.")
    if blame["misattributed"]:
        messages.append(f"{blame['misattributed']} answers are attributed to the wrong version.")
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
        note=f"Streams open during the switch: {facts['requests']['streamsOpenAtSwitch']} of "
        f"{facts['requests']['streams']}, each with at least {TOKENS_TO_COME} remaining tokens.",
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
        "feedback": {"corrected": demo.corrected, "liked": demo.liked, "junk": demo.junk},
        "examples": _examples(demo),
        "requests": {
            "served": sum(1 for each in _exchanges(demo) if each.answer) + len(demo.streams),
            "failed": len(_failed(demo)),
            "streams": len(demo.streams),
            "streamsOpenAtSwitch": demo.facts.get("streamsOpenAtSwitch", 0),
            **misattributed(demo),
        },
        "rollout": demo.rollout.to_json() if demo.rollout else {},
    }


def _examples(demo: Demo) -> list[JSON]:
    """Return some new mails with what both versions wrote."""
    half = demo.before[len(demo.before) // 2 :]
    return [
        {
            "subject": old.message.truth,
            "v1.0": old.answer.text.strip() if old.answer else "",
            "v1.1": new.answer.text.strip() if new.answer else "",
        }
        for old, new in list(zip(half, demo.after, strict=False))[:8]
    ]


def _tables(facts: JSON) -> list[Table]:
    return [
        score_table(facts["evaluations"], METRIC),
        (
            "ROUGE-L against the real subject lines (the gate used corrections, some of them junk)",
            ["answers of", "ROUGE-L"],
            [[key, number(value)] for key, value in facts["truth"].items()],
        ),
        (
            "What both versions write on new mail",
            ["real subject line", "v1.0", "v1.1"],
            [[each["subject"], each["v1.0"], each["v1.1"]] for each in facts["examples"]],
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
        f"The loop closed automatically: ROUGE-L on the new mail went from {truth['v1.0']:.3f} to {truth['v1.1']:.3f}, "
        f"{facts['requests']['served']} requests served, none failed, none cut, none misattributed."
    )


def _failed(demo: Demo) -> list[Exchange]:
    return [each for each in _exchanges(demo) if not each.answer]


def _exchanges(demo: Demo) -> list[Exchange]:
    return [*demo.control, *demo.before, *demo.probes, *demo.after]
