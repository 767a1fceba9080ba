"""Tables of a report as text and as an HTML page."""

import html
import json
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ratoon.client.types import EvaluationRun

JSON = dict[str, Any]
Table = tuple[str, list[str], list[list[str]]]
"""Title, head and rows."""


@dataclass(frozen=True)
class Page:
    """A report: where it is from, its headline, and its tables."""

    title: str
    headline: str
    origin: str
    """Time and machine."""
    passed: bool
    tables: Sequence[Table]
    note: str = ""


def write(page: Page, facts: JSON, folder: Path) -> Path:
    """Write report.json, report.txt and report.html; return the path of report.txt."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.json").write_text(json.dumps(facts, indent=1))
    (folder / "report.html").write_text(as_html(page))
    text = folder / "report.txt"
    text.write_text(as_text(page))
    return text


def as_text(page: Page) -> str:
    """Return the report as text."""
    lines = [f"{page.title}, {page.origin}", "", page.headline]
    for title, head, rows in page.tables:
        widths = [min(60, max(len(row[i]) for row in [head, *rows])) for i in range(len(head))]
        lines += ["", title, "  ".join(cell.ljust(w) for cell, w in zip(head, widths, strict=True)).rstrip()]
        lines += [
            "  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows
        ]
    return "\n".join(lines) + "\n"


def as_html(page: Page) -> str:
    """Return the report as an HTML page that needs no other file."""
    body = "".join(_html_table(*table) for table in page.tables)
    title, mark = html.escape(page.title), "good" if page.passed else "bad"
    return f"""<!doctype html><html lang="en"><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }}
body {{ max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }}
table {{ border-collapse: collapse; width: 100%; display: block; overflow-x: auto; }}
th, td {{ text-align: left; padding: .3rem .8rem .3rem 0; border-bottom: 1px solid #8884; vertical-align: top; }}
.good {{ border-left: .4rem solid #2a8; padding-left: 1rem; }}
.bad {{ border-left: .4rem solid #d33; padding-left: 1rem; }}
</style>
<h1>{title}</h1>
<p class="{mark}">{html.escape(page.headline)}</p><p>{html.escape(page.origin)}. {html.escape(page.note)}</p>
{body}</html>
"""


def stage_table(stages: Sequence[JSON]) -> Table:
    """Return the seconds and the peak memory of the stages of a demo."""
    rows = [[s["name"], f"{s['seconds']:.1f}", f"{s['peak_bytes'] / 2**20:.0f} MiB"] for s in stages]
    total = f"{sum(s['seconds'] for s in stages):.1f}"
    return "Stages", ["stage", "seconds", "peak memory"], [*rows, ["total", total, ""]]


def timeline_table(timeline: Sequence[JSON]) -> Table:
    """Return what happened, and why."""
    rows = [[entry["time"][11:19], entry["what"], entry["because"]] for entry in timeline]
    return "Timeline", ["time (UTC)", "event", "cause"], rows


def evaluation_of(run: EvaluationRun, metric: str) -> JSON:
    """Return the value and the interval of a metric by domain and answerer, and the verdict."""
    domains: JSON = {}
    for result in run.to_json().get("results", []):
        scored = {model: result[model] for model in ("candidate", "reference") if result.get(model)}
        scored |= {each["name"]: each.get("scores", {}) for each in result.get("baselines", [])}
        domains[result["domain"]] = {
            model: scores.get("metrics", {}).get(metric, {}) for model, scores in scored.items()
        } | {"candidate − reference": result.get("differences", {}).get(metric, {})}
    verdict = run.verdict.to_json() if run.verdict else {}
    return {"name": run.name, "domains": domains, "verdict": verdict}


def score_table(evaluations: JSON, metric: str) -> Table:
    """Return the scores on sealed test parts and the verdicts of evaluations that `evaluation_of` returned."""
    rows = []
    for key, evaluation in evaluations.items():
        for domain, models in evaluation["domains"].items():
            rows += [[key, domain, model, interval(each)] for model, each in models.items() if each]
        passed = "passed" if evaluation["verdict"].get("passed") else "refused"
        rows.append([key, "gate", passed, evaluation["verdict"].get("summary", "")])
    title = f"{metric} with 95 % confidence interval, on sealed test parts"
    return title, ["version", "domain", "answers of", metric], rows


def origin() -> JSON:
    """Return the time and the machine of a report."""
    return {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": f"{platform.platform()}, Python {platform.python_version()}",
    }


def interval(estimate: JSON) -> str:
    """Return a measured value with its confidence interval; empty if it was not measured."""
    if not estimate:
        return ""
    value, low, high = (estimate.get(key, 0.0) for key in ("value", "lower", "upper"))
    return f"{value:.3f} [{low:.3f}, {high:.3f}]"


def number(value: object) -> str:
    """Return a number with three digits after the point; empty if there is none."""
    return f"{value:.3f}" if isinstance(value, float) else str(value if value is not None else "")


def _html_table(title: str, head: list[str], rows: list[list[str]]) -> str:
    cells = "".join(f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    names = "".join(f"<th scope=col>{html.escape(name)}</th>" for name in head)
    return (
        f"<h2>{html.escape(title)}</h2><table><thead><tr>{names}</tr></thead><tbody>{cells}</tbody></table>"
    )
