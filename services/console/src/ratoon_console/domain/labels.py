"""The review queue, what annotators enter, and how far people and the answers they were shown agree."""

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from ratoon_console.domain.projects import kind_of
from ratoon_console.domain.words import JSON, last_part, number

_DIGEST = re.compile("[0-9a-f]{64}")
_NO_OVERLAP = ("", "OVERLAP_UNSPECIFIED", "OVERLAP_NONE")
_PREFERENCES = ("PREFERENCE_FIRST", "PREFERENCE_SECOND")


@dataclass(frozen=True)
class Queue:
    """How many tasks wait, by reason; how many are answered and skipped."""

    open: int
    answered: int
    skipped: int
    reasons: tuple[tuple[str, int], ...]

    @property
    def total(self) -> int:
        """All tasks."""
        return self.open + self.answered + self.skipped


@dataclass(frozen=True)
class Review:
    """People's answers compared with the earlier labels: a confusion table, agreement, Cohen's kappa."""

    labels: tuple[str, ...]
    table: tuple[tuple[int, ...], ...]
    """Row: the label that stood before; column: the answer."""
    answered: int
    agreement: float
    kappa: float | None
    """Agreement beyond chance; None where chance alone would always agree."""


@dataclass(frozen=True)
class Entry:
    """What an annotator enters: labels, a text, a number; ratings of an answer, or the better of two answers."""

    kind: str
    """Kind of the task; `rate` and `compare` for human ratings, `spans` and `boxes` for marks."""
    choices: tuple[str, ...] = ()
    several: bool = False
    """Several labels may be chosen."""
    chosen: tuple[str, ...] = ()
    """Labels of the current answer."""
    hint: str = ""
    """What a valid answer is; of boxes, the attribute that names the image."""
    candidates: tuple[tuple[str, str], ...] = ()
    """Answers to rate with the preference for each, in the order in which they are shown."""
    scales: tuple[str, ...] = ()
    may_overlap: bool = False
    """Spans may share characters."""


@dataclass(frozen=True)
class Changes:
    """Reviewed answers that people left as they were, and those that they changed."""

    unchanged: int
    changed: int

    @property
    def share(self) -> float:
        """Share of the answers that were left as they were."""
        return self.unchanged / (self.unchanged + self.changed)


def entry_of(task: JSON, labels: Sequence[str], person: str = "") -> Entry:
    """Return what a task takes; `labels` are those of the guideline, for tasks of older releases.

    Two answers are shown in an order that is random for each task and person, so that no side is favoured.
    """
    kind, candidates = kind_of(task), tuple(zip(task.get("candidates", ()), _PREFERENCES, strict=False))
    if task.get("work") == "WORK_RATE":
        return Entry("rate", candidates=candidates, scales=tuple(task.get("scales", ())))
    if task.get("work") == "WORK_COMPARE":
        is_swapped = hashlib.sha256(f"{task['name']}\0{person}".encode()).digest()[0] % 2
        return Entry("compare", candidates=candidates[::-1] if is_swapped else candidates)
    if marked := task.get("marks", {}).get("spans"):
        return Entry(
            "spans", tuple(marked.get("labels", ())), may_overlap=marked.get("overlap", "") not in _NO_OVERLAP
        )
    if marked := task.get("marks", {}).get("boxes"):
        attribute = marked.get("imageAttribute") or "image"
        return Entry("boxes", tuple(marked.get("labels", ())), hint=attribute)
    spec = task.get("task", {}).get(kind, {})
    if kind == "regress":
        return Entry(kind, hint=_number_words(spec))
    if kind == "generate":
        return Entry(kind, hint="a JSON document" if spec.get("form") == "FORM_JSON" else "a text")
    several = bool(spec.get("multiLabel"))
    proposed = task.get("proposedLabel", "")
    chosen = proposed.split("\n") if several else [proposed]
    return Entry(kind, tuple(spec.get("labels") or labels), several, tuple(filter(None, chosen)))


def image_type(data: bytes) -> str:
    """Return the media type of an image by its first bytes; empty if it is none that browsers show in any case."""
    kinds = {b"\x89PNG\r\n\x1a\n": "image/png", b"\xff\xd8\xff": "image/jpeg", b"GIF8": "image/gif"}
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    return next((kind for magic, kind in kinds.items() if data.startswith(magic)), "")


def image_of(entry: Entry, record: JSON | None) -> str:
    """Return the digest of the image of a record; empty if it names none, or the task is not about boxes."""
    digest = str((record or {}).get("attributes", {}).get(entry.hint, "")) if entry.kind == "boxes" else ""
    return digest if _DIGEST.fullmatch(digest) else ""


def marked_words(answer: str) -> str:
    """Return an answer as people read it: of spans their words and labels, of others the answer."""
    try:
        marks = json.loads(answer) if answer.startswith("[{") else None
    except ValueError:
        marks = None
    if not marks or not all(isinstance(each, dict) and "label" in each for each in marks):
        return answer.replace("\n", ", ")
    return ", ".join(f"{each.get('text', 'box')} ({each['label']})" for each in marks)


def answer_words(resource: JSON) -> str:
    """Return what annotators enter by a guideline: its labels, else the kind of answer."""
    entry = entry_of(resource, resource.get("labels", []))
    return ", ".join(entry.choices) or entry.hint.removeprefix("a ").capitalize()


def _number_words(spec: JSON) -> str:
    low, high = (spec.get(bound) for bound in ("min", "max"))
    unit = f" ({spec['unit']})" if spec.get("unit") else ""
    if low is not None and high is not None:
        return f"a number from {low:g} to {high:g}{unit}"
    if low is not None:
        return f"a number of {low:g} or more{unit}"
    return f"a number of {high:g} or less{unit}" if high is not None else f"a number{unit}"


def changes_of(summary: JSON) -> Changes | None:
    """Return how many answers people left as they were; None without any."""
    counted = Changes(number(summary.get("unchangedCount")), number(summary.get("changedCount")))
    return counted if counted.unchanged + counted.changed else None


def queue_of(summary: JSON) -> Queue:
    """The queue as a whole, by the counts of the API."""
    reasons = {reason: number(count) for reason, count in summary.get("openCounts", {}).items()}
    ordered = sorted(reasons.items(), key=lambda each: (-each[1], each[0]))
    done, skipped = number(summary.get("doneCount")), number(summary.get("skippedCount"))
    return Queue(sum(reasons.values()), done, skipped, tuple(ordered))


def progress_of(queue: JSON) -> Queue:
    """Return how many tasks of a labelling queue wait for annotators and reviewers, and how many are answered."""
    waiting = {"annotators": number(queue.get("openCount")), "reviewers": number(queue.get("reviewCount"))}
    done, skipped = number(queue.get("doneCount")), number(queue.get("skippedCount"))
    return Queue(sum(waiting.values()), done, skipped, tuple(waiting.items()))


@dataclass(frozen=True)
class OwnWork:
    """Answers of one annotator to a queue."""

    answered: int
    skipped: int
    reviewed: int
    accepted: int
    compared: int
    """Tasks that another annotator answered too."""
    agreement: float | None
    """Share of these with the same answer; None if there are none."""


def own_work_of(summary: JSON, person: str) -> OwnWork:
    """Return the work of a person by the summary of a queue."""
    row: JSON = next(
        (each for each in summary.get("annotators", ()) if last_part(each["name"]) == last_part(person)), {}
    )
    pairs = [
        (number(each.get("taskCount")), float(each.get("rawAgreement", 0)))
        for each in summary.get("pairs", ())
        if last_part(person) in (last_part(each["first"]), last_part(each["second"]))
    ]
    compared = sum(count for count, _ in pairs)
    agreement = sum(count * share for count, share in pairs) / compared if compared else None
    return OwnWork(
        number(row.get("answerCount")),
        number(row.get("skipCount")),
        number(row.get("reviewedCount")),
        number(row.get("acceptedCount")),
        compared,
        agreement,
    )


def review_of(summary: JSON) -> Review | None:
    """People's answers where a label existed before; None without any."""
    counted = {
        (each["proposedLabel"], each["label"]): number(each["count"]) for each in summary.get("reviews", [])
    }
    answered = sum(counted.values())
    if not answered:
        return None
    names = tuple(sorted({name for pair in counted for name in pair}))
    table = tuple(tuple(counted.get((before, after), 0) for after in names) for before in names)
    agreed = sum(counted.get((name, name), 0) for name in names) / answered
    return Review(names, table, answered, agreed, kappa(table))


def kappa(table: Sequence[Sequence[int]]) -> float | None:
    """Cohen's kappa of a confusion table: (observed - chance) / (1 - chance)."""
    total = sum(map(sum, table))
    observed = sum(row[i] for i, row in enumerate(table)) / total
    columns = [sum(row[i] for row in table) for i in range(len(table))]
    chance = sum(sum(row) * column for row, column in zip(table, columns, strict=True)) / total**2
    return None if chance == 1 else (observed - chance) / (1 - chance)
