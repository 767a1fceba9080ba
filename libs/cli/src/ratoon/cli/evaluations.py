"""Commands for evaluations: scores, wrong answers, and their records for labelling or training."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from ratoon.cli.collecting import collected_version
from ratoon.cli.columns import COLUMNS
from ratoon.cli.context import Session, session
from ratoon.cli.names import name_argument
from ratoon.cli.output import JSON, follow, say, show, show_rows
from ratoon.cli.resources import Name, group
from ratoon.client import RatoonError
from ratoon.tasks.costs import cost_text
from ratoon.tasks.kind import Direction
from ratoon.tasks.kinds import KINDS
from ratoon.tasks.titles import metric_title

if TYPE_CHECKING:
    from ratoon.client.types import (
        DomainResult,
        Estimate,
        EvaluationRun,
        Scores,
        SuiteResult,
        SuiteResultTestResult,
    )

app = group("evaluation_runs", "Evaluation runs and gates.", long_work=True, deletes=True)

_LONGEST_QUEUE = 10_000
_ATTRIBUTES = ["domain", "predicted"]
_TESTS = ["suite", "test", "kind", "difficulty", "records", "metric", "candidate", "reference", "difference"]
_SCORES = ["domain", "metric", "candidate", "reference", "baseline", "difference"]


@app.command("scores")
def list_scores(context: typer.Context, name: Name) -> None:
    """Show the metrics of a run by domain: candidate, reference, best baseline, and candidate minus reference.

    Each value has its 95 % interval. The primary metric of the run comes first.
    """
    chosen = session(context)
    run = chosen.client.evaluation_runs.get(chosen.name(name, "evaluationRuns"))
    rows = [row for result in run.results for row in _scores(run, result)]
    columns = [each for each in _SCORES if any(row.get(each) for row in rows)]
    show_rows(rows, columns, chosen.output, f"{run.name} has no scores yet.")
    for result in run.results:
        for note in result.notes:
            say(f"{result.domain}: {note}")


@app.command("plan")
def plan_evaluation(
    context: typer.Context,
    records: Annotated[
        int, typer.Option(min=0, help="Records to answer.", show_default="those of the newest run")
    ] = 0,
    models: Annotated[int, typer.Option(min=1, help="Models that answer: 2 with a reference.")] = 1,
    max_answer_tokens: Annotated[
        int, typer.Option(min=0, help="Maximum tokens of an answer.", show_default="as in earlier runs")
    ] = 0,
    seconds_per_answer: Annotated[
        float, typer.Option(min=0, help="Seconds of an answer.", show_default="measured by earlier runs")
    ] = 0.0,
    candidate: Annotated[
        str, typer.Option(help="Digest of the model, for the memory.", show_default="none")
    ] = "",
) -> None:
    """Compute time, memory and cost of an evaluation, from what earlier runs of the project took.

    Example:
      ratoon evaluations plan --records 2000 --models 2
    """
    chosen = session(context)
    planned = chosen.client.evaluation_runs.plan(
        chosen.parent(),
        record_count=records or None,
        model_count=models,
        max_answer_tokens=max_answer_tokens or None,
        seconds_per_answer=seconds_per_answer or None,
        candidate_digest=candidate or None,
    )
    show(planned, chosen.output)


@app.command("suites")
def list_suites(context: typer.Context, name: Name) -> None:
    """Show the metrics of a run by suite and test: candidate, reference, and candidate minus reference.

    Each value has its 95 % interval. The metric that sums a test up comes first.
    """
    chosen = session(context)
    run = chosen.client.evaluation_runs.get(chosen.name(name, "evaluationRuns"))
    rows = [row for result in run.suite_results for row in _of_suite(result)]
    columns = [each for each in _TESTS if any(row.get(each) for row in rows)]
    show_rows(rows, columns, chosen.output, f"{run.name} has no results of suites.")


@app.command("bad-cases")
def list_bad_cases(
    context: typer.Context,
    name: Name,
    domain: Annotated[str, typer.Option(help="Only this domain.", show_default="all domains")] = "",
    suite: Annotated[
        str, typer.Option(help="Wrong answers to the tests of this suite, in place of those on domains.")
    ] = "",
    test: Annotated[str, typer.Option(help="Only this test of the suite.", show_default="all tests")] = "",
) -> None:
    """List the wrong answers of a candidate, next to the right answers and those of the reference.

    Example:
      ratoon evaluations bad-cases 01a2 --suite hard --test typos
    """
    chosen = session(context)
    run = chosen.client.evaluation_runs.get(chosen.name(name, "evaluationRuns"))
    cases = chosen.client.bad_cases.list(
        run.name, domain=domain or None, suite=suite or None, test=test or None
    )
    show_rows(cases, _columns_of_tests(run) if suite else _columns(run), chosen.output)


@app.command("collect")
def collect_bad_cases(
    context: typer.Context,
    name: Name,
    dataset: Annotated[
        str,
        name_argument(
            help="Dataset of the new version; created if absent.", show_default="PROJECT-bad-cases"
        ),
    ] = "",
    domain: Annotated[str, typer.Option(help="Only this domain.", show_default="all domains")] = "",
    suite: Annotated[
        str, typer.Option(help="Wrong answers to the tests of this suite, in place of those on domains.")
    ] = "",
    test: Annotated[str, typer.Option(help="Only this test of the suite.", show_default="all tests")] = "",
    count: Annotated[
        int, typer.Option(min=0, help="Maximum number of records, the worst answers first; 0: 10,000.")
    ] = 0,
    label: Annotated[
        bool, typer.Option("--label", help="Also create a labelling queue: a task for each record.")
    ] = False,
    guideline: Annotated[
        str, typer.Option(help="Guideline of the queue.", show_default="the newest one of the project")
    ] = "",
) -> None:
    """Make a dataset version of the records that a candidate answered wrongly, and a labelling queue with --label.

    The records are of a sealed test part: evaluate a model that trains on them on another part.

    Example:
      ratoon evaluations collect 01a2 --domain new --count 200 --label
      ratoon evaluations collect 01a2 --suite hard --test typos
    """
    chosen = session(context)
    picked = {"domain": domain, "suite": suite, "test": test, "max_record_count": count}
    version = _version(chosen, chosen.name(name, "evaluationRuns"), dataset, picked)
    if not label:
        show(version, chosen.output)
        return
    size = min(int(version.get("recordCount", 0)), _LONGEST_QUEUE)
    created = chosen.client.label_sets.create(
        chosen.parent(),
        dataset_version=version["name"],
        guideline=_guideline(chosen, guideline),
        review_sample_size=size,
    )
    show(follow(chosen.client, created.name, chosen.output), chosen.output)
    say(f"{size:,} tasks wait for annotators. List them with: ratoon labels tasks")


def _scores(run: "EvaluationRun", result: "DomainResult") -> Iterator[JSON]:
    """Yield a row for each metric of the candidate, and one for each that has no value."""
    known = {name: metric for kind in KINDS.values() for name, metric in kind.METRICS.items()}
    baselines = {each.name: each.scores for each in result.baselines}
    best = baselines.get(result.best_baseline)
    measured = result.candidate.metrics if result.candidate else {}
    for name in sorted(measured, key=lambda each: (each != run.metric, each)):
        lower = name in known and known[name].direction is Direction.LOWER
        yield {
            "domain": result.domain,
            "metric": metric_title(name) + (" (lower is better)" if lower else ""),
            "candidate": _interval(measured, name),
            "reference": _interval(result.reference.metrics, name) if result.reference else "",
            "baseline": f"{_interval(best.metrics, name)} {result.best_baseline}" if best else "",
            "difference": _interval(result.differences, name),
        }
    costs = {
        "candidate": _cost(result.candidate),
        "reference": _cost(result.reference),
        "baseline": f"{_cost(best)} {result.best_baseline}" if _cost(best) else "",
    }
    if any(costs.values()):
        yield {"domain": result.domain, "metric": "cost of a million answers", **costs}
    for name, why in (result.candidate.unmeasured if result.candidate else {}).items():
        yield {"domain": result.domain, "metric": metric_title(name), "candidate": why}


def _cost(scores: "Scores | None") -> str:
    """Return what a million answers cost; empty if it was not measured."""
    if scores is None or scores.cost is None:
        return ""
    cost = scores.cost
    return cost_text(
        cost.core_seconds_per_million, cost.device_seconds_per_million, cost.price_per_million, cost.currency
    )


def _with_reasoning(plain: JSON, test: "SuiteResultTestResult") -> Iterator[JSON]:
    """Yield the metrics of answers after reasoning; their difference is to the answers without it."""
    if reasoned := test.step_by_step:
        for name in sorted(reasoned.candidate, key=lambda each: (each != test.metric, each)):
            yield plain | {
                "metric": f"{metric_title(name)}, step by step",
                "candidate": _interval(reasoned.candidate, name),
                "difference": _interval(reasoned.differences, name),
            }


def _of_suite(result: "SuiteResult") -> Iterator[JSON]:
    """Yield a row for each metric of each test, and one for each that has no value."""
    suite = result.suite.rsplit("/", 1)[-1]
    for test in result.tests:
        plain = {
            "suite": suite,
            "test": test.test,
            "kind": test.kind.removeprefix("KIND_").lower() if test.kind else "",
            "difficulty": test.difficulty,
            "records": test.record_count,
        }
        for name in sorted(test.candidate, key=lambda each: (each != test.metric, each)):
            yield plain | {
                "metric": metric_title(name),
                "candidate": _interval(test.candidate, name),
                "reference": _interval(test.reference, name) if test.reference else "",
                "difference": _interval(test.differences, name) if test.differences else "",
            }
        yield from _with_reasoning(plain, test)
        for name, why in test.unmeasured.items():
            yield plain | {"metric": metric_title(name or test.metric), "candidate": why}


def _interval(estimates: "Mapping[str, Estimate]", name: str) -> str:
    each = estimates.get(name)
    return f"{each.value:.4g} [{each.lower:.4g}, {each.upper:.4g}]" if each else "–"


def _version(chosen: Session, run: str, dataset: str, picked: JSON) -> JSON:
    """Return the new dataset version once it is ready."""
    exported = chosen.client.bad_cases.export(run, **{name: value for name, value in picked.items() if value})
    if not exported.record_count:
        raise RatoonError(f"{run} has no wrong answers to collect.")
    return collected_version(
        chosen,
        exported.digest,
        f"Wrong answers of {run}",
        _ATTRIBUTES,
        dataset or f"{chosen.project}-bad-cases",
    )


def _guideline(chosen: Session, text: str) -> str:
    if text:
        return chosen.name(text, "guidelines")
    newest = chosen.client.guidelines.list(chosen.parent(), page_size=1, order_by="create_time desc").items
    if not newest:
        raise RatoonError("The project has no guideline. Create one with: ratoon create guidelines")
    return newest[0].name


def _columns(run: "EvaluationRun") -> list[str]:
    """Return the columns of wrong answers, without those that all cases of the run lack."""
    absent = set() if run.reference_digest else {"referencePredicted"}
    if run.labels:
        absent |= {"referencePredicted", "score"}
    return [each for each in COLUMNS["bad_cases"] if each not in absent]


def _columns_of_tests(run: "EvaluationRun") -> list[str]:
    """Return the columns of wrong answers to tests; a test may score records by metrics that the run has not."""
    absent = {"domain"} if run.reference_digest else {"domain", "referencePredicted"}
    return ["test", *(each for each in COLUMNS["bad_cases"] if each not in absent), "outcome"]
