"""What the task `regress` decides in the loop: enough numbers that differ, and what a change of range or unit means."""

from collections.abc import Mapping
from math import isfinite, sqrt

from ratoon.tasks.regress import Regress, number
from ratoon_flywheel.domain.errors import LabelServed
from ratoon_flywheel.domain.project_settings import DataRequirements
from ratoon_flywheel.domain.shares import Ratios, fills_parts, records_in_all
from ratoon_flywheel.domain.sums import Sums, mean, scored

_METRICS: tuple[str, ...] = ("mae", "mse", "rmse", "r2", "spearman")
BEATS_SIMPLEST_BASELINE = False
STARTS_FROM_BASE = False
ADVISED_RECORDS = 500
"""Records with a number from which a model is likely to be useful."""
_POWERS: Mapping[str, float] = {"mae": 1.0, "mse": 2.0}
SCORED_METRICS: tuple[str, ...] = tuple(_POWERS)
PAIRED_METRICS: tuple[str, ...] = (*SCORED_METRICS, "rmse")
CONFIRMED_IS_RIGHT = False
_INFINITE = float("inf")


def gated_metrics(_: Regress, /) -> tuple[str, ...]:
    """Return the metrics that can be bounded."""
    return _METRICS


def compared_metrics(_: Regress, /) -> tuple[str, ...]:
    """Return the metrics that can be compared."""
    return _METRICS


def reported_metrics(_: Regress, /) -> tuple[str, ...]:
    """Return the metrics that a version keeps."""
    return _METRICS


def narrows(before: Regress, after: Regress, /) -> bool:
    """Return whether the unit changes, or the range loses numbers."""
    (low, high), (new_low, new_high) = _range(before), _range(after)
    return before.unit != after.unit or new_low > low or new_high < high


def change_notices(before: Regress, after: Regress, served: str, allowed: bool, /) -> tuple[str, ...]:
    """Return what a change of unit, range or tolerance means; LabelServed when the unit of a served version changes."""
    if before.unit != after.unit and served and not allowed:
        raise LabelServed(
            f"{served} is in production and answers in {_unit(before)}: numbers in {_unit(after)} would be compared "
            "with its answers. Set allow_label_removal to change the unit anyway.",
            "project.task",
        )
    notices = []
    if before.unit != after.unit:
        notices.append(
            f"The unit is {_unit(after)} now, not {_unit(before)}: existing numbers are not converted."
        )
    if _range(before) != _range(after):
        notices.append(
            f"Valid numbers are {_bounds(after)} now: numbers out of this range count as no answer in label sets and "
            "evaluations that are created from now on; existing ones keep them."
        )
    if served and narrows(before, after):
        notices.append(f"{served} still answers as it was trained.")
    if before.tolerance != after.tolerance:
        notices.append(
            f"An answer counts as wrong from now on if it is more than {after.tolerance:g} from the right number; "
            "feedback that was counted stays counted."
        )
    return tuple(notices)


def respelled(before: Regress, after: Regress, /) -> dict[str, str]:
    """Return nothing: numbers are not converted."""
    return {}


def score(task: Regress, metric: str, answered: str, expected: str, /) -> float | None:
    """Return the absolute or squared distance of a number from the right one.

    An answer that is no number is as far away as the range allows; None without a range.
    """
    answer, right = number(task, answered), number(task, expected)
    if right is None:
        return None
    if answer is None:
        low, high = _range(task)
        answer = low if right - low > high - right else high
    return abs(answer - right) ** _POWERS[metric] if isfinite(answer) else None


def summands(task: Regress, metric: str, answered: str, expected: str, /) -> Sums | None:
    """Return the distance of a number from the right one, squared for RMSE."""
    return scored(score(task, "mse" if metric == "rmse" else metric, answered, expected))


def metric_of(metric: str, sums: Sums, /) -> float:
    """Return the mean distance, or the root of the mean squared one."""
    return sqrt(mean(sums)) if metric == "rmse" else mean(sums)


def lack(
    task: Regress,
    counts: Mapping[str, int],
    total: int,
    ratios: Ratios,
    by_time: bool,
    requirements: DataRequirements,
    /,
) -> str:
    """Return why there are too few numbers, or why nothing can be learned from them: all are the same."""
    values = {value for answer in counts if (value := number(task, answer)) is not None}
    if total < requirements.min_records:
        need = f"the project requires {requirements.min_records}"
    elif not fills_parts(total, ratios):
        need = f"{records_in_all(ratios)} or more are needed for training, validation and test"
    elif len(values) == 1:
        need = f"all numbers are {next(iter(values)):g}, so that there is nothing to learn"
    else:
        return ""
    return (
        f"{total} {'record' if total == 1 else 'records'} with a number: {need}. Add records with numbers over the "
        f"whole range; {ADVISED_RECORDS} or more are advised."
    )


def _range(task: Regress) -> tuple[float, float]:
    low = -_INFINITE if task.min is None else task.min
    return low, _INFINITE if task.max is None else task.max


def _bounds(task: Regress) -> str:
    if task.min is not None and task.max is not None:
        return f"from {task.min:g} to {task.max:g}"
    if task.min is not None:
        return f"{task.min:g} or more"
    return f"{task.max:g} or less" if task.max is not None else "unbounded"


def _unit(task: Regress) -> str:
    return repr(task.unit) if task.unit else "no unit"
