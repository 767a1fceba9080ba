"""Evaluations: all of them, one with its verdict and wrong answers, two or three side by side."""

import asyncio
from functools import partial

from ratoon_console.application.ports import Api, Place, View
from ratoon_console.domain import evaluations, judges
from ratoon_console.domain.metrics import measure_of, values
from ratoon_console.domain.words import JSON, ended, short, state_words

_MAX_COMPARED = 3
_RUNS = 100
_READ_CASES = 1000
"""Wrong answers of a run that a page reads: one page of the API."""
_MAX_CASES = 100


async def evaluations_page(place: Place, api: Api) -> View:
    """A page of evaluation runs, newest first."""
    listed = await api.newest(f"{place.parent}/evaluationRuns", _RUNS, place.after)
    return View(
        "evaluations.html",
        "Evaluations",
        {"runs": listed.items, "older": listed.older},
        watched=tuple(run["name"] for run in listed.items if not ended(run["state"])),
    )


async def evaluation_page(place: Place, api: Api) -> View:
    """One run: the verdict rule by rule, scores by domain, slices, wrong answers."""
    run = await api.get(f"{place.parent}/evaluationRuns/{place.path['run']}")
    over = ended(run["state"])
    domain, chosen = place.query.get("domain", ""), _chosen_test(place, run)
    if chosen:
        cases = shown = await _read(run, api, **chosen)
    else:
        cases = await _cases(run, api, domain)
        shown = [case for case in cases if domain in ("", case["domain"])]
    measure = measure_of(run)
    return View(
        "evaluation.html",
        f"Evaluation {short(run['name'])}",
        {
            "run": run,
            "results": [
                (result, evaluations.intervals(result, measure)) for result in run.get("results", [])
            ],
            "suites": [
                (suite, evaluations.rows_of_tests(suite, measure)) for suite in run.get("suiteResults", [])
            ],
            "suite_faults": evaluations.faults_of_tests,
            "measure": measure,
            "values": values,
            "metric_rows": evaluations.metric_rows,
            "answerer_names": evaluations.answerer_names,
            "unmeasured": evaluations.unmeasured,
            "nothing": evaluations.nothing_valid(measure),
            "scores_of": evaluations.scores_of,
            "better_baseline": evaluations.better_baseline,
            "costs_of": evaluations.costs_of,
            "cost_assumption": evaluations.cost_assumption,
            "untested": evaluations.untested,
            "cases": shown[:_MAX_CASES],
            "case_count": evaluations.wrong_answers(run, domain, chosen),
            "chosen": chosen,
            "tests_with_wrong": evaluations.tests_with_wrong_answers(run),
            "verdicts_of": partial(judges.verdicts_of, run, measure=measure),
            "people_notes": judges.people_notes,
            "read_count": len(shown),
            "confusions": evaluations.confusions(shown) if measure.is_labels and not chosen else [],
            "domain": domain,
            "under_way": not over,
        },
        watched=() if over else (run["name"],),
        live=not over,
        spoken=f"The evaluation is {state_words(run['state'])}.",
    )


async def side_by_side(place: Place, api: Api) -> View:
    """The runs that the query names (`run=…` for each): scores by domain, and whose answers were wrong where."""
    ids = [part for part in place.query.get("run", "").split(",") if part][:_MAX_COMPARED]
    runs = await asyncio.gather(*(api.get(f"{place.parent}/evaluationRuns/{id_}") for id_ in ids))
    cases = await asyncio.gather(*(_cases(run, api) for run in runs))
    mistakes = evaluations.mistakes(runs, cases)
    return View(
        "compare-evaluations.html",
        "Compare evaluations",
        {
            "runs": runs,
            "grounds": evaluations.beside(runs),
            "measures": list(map(measure_of, runs)),
            "values": values,
            "mistakes": mistakes[:_MAX_CASES],
            "mistake_count": len(mistakes),
            "differing": sum(each.differs for each in mistakes),
        },
        live=False,
    )


async def _cases(run: JSON, api: Api, domain: str = "") -> list[JSON]:
    """The first wrong answers of a run, or of one of its domains."""
    if run["state"] != "STATE_SUCCEEDED":
        return []
    known = {each["domain"] for each in run.get("results", [])}
    return await _read(run, api, **({"domain": domain} if domain in known else {}))


def _chosen_test(place: Place, run: JSON) -> dict[str, str]:
    """Return the suite and the test whose wrong answers a page shows; empty: those on domains."""
    named = {name: place.query.get(name, "") for name in ("suite", "test")}
    return next((each for each in evaluations.tests_with_wrong_answers(run) if each == named), {})


async def _read(run: JSON, api: Api, **chosen: str) -> list[JSON]:
    page = await api.get(f"{run['name']}/badCases", pageSize=_READ_CASES, **chosen)
    return [each for value in page.values() if isinstance(value, list) for each in value]
