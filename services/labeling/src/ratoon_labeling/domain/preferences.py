"""Records that follow from ratings and comparisons of a queue, in the columns that training reads.

| work | line |
|---|---|
| COMPARE | `prompt`, `chosen`, `rejected`: the answer that more annotators preferred; a tie gives none |
| RATE | `prompt`, `completion`, `label`, `ratings`: true from a mean of 4 on, false up to 2; between them none |
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from ratoon.tasks.kind import Role, Turn
from ratoon.tasks.records import messages
from ratoon.tasks.text import encodable
from ratoon_labeling.domain.ratings import Preference, Work
from ratoon_labeling.domain.tasks import Answer, Task, TaskState

_GOOD_FROM, _BAD_TO = 4, 2


def line(task: Task, turns: Sequence[Turn]) -> bytes | None:
    """Return the record of a task that is done as a line of JSON; None if people did not decide."""
    if task.state is not TaskState.DONE:
        return None
    decided = _pair(task) if task.work is Work.COMPARE else _verdict(task)
    if not decided:
        return None
    row = {"prompt": messages(turns), **decided, "record_id": task.record_id, "task": task.name}
    return json.dumps(row, ensure_ascii=False, sort_keys=True).encode() + b"\n"


def _pair(task: Task) -> Mapping[str, Any]:
    votes = Counter(each.preference for each in task.given if each.preference is not None)
    first, second = votes[Preference.FIRST], votes[Preference.SECOND]
    if first == second or len(task.candidates) < 2:
        return {}
    better, worse = task.candidates if first > second else task.candidates[::-1]
    return {
        "chosen": _assistant(better),
        "rejected": _assistant(worse),
        "votes": sorted((first, second))[::-1],
    }


def _verdict(task: Task) -> Mapping[str, Any]:
    rated = [each for each in task.given if each.ratings]
    mean = fmean(_mean(each) for each in rated) if rated else 0.0
    if not rated or _BAD_TO < mean < _GOOD_FROM:
        return {}
    scales = {name: round(fmean(each.ratings[name] for each in rated), 3) for name in rated[0].ratings}
    return {"completion": _assistant(task.candidates[0]), "label": mean >= _GOOD_FROM, "ratings": scales}


def _mean(answer: Answer) -> float:
    return fmean(answer.ratings.values())


def _assistant(text: str) -> list[dict[str, str]]:
    return [{"role": Role.ASSISTANT.value, "content": encodable(text)}]
