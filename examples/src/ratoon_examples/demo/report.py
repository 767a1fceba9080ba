"""Report of the demo as JSON, text and HTML. All numbers are from the same run."""

import html
import json
import platform
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ratoon_examples.demo import steps
from ratoon_examples.demo.following import own_runs
from ratoon_examples.demo.steps import TOKENS_TO_COME, Demo
from ratoon_examples.demo.traffic import Exchange

JSON = dict[str, Any]
Table = tuple[str, list[str], list[list[str]]]
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
    folder.mkdir(parents=True, exist_ok=True)
    facts = _facts(demo, failures)
    (folder / "report.json").write_text(json.dumps(facts, indent=1))
    tables = _tables(demo, facts)
    (folder / "report.html").write_text(_page(facts, tables))
    text = folder / "report.txt"
    text.write_text(_text(facts, tables))
    return text


def _facts(demo: Demo, failures: Sequence[str]) -> JSON:
    finished = bool(demo.streams)
    return {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": f"{platform.platform()}, Python {platform.python_version()}",
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


def _tables(demo: Demo, facts: JSON) -> list[Table]:
    return [
        ("Scores (macro-F1 with 95 % confidence interval, on sealed test parts)", *_score_rows(facts)),
        (
            "Scores against the labels of the corpus (the gate used the noisy labels of the callers)",
            *_truth_rows(facts),
        ),
        ("Requests", ["metric", "count"], [[key, str(value)] for key, value in facts["requests"].items()]),
        ("Timeline", ["time (UTC)", "event", "cause"], _timeline_rows(facts)),
        ("Stages", ["stage", "seconds", "peak memory"], _stage_rows(facts)),
    ]


def _score_rows(facts: JSON) -> tuple[list[str], list[list[str]]]:
    rows = []
    for key, evaluation in facts["evaluations"].items():
        for domain, models in evaluation["domains"].items():
            for model, scores in models.items():
                if model == "difference":
                    continue
                rows.append([key, domain, model, _interval(scores["macroF1"]), _number(scores["accuracy"])])
            if models["difference"]:
                rows.append([key, domain, "candidate − reference", _interval(models["difference"]), ""])
        passed = "passed" if evaluation["verdict"].get("passed") else "refused"
        rows.append([key, "gate", passed, evaluation["verdict"].get("summary", ""), ""])
    return ["version", "domain", "model", "macro-F1", "accuracy"], rows


def _truth_rows(facts: JSON) -> tuple[list[str], list[list[str]]]:
    return ["version", "macro-F1"], [[key, _number(value)] for key, value in facts["truth"].items()]


def _timeline_rows(facts: JSON) -> list[list[str]]:
    return [[entry["time"][11:19], entry["what"], entry["because"]] for entry in facts["timeline"]]


def _stage_rows(facts: JSON) -> list[list[str]]:
    rows = [[s["name"], f"{s['seconds']:.1f}", f"{s['peak_bytes'] / 2**20:.0f} MiB"] for s in facts["stages"]]
    return [*rows, ["total", f"{sum(s['seconds'] for s in facts['stages']):.1f}", ""]]


def _served(demo: Demo) -> int:
    return sum(1 for e in _exchanges(demo) if e.answer) + len(demo.streams)


def _failed(demo: Demo) -> list[Exchange]:
    """Return the requests that failed without an injected fault."""
    return [e for e in _exchanges(demo) if not e.answer]


def _exchanges(demo: Demo) -> list[Exchange]:
    return [*demo.control, *demo.exchanges, *demo.probes, *demo.after]


def _interval(estimate: JSON) -> str:
    if "value" not in estimate and not estimate:
        return ""
    value, low, high = (estimate.get(key, 0.0) for key in ("value", "lower", "upper"))
    return f"{value:.3f} [{low:.3f}, {high:.3f}]"


def _number(value: object) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value if value is not None else "")


def _headline(facts: JSON) -> str:
    if not facts["passed"]:
        return "The demo failed: " + " ".join(facts["complaints"])
    truth = facts["truth"]
    return (
        f"The loop closed automatically: macro-F1 on the new mail rose from {truth['v1.0']:.3f} to "
        f"{truth['v1.1']:.3f}, {facts['requests']['served']} requests served, none failed, none cut, "
        "none misattributed."
    )


def _text(facts: JSON, tables: list[Table]) -> str:
    lines = [
        f"Ratoon demo, project {facts['project']}, {facts['time']}, {facts['machine']}",
        "",
        _headline(facts),
    ]
    for title, head, rows in tables:
        widths = [min(60, max(len(row[i]) for row in [head, *rows])) for i in range(len(head))]
        lines += ["", title, "  ".join(cell.ljust(w) for cell, w in zip(head, widths, strict=True)).rstrip()]
        lines += [
            "  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows
        ]
    return "\n".join(lines) + "\n"


def _page(facts: JSON, tables: list[Table]) -> str:
    body = "".join(_html_table(*table) for table in tables)
    headline = html.escape(_headline(facts))
    mark = "good" if facts["passed"] else "bad"
    return f"""<!doctype html><html lang="en"><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Ratoon demo: {html.escape(facts["project"])}</title>
<style>
:root {{ color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }}
body {{ max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }}
table {{ border-collapse: collapse; width: 100%; display: block; overflow-x: auto; }}
th, td {{ text-align: left; padding: .3rem .8rem .3rem 0; border-bottom: 1px solid #8884; vertical-align: top; }}
.good {{ border-left: .4rem solid #2a8; padding-left: 1rem; }}
.bad {{ border-left: .4rem solid #d33; padding-left: 1rem; }}
</style>
<h1>Ratoon demo: {html.escape(facts["project"])}</h1>
<p class="{mark}">{headline}</p><p>{facts["time"]}, {html.escape(facts["machine"])}. Streams open during the switch:
{facts["requests"]["streamsOpenAtSwitch"]} of {facts["requests"]["streams"]},
each with at least {TOKENS_TO_COME} remaining tokens.</p>
{body}</html>
"""


def _html_table(title: str, head: list[str], rows: list[list[str]]) -> str:
    cells = "".join(f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    names = "".join(f"<th scope=col>{html.escape(name)}</th>" for name in head)
    return (
        f"<h2>{html.escape(title)}</h2><table><thead><tr>{names}</tr></thead><tbody>{cells}</tbody></table>"
    )
