"""Answers of a model and of its source to the same validation records: metrics, and their difference."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from statistics import fmean

import pyarrow.parquet as pq

from ratoon.storage.artifacts import ArtifactStore
from ratoon.tasks import number_metrics, text_metrics
from ratoon.tasks.classify import Classify
from ratoon.tasks.kind import Record, Role
from ratoon.tasks.kinds import TaskSpec, kind_of, parse
from ratoon.tasks.records import BadRecord, record_of
from ratoon.tasks.regress import Regress
from ratoon_training.domain.compressions import Difference
from ratoon_training.domain.errors import DataEmpty, DataMalformed
from ratoon_training.worker.scores import macro_f1

_RESAMPLES = 500
_TAIL = 0.025
_NO_LABEL = ""
Score = Callable[[Sequence[str], Sequence[Record]], float]


def drawn_records(store: ArtifactStore, digest: str, part: str, count: int, seed: int) -> list[Record]:
    """Return records of a part that have a prompt and an answer, drawn by the seed; DataEmpty if there are none."""
    table = pq.read_table(BytesIO(store.read(digest))).sort_by("record_id")
    names = set(table.column_names)
    if missing := {"text", "label"} - names:
        raise DataMalformed(f"The {part} part lacks the columns {', '.join(sorted(missing))}.")
    texts, labels = (table.column(name).to_pylist() for name in ("text", "label"))
    examples = table.column("example").to_pylist() if "example" in names else [None] * len(texts)
    try:
        records = [
            record_of(text or "", label, own)
            for text, label, own in zip(texts, labels, examples, strict=True)
        ]
    except BadRecord as error:
        raise DataMalformed(f"A record of the {part} part cannot be read: {error}") from None
    usable = [
        each for each in records if each.turns and each.answers and each.turns[-1].role != Role.ASSISTANT
    ]
    if not usable:
        raise DataEmpty(f"The {part} part has no record with a prompt and an answer: add labelled records.")
    return usable if len(usable) <= count else random.Random(seed).sample(usable, count)


@dataclass(frozen=True)
class Quality:
    """Metrics of answers by name; the first one decides between versions."""

    task: TaskSpec
    records: Sequence[Record]

    @property
    def _scores(self) -> dict[str, Score]:
        if isinstance(self.task, Classify):
            return {"macro_f1": self._macro_f1, "accuracy": self._accuracy}
        if isinstance(self.task, Regress):
            return {"mae": self._mae, "invalid_answers": self._invalid}
        return {name: partial(_mean_of, function) for name, function in _TEXT_SCORES.items()}

    def metrics(self, answers: Sequence[str]) -> dict[str, float]:
        """Return the metrics of answers to the records."""
        return {name: score(answers, self.records) for name, score in self._scores.items()}

    def difference(self, answers: Sequence[str], of_source: Sequence[str], seed: int) -> Difference:
        """Return the difference of the first metric with its interval by a paired bootstrap over the records."""
        name, score = next(iter(self._scores.items()))
        rng, places = random.Random(seed), range(len(self.records))
        drawn = sorted(
            self._gap(score, answers, of_source, rng.choices(places, k=len(places)))
            for _ in range(_RESAMPLES)
        )
        same = fmean(float(a == b) for a, b in zip(answers, of_source, strict=True))
        low, high = drawn[int(_TAIL * _RESAMPLES)], drawn[int((1 - _TAIL) * _RESAMPLES) - 1]
        return Difference(name, self._gap(score, answers, of_source, places), low, high, same)

    def _gap(
        self, score: Score, answers: Sequence[str], others: Sequence[str], places: Sequence[int]
    ) -> float:
        records = [self.records[place] for place in places]
        own, other = ([each[place] for place in places] for each in (answers, others))
        return score(own, records) - score(other, records)

    def _accuracy(self, answers: Sequence[str], records: Sequence[Record]) -> float:
        wrong = kind_of(self.task).is_wrong
        return fmean(
            float(not wrong(self.task, answer, record.answers[0]))
            for answer, record in zip(answers, records, strict=True)
        )

    def _macro_f1(self, answers: Sequence[str], records: Sequence[Record]) -> float:
        pairs = [
            (parse(self.task, record.answers[0]) or _NO_LABEL, parse(self.task, answer) or _NO_LABEL)
            for answer, record in zip(answers, records, strict=True)
        ]
        labels = sorted({label for pair in pairs for label in pair})
        counts = [[float(pairs.count((right, own))) for own in labels] for right in labels]
        return macro_f1(counts)

    def _mae(self, answers: Sequence[str], records: Sequence[Record]) -> float:
        parsed = [
            (parse(self.task, record.answers[0]), parse(self.task, answer))
            for answer, record in zip(answers, records, strict=True)
        ]
        numbers = [
            (float(right), float(own)) for right, own in parsed if right is not None and own is not None
        ]
        return number_metrics.mae(*zip(*numbers, strict=True)) if numbers else 0.0

    def _invalid(self, answers: Sequence[str], records: Sequence[Record]) -> float:
        return fmean(float(parse(self.task, answer) is None) for answer in answers)


def _mean_of(
    function: Callable[[str, Sequence[str]], float], answers: Sequence[str], records: Sequence[Record]
) -> float:
    return fmean(function(answer, record.answers) for answer, record in zip(answers, records, strict=True))


_TEXT_SCORES = {
    "rouge_l": text_metrics.rouge_l_of_texts,
    "exact_match": text_metrics.exact_match,
    "token_f1": text_metrics.token_f1,
}
