"""What the task `classify` decides in the loop: enough records of each label, and what a change of labels means."""

import itertools
from collections.abc import Mapping, Sequence

from ratoon.tasks.classify import Classify
from ratoon.tasks.labels import match_label
from ratoon_flywheel.domain.errors import LabelServed
from ratoon_flywheel.domain.project_settings import DataRequirements

GATED_METRICS: tuple[str, ...] = ("macro_f1", "accuracy", "auc")
REPORTED_METRICS: tuple[str, ...] = ("macro_f1", "accuracy", "perplexity")
ADVISED_PER_LABEL = 200
"""Records of each label from which a model is likely to be useful."""


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
    notices = []
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


def lack(
    task: Classify,
    counts: Mapping[str, int],
    ratios: tuple[float, float, float],
    by_time: bool,
    requirements: DataRequirements,
    /,
) -> str:
    """Return why a part of the split would stay empty, or which requirement of the project is not met.

    Splits by class give each class its shares; splits by time share out all records at once.
    """
    by_label = {
        label: counts.get(label, 0) for label in (*task.labels, *sorted(counts.keys() - set(task.labels)))
    }
    total = sum(by_label.values())
    if total < requirements.min_records:
        return _sentence(by_label, f"the project requires {requirements.min_records} records")
    if min(by_label[label] for label in task.labels) < requirements.min_records_per_label:
        return _sentence(
            by_label, f"the project requires {requirements.min_records_per_label} records of each label"
        )
    if by_time:
        return "" if _parted(total, ratios) else _sentence(by_label, _need_by_time(ratios))
    min_records = _need_by_class(ratios)
    enough = sum(count >= min_records for count in by_label.values()) >= 2
    return (
        "" if enough else _sentence(by_label, f"at least two labels need {min_records} records or more each")
    )


def _need_by_class(ratios: tuple[float, float, float]) -> int:
    """Records of one label from which each part gets one of them, by the split's rounding."""
    shares = [share for share in ratios if share]
    nearly = max(2, int(0.5 / min(shares)))
    return next(
        number for number in itertools.count(nearly) if all(round(number * share) >= 1 for share in shares)
    )


def _need_by_time(ratios: tuple[float, float, float]) -> str:
    min_records = next(count for count in range(2, 10_000) if _parted(count, ratios))
    return f"{min_records} records or more are needed"


def _parted(total: int, ratios: tuple[float, float, float]) -> bool:
    """Whether a split by time leaves no part empty."""
    first, second = round(total * ratios[0]), round(total * (ratios[0] + ratios[1]))
    return 0 < first < second < total


def _sentence(counts: Mapping[str, int], need: str) -> str:
    total = sum(counts.values())
    listed = ", ".join(f"{count} {label}" for label, count in counts.items())
    return (
        f"{total} labelled {'record is' if total == 1 else 'records are'} too few ({listed}): for training, validation "
        f"and test, {need}. Add labelled records; {ADVISED_PER_LABEL} or more of each label are advised."
    )


def _listed(labels: Sequence[str]) -> str:
    return ", ".join(repr(label) for label in labels)
