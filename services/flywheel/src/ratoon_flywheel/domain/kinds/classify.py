"""What the task `classify` decides in the loop: enough records of each label, and what a change of labels means."""

from collections.abc import Mapping, Sequence

from ratoon.tasks.classify import Classify, members
from ratoon.tasks.labels import match_label
from ratoon_flywheel.domain.errors import LabelServed
from ratoon_flywheel.domain.project_settings import DataRequirements
from ratoon_flywheel.domain.shares import Ratios, fills_parts, records_in_all, records_per_class
from ratoon_flywheel.domain.sums import COUNT, Sums

SCORED_METRICS: tuple[str, ...] = ()
PAIRED_METRICS: tuple[str, ...] = ("macro_f1", "micro_f1", "accuracy", "precision", "recall")
CONFIRMED_IS_RIGHT = True
BEATS_SIMPLEST_BASELINE = True
STARTS_FROM_BASE = False
METRICS_OF_SEVERAL: tuple[str, ...] = ("macro_f1", "micro_f1", "accuracy", "precision", "recall")
"""Metrics of several labels a record; `accuracy` is the share of records whose labels are all right."""
_EXACT, _RIGHT, _NAMED, _HIT = "exact", "=", ">", "+"
"""Names of sums; the last three are followed by a label."""
_ROUNDING = 1e-9
"""Sums of which all answers were left out are not exactly 0."""
ADVISED_PER_LABEL = 200
"""Records of each label from which a model is likely to be useful."""


def gated_metrics(task: Classify, /) -> tuple[str, ...]:
    """Return the metrics that can be bounded; models that list several labels have no AUC."""
    return METRICS_OF_SEVERAL if task.multi_label else ("macro_f1", "accuracy", "auc")


def compared_metrics(task: Classify, /) -> tuple[str, ...]:
    """Return the metrics that can be compared."""
    return METRICS_OF_SEVERAL if task.multi_label else ("macro_f1", "accuracy")


def reported_metrics(task: Classify, /) -> tuple[str, ...]:
    """Return the metrics that a version keeps."""
    return METRICS_OF_SEVERAL if task.multi_label else ("macro_f1", "accuracy", "perplexity")


def narrows(before: Classify, after: Classify, /) -> bool:
    """Return whether a label goes, or records have one label only from now on."""
    return (before.multi_label and not after.multi_label) or any(
        match_label(label, after.labels) is None for label in before.labels
    )


def change_notices(before: Classify, after: Classify, served: str, allowed: bool, /) -> tuple[str, ...]:
    """Return what a change of labels means for what exists; LabelServed when it may not be made."""
    added = [label for label in after.labels if match_label(label, before.labels) is None]
    removed = [label for label in before.labels if match_label(label, after.labels) is None]
    if removed and served and not allowed:
        raise LabelServed(
            f"{served} is in production and answers with {_listed(removed)}: its answers would count as none of the "
            "labels. Set allow_label_removal to remove it anyway.",
            "project.labels",
        )
    notices = [_SEVERAL if after.multi_label else _ONE] if before.multi_label is not after.multi_label else []
    if added:
        notices.append(
            f"New: {_listed(added)}. Existing versions never answer with it; a pipeline run trains on it "
            "once records carry it."
        )
    if removed:
        answers = f" {served} still answers with it, which counts as no label." if served else ""
        notices.append(
            f"Removed: {_listed(removed)}. Records that carry it count as unknown labels in label sets "
            f"that are created from now on; existing label sets and versions keep it.{answers}"
        )
    return tuple(notices)


def respelled(before: Classify, after: Classify, /) -> dict[str, str]:
    """Return the labels that are written in another way now, by how they were written."""
    same = {label: match_label(label, before.labels) for label in after.labels}
    return {old: label for label, old in same.items() if old is not None and old != label}


def score(task: Classify, metric: str, answered: str, expected: str, /) -> float | None:
    """Return None: scores of labels are those of all answers together."""
    return None


def summands(task: Classify, metric: str, answered: str, expected: str, /) -> Sums | None:
    """Return which labels are right, which were named, and which of them are hits; None without a right label."""
    right = [label for label in members(expected) if match_label(label, task.labels) is not None]
    named = [label for label in members(answered) if match_label(label, task.labels) is not None]
    if not right:
        return None
    return {
        COUNT: 1.0,
        _EXACT: float(set(right) == set(named)),
        **{f"{_RIGHT}{label}": 1.0 for label in right},
        **{f"{_NAMED}{label}": 1.0 for label in named},
        **{f"{_HIT}{label}": 1.0 for label in set(right) & set(named)},
    }


def metric_of(metric: str, sums: Sums, /) -> float:
    """Return a metric of labels; those by label are means over the labels that are right for some answer."""
    if metric == "accuracy":
        return sums[_EXACT] / sums[COUNT]
    right, named, hits = (
        {name[1:]: value for name, value in sums.items() if name[0] == mark}
        for mark in (_RIGHT, _NAMED, _HIT)
    )
    if metric == "micro_f1":
        return 2 * sum(hits.values()) / (sum(right.values()) + sum(named.values()))
    present = [label for label, value in right.items() if value > _ROUNDING]
    values = [_of_label(metric, hits.get(each, 0.0), right[each], named.get(each, 0.0)) for each in present]
    return sum(values) / len(values)


def _of_label(metric: str, hits: float, right: float, named: float) -> float:
    if metric == "precision":
        return hits / named if named > _ROUNDING else 0.0
    return hits / right if metric == "recall" else 2 * hits / (right + named)


def lack(
    task: Classify,
    counts: Mapping[str, int],
    total: int,
    ratios: Ratios,
    by_time: bool,
    requirements: DataRequirements,
    /,
) -> str:
    """Return why a part of the split would stay empty, or which requirement of the project is not met.

    Splits by class give each class its shares; splits by time share out all records at once. A record with several
    labels counts for each of them.
    """
    by_label = {
        label: counts.get(label, 0) for label in (*task.labels, *sorted(counts.keys() - set(task.labels)))
    }
    if total < requirements.min_records:
        return _sentence(by_label, total, f"the project requires {requirements.min_records} records")
    if min(by_label[label] for label in task.labels) < requirements.min_records_per_label:
        need = f"the project requires {requirements.min_records_per_label} records of each label"
        return _sentence(by_label, total, need)
    if by_time:
        need = f"{records_in_all(ratios)} records or more are needed"
        return "" if fills_parts(total, ratios) else _sentence(by_label, total, need)
    min_records = records_per_class(ratios)
    enough = sum(count >= min_records for count in by_label.values()) >= 2
    need = f"at least two labels need {min_records} records or more each"
    return "" if enough else _sentence(by_label, total, need)


def _sentence(counts: Mapping[str, int], total: int, need: str) -> str:
    listed = ", ".join(f"{count} {label}" for label, count in counts.items())
    return (
        f"{total} labelled {'record is' if total == 1 else 'records are'} too few ({listed}): for training, validation "
        f"and test, {need}. Add labelled records; {ADVISED_PER_LABEL} or more of each label are advised."
    )


_SEVERAL = (
    "A record may have several labels now: existing versions answer with one, the next version lists them."
)
_ONE = (
    "A record has one label now: records with several count as unknown labels in label sets that are created from "
    "now on."
)


def _listed(labels: Sequence[str]) -> str:
    return ", ".join(repr(label) for label in labels)
