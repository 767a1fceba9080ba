"""Resolution of several annotations of one record to the one that counts."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from ratoon.tasks.classify import Classify
from ratoon_labeling.domain.annotations import AnnotatedLabel, Source
from ratoon_labeling.domain.guidelines import ConflictPolicy
from ratoon_labeling.domain.kinds.table import rules_of
from ratoon_labeling.domain.marks import AnswerSpec

_CLASSIFY = Classify()


@dataclass(frozen=True)
class Resolution:
    """The annotation of a record that counts (None: people must decide), and whether its annotations differ."""

    chosen: AnnotatedLabel | None
    disputed: bool


def resolve(
    annotations: Iterable[AnnotatedLabel], policy: ConflictPolicy, task: AnswerSpec = _CLASSIFY
) -> Resolution:
    """Apply the policy to one record's annotations, at least one; of each annotator only the newest counts.

    The outcome does not depend on the order they come in. Where the newest annotations are equally new and differ, as
    those of duplicates that came with the data are, people must decide.
    """
    current = _newest_of_each(annotations)
    disputed = _differ(current, task)
    if combined := rules_of(task).COMBINED.get(policy):
        return Resolution(_of_several(_of_people(current) or current, combined), disputed)
    if policy is ConflictPolicy.MAJORITY:
        return Resolution(_of_the_majority(current, task), disputed)
    if policy is ConflictPolicy.HUMAN_FIRST:
        return Resolution(_newest(_of_people(current) or current, task), disputed)
    return Resolution(_newest(current, task), disputed)


def _newest_of_each(annotations: Iterable[AnnotatedLabel]) -> list[AnnotatedLabel]:
    newest: dict[str, AnnotatedLabel] = {}
    for each in sorted(annotations, key=_sort_key):
        newest[each.annotator] = each
    return list(newest.values())


def _of_people(current: Sequence[AnnotatedLabel]) -> list[AnnotatedLabel]:
    return [each for each in current if each.source is Source.HUMAN]


def _of_several(
    counted: Sequence[AnnotatedLabel], combined: Callable[[Sequence[str]], str]
) -> AnnotatedLabel:
    """An answer that is computed of several: without an annotator, unless there is only one."""
    newest = max(counted, key=_sort_key)
    label = combined([each.label for each in counted])
    return replace(newest, label=label, annotator=newest.annotator if len(counted) == 1 else "")


def _of_the_majority(current: Sequence[AnnotatedLabel], task: AnswerSpec) -> AnnotatedLabel | None:
    ranked = Counter(each.label for each in current).most_common(2)
    if len(ranked) > 1 and ranked[0][1] == ranked[1][1]:
        return None
    return _newest([each for each in current if each.label == ranked[0][0]], task)


def _newest(current: Sequence[AnnotatedLabel], task: AnswerSpec) -> AnnotatedLabel | None:
    """The newest; None when several are and differ."""
    newest = max(current, key=_sort_key)
    return None if _differ([each for each in current if each.time == newest.time], task) else newest


def _differ(annotations: Sequence[AnnotatedLabel], task: AnswerSpec) -> bool:
    return rules_of(task).differ(task, [each.label for each in annotations])


def _sort_key(annotation: AnnotatedLabel) -> tuple[object, ...]:
    return annotation.time, annotation.annotator, annotation.source, annotation.label
