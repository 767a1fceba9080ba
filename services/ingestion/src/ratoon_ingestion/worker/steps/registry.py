"""Steps by name: those of this package, and those that other packages name as entry points."""

from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from importlib.metadata import entry_points
from pathlib import Path
from types import MappingProxyType

import pyarrow as pa

from ratoon.tasks.curation import Step, settings_of
from ratoon_ingestion.worker.phones import unknown_regions
from ratoon_ingestion.worker.steps import (
    chinese,
    classifier,
    listed_words,
    lists,
    perplexity,
    quality,
    text,
    tokens,
    topics,
)
from ratoon_ingestion.worker.steps.references import Prepare
from ratoon_ingestion.worker.steps.result import StepFunction, StepResult

ENTRY_POINTS = "ratoon.curation_steps"
"""Group of the entry points; the name of each has a dot, such as `acme.signatures`."""

_BUILT_IN: Mapping[str, Callable[..., StepResult]] = {
    "fix_text": text.fix_text,
    "normalize": text.normalize,
    "simplify_chinese": chinese.simplify_chinese,
    "html_boilerplate": text.html_boilerplate,
    "gopher_quality": quality.gopher_quality,
    "gopher_repetition": quality.gopher_repetition,
    "c4": quality.c4,
    "fineweb": quality.fineweb,
    "url_blocklist": lists.url_blocklist,
    "word_list": lists.word_list,
    "license": lists.license,
}

_WITH_MODEL: Mapping[str, Callable[..., StepResult]] = {
    "chinese_words": chinese.chinese_words,
    "classifier": classifier.classifier,
    "perplexity": perplexity.perplexity,
    "token_count": tokens.token_count,
    "topic": topics.topic,
    **{name: partial(listed_words.listed_words, name=name) for name in ("toxic_words", "bias_words")},
}
"""Steps whose argument `model` is the directory that `PREPARED` fills."""
PREPARED: Mapping[str, Prepare] = {
    "chinese_words": chinese.prepare_dictionary,
    "classifier": classifier.prepare_classifier,
    "perplexity": perplexity.prepare_perplexity,
    "segment": tokens.prepare_tokenizer,
    "token_count": tokens.prepare_tokenizer,
    "topic": topics.prepare_topics,
    "toxic_words": listed_words.prepare_lists,
    "bias_words": listed_words.prepare_lists,
}
"""What steps do before the first batch."""


class StepNotInstalled(Exception):
    """The package of a step is not installed where curation runs."""

    code, reason = "FAILED_PRECONDITION", "STEP_NOT_INSTALLED"


class RegionUnknown(Exception):
    """A country has no numbering plan of phones."""

    code, reason = "INVALID_ARGUMENT", "REGION_UNKNOWN"


def check_installed(steps: Sequence[Step]) -> None:
    """Raise StepNotInstalled or RegionUnknown unless every step can run here."""
    for step in steps:
        if step.name == "personal_data" and (unknown := unknown_regions(settings_of(step)["regions"])):
            raise RegionUnknown(
                f"{unknown[0]!r} in regions of the step personal_data is no country with phone numbers. Use ISO 3166 "
                "codes such as `CN, US`."
            )
        if step.is_external:
            function_of(step)


def directory_of(step: str, models: str) -> Path:
    """Return the directory of what a step prepared, below that of all steps."""
    return Path(models) / step


def function_of(step: Step, models: str = "") -> Callable[[pa.RecordBatch], StepResult]:
    """Return a step with its parameters; StepNotInstalled if no package provides it."""
    if step.is_external:
        function = _external(step.name)
        return lambda batch: function(batch, MappingProxyType(dict(step.params)))
    settings = settings_of(step)
    if step.name in _WITH_MODEL:
        return partial(_WITH_MODEL[step.name], **settings, model=directory_of(step.name, models))
    return partial(_BUILT_IN[step.name], **settings)


@cache
def _external(name: str) -> StepFunction:
    providers = tuple(entry_points(group=ENTRY_POINTS, name=name))
    if len(providers) != 1:
        problem = (
            "no installed package provides it" if not providers else "several installed packages provide it"
        )
        raise StepNotInstalled(
            f"The step {name!r} cannot run: {problem}. Install its package in the environment of the ingestion "
            f"workers (entry point group `{ENTRY_POINTS}`), or remove the step from the curation."
        )
    function: StepFunction = providers[0].load()
    return function
