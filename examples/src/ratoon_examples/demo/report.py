"""Report of the demo as JSON, text and HTML. All numbers are from the same run."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from ratoon_examples.demo import pages, steps
from ratoon_examples.demo.following import own_runs
from ratoon_examples.demo.pages import JSON, Page, Table, interval, number, stage_table, timeline_table
from ratoon_examples.demo.steps import TOKENS_TO_COME, Demo
from ratoon_examples.demo.traffic import Exchange

_MIN_STREAMS = 20


def complaints(demo: Demo) -> list[str]:
    """Return the failed checks of the demo; empty if it passed."""
    messages: list[str] = []
    truth, blame = steps.true_scores(demo), steps.misattributed(demo)
    served, failed = _served(demo), _failed(demo)
    if truth["v1.1"] <= truth["v1.0"]:
        messages.append(
            f"v1.1 is not better than v1.0 on the new mail: macro-F1 {truth['v1.1']:.3f} against {truth['v1.0']:.3f}."
        )
    if failed:
        messages.append(
            f"{len(failed)} requests failed and {served} succeeded. First error: {failed[0].error}"
        )
    if cut := [s for s in demo.streams if s.ended != "length"]:
        messages.append(f"{len(cut)} streams did not complete. First reason: {cut[0].ended}")
    if blame["misattributed"]:
        messages.append(f"{blame['misattributed']} answers are attributed to the wrong version.")
    if blame["checked"] == 0:
        messages.append("No prompt distinguishes the two versions, so attribution was not checked.")
    if demo.facts["streamsOpenAtSwitch"] < _MIN_STREAMS:
        messages.append(
            f"Only {demo.facts['streamsOpenAtSwitch']} streams were open at the switch; {_MIN_STREAMS} are required."
        )
    if (count := len(own_runs(demo))) != 1:
        messages.append(f"{count} retraining runs started automatically instead of 1.")
    return messages


def write(demo: Demo, folder: Path, failures: Sequence[str]) -> Path:
    """Write report.json, report.txt and report.html; return the path of report.txt."""
    facts = _facts(demo, failures)
    requests = facts["requests"]
    page = Page(
        title=f"Ratoon demo: {demo.project}",
        headline=_headline(facts),
        origin=f"{facts['time']}, {facts['machine']}",
        passed=facts["passed"],
        tables=_tables(facts),
        note=f"Streams open during the switch: {requests['streamsOpenAtSwitch']} of {requests['streams']}, "
        f"each with at least {TOKENS_TO_COME} remaining tokens.",
    )
    return pages.write(page, facts, folder)


def _facts(demo: Demo, failures: Sequence[str]) -> JSON:
    finished = bool(demo.streams)
    return {
        **pages.origin(),
        "project": demo.project,
        "passed": not failures,
        "complaints": list(failures),
        "stages": [asdict(stage) for stage in demo.measured.stages],
        "timeline": [asdict(entry) for entry in demo.measured.timeline],
        "evaluations": {key: _evaluation(run.to_json()) for key, run in demo.evaluations.items()},
        "pipelineStages": {key: run.to_json().get("stages", []) for key, run in demo.runs.items()},
        "truth": steps.true_scores(demo) if demo.after else {},
        "feedback": asdict(demo.feedback),
        "requests": {
            "served": _served(demo),
            "failed": len(_failed(demo)),
            "refusedByInjectedFault": sum(1 for e in demo.faults if not e.answer),
            "streams": len(demo.streams),
            "streamsOpenAtSwitch": demo.facts.get("streamsOpenAtSwitch", 0),
            "streamsCut": sum(1 for s in demo.streams if s.ended != "length"),
            **(steps.misattributed(demo) if finished else {}),
        },
        "control": {
            "decision": demo.facts.get("controlDecision", ""),
            "started": demo.facts.get("controlStarted", 0),
        },
        "rollout": demo.rollout.to_json() if demo.rollout else {},
        "rollback": demo.rollback.to_json() if demo.rollback else {},
    }


def _evaluation(run: JSON) -> JSON:
    """Return the results of an evaluation by domain and model."""
    rows = {}
    for result in run.get("results", []):
        scored = {
            model: result[model]
            for model in ("candidate", "reference", "majority", "tfidf")
            if result.get(model)
        }
        scored |= {
            each["name"]: each["scores"]
            for each in result.get("baselines", [])
            if each["name"] not in scored and each.get("scores")
        }
        rows[result["domain"]] = {
            model: {
                "macroF1": scores.get("macroF1", {}),
                "accuracy": scores.get("accuracy", {}).get("value"),
                "perplexity": scores.get("perplexity"),
                "records": scores.get("recordCount"),
            }
            for model, scores in scored.items()
        } | {"difference": result.get("difference", {})}
    return {"verdict": run.get("verdict", {}), "domains": rows, "name": run.get("name", "")}


def _tables(facts: JSON) -> list[Table]:
    return [
        ("Scores (macro-F1 with 95 % confidence interval, on sealed test parts)", *_score_rows(facts)),
        (
            "Scores against the labels of the corpus (the gate used the noisy labels of the callers)",
            *_truth_rows(facts),
        ),
        ("Requests", ["metric", "count"], [[key, str(value)] for key, value in facts["requests"].items()]),
        timeline_table(facts["timeline"]),
        stage_table(facts["stages"]),
    ]


def _score_rows(facts: JSON) -> tuple[list[str], list[list[str]]]:
    rows = []
    for key, evaluation in facts["evaluations"].items():
        for domain, models in evaluation["domains"].items():
            for model, scores in models.items():
                if model == "difference":
                    continue
                rows.append([key, domain, model, interval(scores["macroF1"]), number(scores["accuracy"])])
            if models["difference"]:
                rows.append([key, domain, "candidate − reference", interval(models["difference"]), ""])
        passed = "passed" if evaluation["verdict"].get("passed") else "refused"
        rows.append([key, "gate", passed, evaluation["verdict"].get("summary", ""), ""])
    return ["version", "domain", "model", "macro-F1", "accuracy"], rows


def _truth_rows(facts: JSON) -> tuple[list[str], list[list[str]]]:
    return ["version", "macro-F1"], [[key, number(value)] for key, value in facts["truth"].items()]


def _served(demo: Demo) -> int:
    return sum(1 for e in _exchanges(demo) if e.answer) + len(demo.streams)


def _failed(demo: Demo) -> list[Exchange]:
    """Return the requests that failed without an injected fault."""
    return [e for e in _exchanges(demo) if not e.answer]


def _exchanges(demo: Demo) -> list[Exchange]:
    return [*demo.control, *demo.exchanges, *demo.probes, *demo.after]


def _headline(facts: JSON) -> str:
    if not facts["passed"]:
        return "The demo failed: " + " ".join(facts["complaints"])
    truth = facts["truth"]
    return (
        f"The loop closed automatically: macro-F1 on the new mail rose from {truth['v1.0']:.3f} to "
        f"{truth['v1.1']:.3f}, {facts['requests']['served']} requests served, none failed, none cut, "
        "none misattributed."
    )
