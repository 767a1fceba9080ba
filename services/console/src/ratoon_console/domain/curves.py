"""Training curves as charts: of a finished run from its blob, of a running one from the points it carries."""

from collections.abc import Mapping, Sequence
from typing import Any

from ratoon_console.domain.charts import Chart, Point, Series, line_chart
from ratoon_console.domain.words import JSON, count, decimal, size

Table = Mapping[str, Any]
Curves = Mapping[str, Sequence[Point]]
"""Points (step, value) by measurement."""

_COMPARISONS = ("validation_pair_accuracy", "validation_judgement_accuracy", "validation_reward_margin")
_MEMORY = "Memory"
_CHARTS = (
    ("Training loss", ("loss", "answer_loss", "language_loss")),
    ("Validation loss", ("validation_loss",)),
    ("Validation macro-F1 and accuracy", ("validation_macro_f1", "validation_accuracy")),
    ("Accuracy of comparisons", ("pair_accuracy", "judgement_accuracy", *_COMPARISONS[:2])),
    ("Reward margin", ("reward_margin", "validation_reward_margin")),
    ("Gradient norm", ("gradient_norm",)),
    ("Learning rate", ("learning_rate",)),
    ("Tokens per second", ("tokens_per_second",)),
    (_MEMORY, ("memory_bytes",)),
)
_SHOWN = {
    "loss": "loss",
    "answer_loss": "answers",
    "language_loss": "language model",
    "validation_loss": "loss",
    "validation_macro_f1": "macro-F1",
    "validation_accuracy": "accuracy",
    "pair_accuracy": "pairs of a step",
    "judgement_accuracy": "answers of a step",
    "reward_margin": "step",
    "validation_pair_accuracy": "validation pairs",
    "validation_judgement_accuracy": "validation answers",
    "validation_reward_margin": "validation",
    "gradient_norm": "norm",
    "learning_rate": "rate",
    "tokens_per_second": "tokens/s",
    "memory_bytes": "memory",
}
_OF_STEPS = (
    "loss",
    "answer_loss",
    "language_loss",
    "gradient_norm",
    "learning_rate",
    "pair_accuracy",
    "judgement_accuracy",
    "reward_margin",
)
_OF_EPOCHS = ("loss", "accuracy", "macro_f1", "pair_accuracy", "judgement_accuracy", "reward_margin")
_COMPARED = ("loss", "validation_loss", "validation_macro_f1", "learning_rate")


def of_blob(blob: JSON) -> dict[str, list[Point]]:
    """The curves of a finished run."""
    curves = blob.get("curves", {})
    steps, epochs = curves.get("steps", {}), curves.get("epochs", {})
    points = {name: _column(steps, name) for name in _OF_STEPS}
    return points | {f"validation_{name}": _column(epochs, name) for name in _OF_EPOCHS}


def of_blob_and_run(blob: JSON, run: JSON) -> dict[str, list[Point]]:
    """The exact curves of a finished run, and what only its reports hold: speed and memory."""
    exact = {name: points for name, points in of_blob(blob).items() if points}
    return of_run({**run, "progress": {}}) | exact


def of_run(run: JSON) -> dict[str, list[Point]]:
    """The curves of a running run since its first step, from the points that it carries and its last report."""
    grown: dict[str, list[Point]] = {}
    for point in run.get("curve", ()):
        grown = extended(grown, {"done": point.get("step"), "metrics": point.get("metrics", {})})
    return extended(grown, run.get("progress") or {})


def extended(curves: Mapping[str, list[Point]], progress: JSON) -> dict[str, list[Point]]:
    """The curves with what a running run measured last; a step that is known already adds nothing."""
    step = float(progress.get("done") or 0)
    grown = {name: list(points) for name, points in curves.items()}
    for name, value in progress.get("metrics", {}).items():
        points = grown.setdefault(name, [])
        last = points[-1] if points else None
        repeated = name.startswith("validation_") and last is not None and last[1] == value
        if step > 0 and not repeated and (last is None or last[0] < step):
            points.append((step, float(value)))
    return grown


def charts(curves: Curves) -> list[Chart]:
    """What there is to draw of one run."""
    drawn = [
        line_chart(
            title,
            [
                Series(_SHOWN[name], curves[name], dots=name.startswith("validation"))
                for name in names
                if curves.get(name)
            ],
            _step,
            size if title == _MEMORY else decimal,
        )
        for title, names in _CHARTS
    ]
    return [chart for chart in drawn if not chart.empty]


def compared(runs: Sequence[tuple[str, Curves]]) -> list[Chart]:
    """The same measurement of several runs in one chart each."""
    titles = dict(zip(_COMPARED, ("Training loss", "Validation loss", "Validation macro-F1", "Learning rate"),
                      strict=True))  # fmt: skip
    drawn = [
        line_chart(
            title,
            [
                Series(label, curves[name], dots=name.startswith("validation"))
                for label, curves in runs
                if curves.get(name)
            ],
            _step,
            decimal,
        )
        for name, title in titles.items()
    ]
    return [chart for chart in drawn if not chart.empty]


def _column(table: Table, name: str) -> list[Point]:
    columns = list(table.get("columns", []))
    if name not in columns or "step" not in columns:
        return []
    at, step = columns.index(name), columns.index("step")
    return [(float(row[step]), float(row[at])) for row in table.get("rows", [])]


def _step(value: float) -> str:
    return f"step {count(round(value))}"
