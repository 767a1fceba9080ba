"""Resolution of several annotations of one record to the one that counts."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ratoon_labeling.domain.annotations import AnnotatedLabel, Source
from ratoon_labeling.domain.guidelines import ConflictPolicy


@dataclass(frozen=True)
class Resolution:
    """The annotation of a record that counts (None: people must decide), and whether its annotations differ."""

    chosen: AnnotatedLabel | None
    disputed: bool


def resolve(annotations: Iterable[AnnotatedLabel], policy: ConflictPolicy) -> Resolution:
    """Apply the policy to one record's annotations, at least one; of each annotator only the newest counts.

    The outcome does not depend on the order they come in. Where the newest annotations are equally new and differ, as
    those of duplicates that came with the data are, people must decide.
    """
    current = _newest_of_each(annotations)
    disputed = len({each.label for each in current}) > 1
    if policy is ConflictPolicy.MAJORITY:
        return Resolution(_of_the_majority(current), disputed)
    if policy is ConflictPolicy.HUMAN_FIRST:
        people = [each for each in current if each.source is Source.HUMAN]
        return Resolution(_newest(people or current), disputed)
    return Resolution(_newest(current), disputed)


def _newest_of_each(annotations: Iterable[AnnotatedLabel]) -> list[AnnotatedLabel]:
    newest: dict[str, AnnotatedLabel] = {}
    for each in sorted(annotations, key=_sort_key):
        newest[each.annotator] = each
    return list(newest.values())


def _of_the_majority(current: Sequence[AnnotatedLabel]) -> AnnotatedLabel | None:
    ranked = Counter(each.label for each in current).most_common(2)
    if len(ranked) > 1 and ranked[0][1] == ranked[1][1]:
        return None
    return _newest([each for each in current if each.label == ranked[0][0]])


def _newest(current: Sequence[AnnotatedLabel]) -> AnnotatedLabel | None:
    """The newest; None when several are and differ."""
    newest = max(current, key=_sort_key)
    if any(each.time == newest.time and each.label != newest.label for each in current):
        return None
    return newest


def _sort_key(annotation: AnnotatedLabel) -> tuple[object, ...]:
    return annotation.time, annotation.annotator, annotation.source, annotation.label
