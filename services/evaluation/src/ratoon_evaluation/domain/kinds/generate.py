"""Task `generate`: which metrics an evaluation compares, and how answers are generated."""

from collections.abc import Mapping
from dataclasses import replace

from ratoon.tasks import generate
from ratoon.tasks.generate import Form, Generate, Sampling
from ratoon.tasks.kind import BadTask
from ratoon_evaluation.domain.errors import BadEvaluation
from ratoon_evaluation.domain.generation import DEFAULTS, Generation, merged

METRICS: tuple[str, ...] = (
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
_COMPARED: tuple[str, ...] = tuple(name for name in METRICS if generate.METRICS[name].is_judge)
BASELINE = "nearest_reference"
BASELINE_TITLES: Mapping[str, str] = {
    "zero_shot": "the base model",
    "few_shot": "the base model with examples",
    "nearest_reference": "the answer of the most similar training record",
}

_NO_JSON = "The form of the answers is not JSON."
BASE_BASELINES: tuple[str, ...] = ("zero_shot", "few_shot")


def gated_metrics(_: Generate, /) -> tuple[str, ...]:
    """Return the metrics of texts, those of JSON documents included."""
    return METRICS


def compared_metrics(_: Generate, /) -> tuple[str, ...]:
    """Return those of the metrics of texts that have a direction."""
    return _COMPARED


def labels(task: Generate, /) -> tuple[str, ...]:
    """Return no labels: answers are free text."""
    return ()


def generation(task: Generate, requested: Generation | None, /) -> Generation:
    """Return how answers are generated: by the request, then the task, then the defaults."""
    requested = requested or Generation()
    _check(requested.sampling)
    sampling = merged(merged(requested.sampling, task.defaults), DEFAULTS)
    return replace(requested, sampling=sampling)


def unmeasurable(task: Generate, /) -> Mapping[str, str]:
    """Return the metrics of JSON documents, if the answers are none."""
    return {} if task.form is Form.JSON else dict.fromkeys(("json_validity", "json_field_f1"), _NO_JSON)


def _check(sampling: Sampling) -> None:
    try:
        generate.check(Generate(defaults=sampling))
    except BadTask as refused:
        field = refused.field.replace("defaults", "generation.sampling")
        raise BadEvaluation(str(refused), field) from None
