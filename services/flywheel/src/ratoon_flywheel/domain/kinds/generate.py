"""What the task `generate` decides in the loop: enough records with an answer, and what a change of answers means."""

from collections.abc import Callable, Mapping

from ratoon.tasks import text_metrics
from ratoon.tasks.generate import METRICS, Form, Generate
from ratoon_flywheel.domain.project_settings import DataRequirements
from ratoon_flywheel.domain.shares import Ratios, fills_parts, records_in_all
from ratoon_flywheel.domain.sums import Sums, mean, scored

_METRICS: tuple[str, ...] = (
    "rouge_l",
    "exact_match",
    "token_f1",
    "bleu",
    "chrf",
    "distinct_1",
    "distinct_2",
    "json_validity",
    "json_field_f1",
    "perplexity",
    "refusal_rate",
    "answer_length",
)
_COMPARED: tuple[str, ...] = tuple(name for name in _METRICS if METRICS[name].is_judge)
BEATS_SIMPLEST_BASELINE = False
STARTS_FROM_BASE = True
_PAIR_SCORES: Mapping[str, Callable[[str, str], float]] = {
    "rouge_l": lambda answered, expected: text_metrics.rouge_l_of_texts(answered, [expected]),
    "exact_match": lambda answered, expected: text_metrics.exact_match(answered, [expected]),
    "token_f1": lambda answered, expected: text_metrics.token_f1(answered, [expected]),
    "chrf": lambda answered, expected: text_metrics.chrf([answered], [[expected]]),
    "json_field_f1": text_metrics.json_field_f1,
}
SCORED_METRICS: tuple[str, ...] = tuple(_PAIR_SCORES)
PAIRED_METRICS: tuple[str, ...] = SCORED_METRICS
CONFIRMED_IS_RIGHT = False
ADVISED_RECORDS = 300
"""Records with an answer from which an adapter of a base model is likely to be useful."""


def gated_metrics(_: Generate, /) -> tuple[str, ...]:
    """Return the metrics that can be bounded."""
    return _METRICS


def compared_metrics(_: Generate, /) -> tuple[str, ...]:
    """Return the metrics that can be compared."""
    return _COMPARED


def reported_metrics(_: Generate, /) -> tuple[str, ...]:
    """Return the metrics that a version keeps."""
    return _METRICS


def narrows(before: Generate, after: Generate, /) -> bool:
    """Return whether texts that were answers are none any more: by another form or schema of JSON documents."""
    return after.form is Form.JSON and (before.form, before.json_schema) != (after.form, after.json_schema)


def change_notices(before: Generate, after: Generate, served: str, allowed: bool, /) -> tuple[str, ...]:
    """Return what a change of form, schema or sampling means for what exists. No change is refused."""
    notices = []
    if before.form is not after.form:
        notices.append(
            f"The form of answers is {after.form} now, not {before.form}: it holds for label sets and evaluations that "
            "are created from now on; records and versions stay as they are."
        )
    if before.json_schema != after.json_schema:
        notices.append(
            "The schema of answers is another one now: existing records are not checked against it again."
        )
    if notices and served:
        notices.append(
            f"{served} was trained on other answers, and answers as it did until a new version replaces it."
        )
    if (before.defaults, before.stop) != (after.defaults, after.stop):
        notices.append(
            "Evaluations use the new sampling defaults from now on. Versions keep those with which they were "
            "registered."
        )
    return tuple(notices)


def respelled(before: Generate, after: Generate, /) -> dict[str, str]:
    """Return nothing: texts are not rewritten."""
    return {}


def score(task: Generate, metric: str, answered: str, expected: str, /) -> float | None:
    """Return how much a text has of its correction, by a metric of pairs of texts."""
    return _PAIR_SCORES[metric](answered, expected)


def summands(task: Generate, metric: str, answered: str, expected: str, /) -> Sums | None:
    """Return the score of a text."""
    return scored(score(task, metric, answered, expected))


def metric_of(metric: str, sums: Sums, /) -> float:
    """Return the mean score."""
    return mean(sums)


def lack(
    task: Generate,
    counts: Mapping[str, int],
    total: int,
    ratios: Ratios,
    by_time: bool,
    requirements: DataRequirements,
    /,
) -> str:
    """Return why there are too few records with an answer."""
    if total < requirements.min_records:
        need = f"the project requires {requirements.min_records}"
    elif not fills_parts(total, ratios):
        need = f"{records_in_all(ratios)} or more are needed for training, validation and test"
    else:
        return ""
    return (
        f"{total} {'record' if total == 1 else 'records'} with an answer: {need}. Add records with reference answers; "
        f"{ADVISED_RECORDS} or more are advised."
    )
