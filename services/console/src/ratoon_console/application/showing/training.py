"""Training runs: all of them, one with its curves as they grow, several side by side."""

import asyncio
import json
from statistics import quantiles

from ratoon_console.application.ports import Api, Place, View
from ratoon_console.domain import curves, differences
from ratoon_console.domain.charts import Point
from ratoon_console.domain.words import JSON, ended, short, state_words

_MAX_COMPARED = 6
_MIN_COMPARED = 2
"""Number of runs from which the accuracy of plans is shown."""
CLONE_FIELDS = (
    ("learningRate", "Learning rate"),
    ("epochs", "Epochs"),
    ("batchSize", "Batch size"),
    ("loraRank", "LoRA rank"),
    ("seed", "Seed"),
)
"""Fields of a recipe that the form of a clone has, with their titles."""
_RUNS = 100


class Training:
    """The pages of training."""

    async def all(self, place: Place, api: Api) -> View:
        """A page of runs, newest first, to open or to compare."""
        listed = await api.newest(f"{place.parent}/trainingRuns", _RUNS, place.after)
        return View(
            "training.html",
            "Training",
            {"runs": listed.items, "older": listed.older, "accuracy": plan_accuracy(listed.items)},
            watched=tuple(run["name"] for run in listed.items if not ended(run["state"])),
        )

    async def one(self, place: Place, api: Api) -> View:
        """One run: state, curves, recipe, plan, what was measured."""
        run = await api.get(f"{place.parent}/trainingRuns/{place.path['run']}")
        over = ended(run["state"])
        blob = await self._blob(run, api)
        return View(
            "run.html",
            f"Training run {short(run['name'])}",
            {
                "run": run,
                "charts": curves.charts(curves.of_blob_and_run(blob, run) if blob else curves.of_run(run)),
                "findings": _findings(run),
                "clone_fields": CLONE_FIELDS,
                "trials": blob.get("trials", []),
                "rules": blob.get("rules", []),
                "clusters": blob.get("clusters", []),
                "recipe": differences.flat(run.get("recipe", {})),
                "resources": differences.flat(run.get("resources", {})),
                "under_way": not over,
            },
            watched=() if over else (run["name"],),
            live=not over,
            spoken=f"The run is {state_words(run['state'])}.",
        )

    async def side_by_side(self, place: Place, api: Api) -> View:
        """The runs that the query names (`run=…` for each), in the same charts."""
        ids = [part for part in place.query.get("run", "").split(",") if part][:_MAX_COMPARED]
        runs = await asyncio.gather(*(api.get(f"{place.parent}/trainingRuns/{id_}") for id_ in ids))
        drawn = await asyncio.gather(*(self._curves(run, api) for run in runs))
        labels = [short(run["name"]) for run in runs]
        return View(
            "compare-runs.html",
            "Compare training runs",
            {
                "runs": runs,
                "charts": curves.compared(list(zip(labels, drawn, strict=True))),
                "differences": differences.differing(
                    [{"recipe": run.get("recipe", {}), "resources": run.get("resources", {})} for run in runs]
                ),
                "metrics": _metrics(runs),
            },
            watched=tuple(run["name"] for run in runs if not ended(run["state"])),
            live=not all(ended(run["state"]) for run in runs),
        )

    async def _curves(self, run: JSON, api: Api) -> dict[str, list[Point]]:
        blob = await self._blob(run, api)
        return curves.of_blob(blob) if blob else curves.of_run(run)

    async def _blob(self, run: JSON, api: Api) -> JSON:
        """Return the curves of a run that ended, or what a classical model was chosen from; empty before its end."""
        blob: JSON = json.loads(await api.blob(run["curvesDigest"])) if run.get("curvesDigest") else {}
        return blob


def plan_accuracy(runs: list[JSON]) -> JSON:
    """Return the errors that nine of ten plans of these runs stay below; empty with fewer than two."""
    compared = [run["planAccuracy"] for run in runs if run.get("planAccuracy")]
    if len(compared) < _MIN_COMPARED:
        return {}
    memory, time = (
        quantiles([abs(float(each.get(name, 0.0))) for each in compared], n=10, method="inclusive")[-1]
        for name in ("memoryError", "timeError")
    )
    return {"runs": len(compared), "memory": memory, "time": time}


def _findings(run: JSON) -> list[JSON]:
    """Return the findings of a run's diagnosis; of an older run, its verdict."""
    diagnosis = run.get("diagnosis") or {}
    return list(diagnosis.get("findings") or ([diagnosis] if diagnosis.get("verdict") else []))


def _metrics(runs: list[JSON]) -> list[tuple[str, list[float | None]]]:
    names = sorted({name for run in runs for name in run.get("metrics", {})})
    return [(name, [run.get("metrics", {}).get(name) for run in runs]) for name in names]
