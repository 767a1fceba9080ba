"""Commands of profiles: statistical reports on the records of dataset versions."""

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from ratoon.cli.context import session
from ratoon.cli.names import name_argument
from ratoon.cli.output import JSON, as_json, follow, say, show, show_rows
from ratoon.cli.resources import group
from ratoon.client import RatoonError

Version = Annotated[str, name_argument(help="Version id (v1) or name as tables print it.")]
Name = Annotated[str, name_argument(help="Profile id or name as tables print it.")]
In = Annotated[
    str, typer.Option("--in", help="Dataset.", show_default="the one with the name of the project")
]

app = group(
    "profiles",
    "Statistical reports on dataset versions: distributions, correlations, topics, duplicates, hard records.",
    parent="datasets",
    long_work=True,
    deletes=True,
)


@app.command("create")
def create_profile(
    context: typer.Context,
    version: Version,
    labels: Annotated[
        str, typer.Option(help="Digest of a label set.", show_default="labels of the sources")
    ] = "",
    topics: Annotated[int, typer.Option(min=2, max=50, help="Number of topics.")] = 8,
) -> None:
    """Profile a dataset version, and wait for the report. Records of test parts are left out.

    Example:
      ratoon profiles create v3
    """
    chosen = session(context)
    name = chosen.version(version, "datasets")
    fields: dict[str, Any] = {"label_set_digest": labels} if labels else {}
    created = chosen.client.profiles.create(
        name.rpartition("/versions/")[0], dataset_version=name, topic_count=topics, **fields
    )
    profile = follow(chosen.client, created.name, chosen.output)
    show(profile, chosen.output)
    if profile.get("state") == "STATE_READY":
        say(f"Read it with `ratoon profiles report {created.name.rpartition('/')[2]}`.")


@app.command("report")
def show_report(
    context: typer.Context,
    profile: Name,
    within: In = "",
    other: Annotated[
        str, typer.Option("--with", help="Second profile to compare with.", show_default="none")
    ] = "",
) -> None:
    """Show the report of a profile, or two next to each other; `--output json` prints all of it.

    Example:
      ratoon profiles report PROFILE --with OTHER
    """
    chosen = session(context)
    scope = chosen.scope(within)
    names = [scope.resolve(each, _PATTERN) for each in (profile, other) if each]
    reports = [as_json(chosen.client.profiles.report(name)) for name in names]
    if not chosen.output.is_for_people:
        show(reports[0] if len(reports) == 1 else {"reports": reports}, chosen.output)
        return
    titles = [report["datasetVersion"].rpartition("/")[2] for report in reports]
    if len(titles) == 2 and titles[0] == titles[1]:
        titles = [name.rpartition("/")[2][-8:] for name in names]
    rows = [dict(_line(key, values, titles)) for key, values in _aligned(reports)]
    show_rows(rows, ["measure", *titles], chosen.output)


_PATTERN = "projects/*/datasets/*/profiles/*"


def _line(measure: str, values: list[str], titles: list[str]) -> Iterator[tuple[str, str]]:
    yield "measure", measure
    yield from zip(titles, values, strict=True)


def _aligned(reports: list[JSON]) -> Iterator[tuple[str, list[str]]]:
    """Yield each measure with its value in each report; `–` where a report lacks it."""
    measured = [dict(_measures(report)) for report in reports]
    if not any(measured):
        raise RatoonError("The report is empty.")
    for measure in dict.fromkeys(measure for each in measured for measure in each):
        yield measure, [each.get(measure, "–") for each in measured]


def _measures(report: JSON) -> Iterator[tuple[str, str]]:
    yield "records", f"{int(report.get('recordCount', 0)):,}"
    yield "sealed records left out", f"{int(report.get('sealedCount', 0)):,}"
    for column in report.get("numericColumns", []):
        quantiles = [f"{each.get('value', 0):.4g}" for each in column.get("quantiles", [])]
        yield f"{column['name']}: 5 %, median, 95 %", ", ".join(quantiles[1:6:2])
        yield f"{column['name']}: missing", f"{int(column.get('missingCount', 0)):,}"
        yield f"{column['name']}: outliers", f"{int(column.get('outlierCount', 0)):,}"
    for column in report.get("valueColumns", []):
        top = (
            f"{each.get('value', '')} {int(each.get('count', 0)):,}"
            for each in column.get("topValues", [])[:5]
        )
        yield f"{column['name']}: {int(column.get('distinctCount', 0)):,} values", ", ".join(top) or "–"
    clusters = report.get("duplicateClusters") or {}
    yield "records in near-duplicate clusters", f"{int(clusters.get('recordCount', 0)):,}"
    for number, topic in enumerate(report.get("topics", []), 1):
        yield f"topic {number}", f"{topic.get('share', 0):.0%} {' '.join(topic.get('words', [])[:5])}"
    if difficulty := report.get("difficulty"):
        yield "classical model: right answers", f"{difficulty.get('accuracy', 0):.1%}"
        yield "most frequent label", f"{difficulty.get('majorityShare', 0):.1%}"
    for number, note in enumerate(report.get("notes", []), 1):
        yield f"note {number}", note
