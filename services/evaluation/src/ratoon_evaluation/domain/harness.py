"""Tasks of lm-evaluation-harness: what a task asks, read from its settings. It knows no YAML and no template language.

Supported are the output types `multiple_choice` and `generate_until` with documents from JSON files. What is not
supported is refused, so that a score is never that of another task.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from ratoon_evaluation.domain.errors import BadSuite

MAX_TOKENS = 256
"""Tokens of an answer, where the task states no number."""
MAX_FEW_SHOT = 64
NO_FILTER = "none"
"""Name of the filter of a task without filters; metrics do not repeat it."""
FALLBACK = "[invalid]"
"""Answer of a filter `regex` that finds nothing, unless the task names another one."""

_IGNORED = frozenset(
    {"task", "task_alias", "tag", "group", "metadata", "should_decontaminate", "dataset_name", "test_split"}
    | {"doc_to_decontamination_query", "training_split", "validation_split", "version", "fewshot_split"}
)
_READ = frozenset(
    {"dataset_path", "dataset_kwargs", "output_type", "doc_to_text", "doc_to_target", "doc_to_choice"}
    | {"description", "target_delimiter", "fewshot_delimiter", "fewshot_config", "num_fewshot", "repeats"}
    | {"metric_list", "generation_kwargs", "filter_list"}
)
_SAMPLING = frozenset({"until", "do_sample", "temperature", "top_p", "top_k", "min_p", "repetition_penalty"})
_LIMITS = ("max_gen_toks", "max_new_tokens", "max_tokens", "max_completion_tokens")
"""Names of the number of tokens of an answer; the first one that is set counts."""


class Output(StrEnum):
    """Way in which models answer."""

    MULTIPLE_CHOICE = "multiple_choice"
    GENERATE_UNTIL = "generate_until"


class Sampler(StrEnum):
    """Choice of the examples before a prompt."""

    DEFAULT = "default"
    """Drawn again for each document, with the seed of the harness."""
    FIRST_N = "first_n"


@dataclass(frozen=True)
class Step:
    """One step of a filter: its function and its settings."""

    function: str
    pattern: str = ""
    """Expression of `regex`."""
    group: int = 0
    """Match of `regex` that counts, from the end if negative."""
    fallback: str = FALLBACK


@dataclass(frozen=True)
class Filter:
    """Extraction of the answer that counts from a generated text."""

    name: str
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class HarnessMetric:
    """Metric of a task, and what `exact_match` leaves out of account."""

    name: str
    ignore_case: bool = False
    ignore_punctuation: bool = False
    ignore_numbers: bool = False
    ignored: tuple[str, ...] = ()
    """Expressions whose matches are removed from answers and references."""


@dataclass(frozen=True)
class Documents:
    """Files of a split, by the names that the task gives them."""

    files: tuple[str, ...]


@dataclass(frozen=True)
class Format:
    """Fields or templates by which a document becomes a prompt, its target and its choices."""

    text: str
    target: str | int | tuple[str, ...]
    choice: str | tuple[str, ...] | None = None
    target_delimiter: str = " "
    delimiter: str = "\n\n"
    """Between an example and what follows it."""


@dataclass(frozen=True)
class Sampling:
    """Generation of answers; a temperature of 0 is greedy."""

    until: tuple[str, ...]
    max_tokens: int = MAX_TOKENS
    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0
    min_p: float = 0.0
    repetition_penalty: float = 1.0


@dataclass(frozen=True)
class HarnessTask:
    """Task of lm-evaluation-harness."""

    output: Output
    documents: Documents
    shots: Documents | None
    """Where examples come from; None: the task has none."""
    excludes_document: bool
    """Whether the document itself is left out of its examples."""
    format: Format
    shot_format: Format
    metrics: tuple[HarnessMetric, ...]
    filters: tuple[Filter, ...]
    sampling: Sampling
    description: str = ""
    few_shot: int = 0
    sampler: Sampler = Sampler.DEFAULT

    @property
    def files(self) -> frozenset[str]:
        """Return the names of all files that the task reads."""
        return frozenset((*self.documents.files, *(self.shots.files if self.shots else ())))

    @property
    def metric_names(self) -> tuple[str, ...]:
        """Return the names of its metrics, the name of the filter appended where it has one."""
        return tuple(metric_name(metric.name, each.name) for each in self.filters for metric in self.metrics)


def metric_name(metric: str, filter_name: str) -> str:
    """Return the name of a metric after a filter."""
    return metric if filter_name == NO_FILTER else f"{metric},{filter_name}"


def read_task(settings: object) -> HarnessTask:
    """Return the task of these settings; BadSuite names what is not supported."""
    if not isinstance(settings, Mapping):
        raise BadSuite("The YAML must be one task: a mapping of its settings.", "yaml")
    _check_keys(settings)
    output = _output(settings)
    if settings.get("dataset_path") != "json":
        raise BadSuite(
            f"dataset_path must be `json`, not {settings.get('dataset_path')!r}: give the documents as files.",
            "yaml",
        )
    splits = _splits(settings)
    test = _chosen_split(settings, splits)
    format_ = _format(settings, {}, output)
    config = _mapping(settings.get("fewshot_config") or {}, "fewshot_config")
    shot_split = config.get("split", settings.get("fewshot_split"))
    return HarnessTask(
        output=output,
        documents=splits[test],
        shots=_shots(settings, shot_split, splits),
        excludes_document=shot_split == settings.get("test_split"),
        format=format_,
        shot_format=_format(settings, config, output),
        metrics=_metrics(settings, output),
        filters=_filters(settings, output),
        sampling=_sampling(settings, output, format_.delimiter),
        description=_text(settings.get("description") or "", "description"),
        few_shot=_few_shot(settings),
        sampler=_sampler(config),
    )


def _check_keys(settings: Mapping[str, Any]) -> None:
    unknown = sorted(
        str(key)
        for key, value in settings.items()
        if key not in _READ | _IGNORED and value not in (None, False)
    )
    if unknown:
        raise BadSuite(
            f"The task sets {', '.join(unknown)[:200]}, which is not supported: it needs code or other inputs than "
            "text. Write the documents to a file as that code makes them, and name their fields.",
            "yaml",
        )
    if settings.get("repeats", 1) not in (None, 1):
        raise BadSuite("repeats must be 1: each document is answered once.", "yaml")


def _output(settings: Mapping[str, Any]) -> Output:
    output = settings.get("output_type", "generate_until")
    if output not in tuple(Output):
        raise BadSuite(f"output_type must be one of {', '.join(Output)}, not {output!r}.", "yaml")
    return Output(output)


def _splits(settings: Mapping[str, Any]) -> dict[str, Documents]:
    arguments = _mapping(settings.get("dataset_kwargs") or {}, "dataset_kwargs")
    files = arguments.get("data_files")
    others = sorted(set(map(str, arguments)) - {"data_files"})
    if others:
        raise BadSuite(f"dataset_kwargs may hold data_files alone, not {', '.join(others)[:200]}.", "yaml")
    by_split = files if isinstance(files, Mapping) else {"train": files}
    splits = {str(split): Documents(_names(each)) for split, each in by_split.items()}
    if not all(each.files for each in splits.values()):
        raise BadSuite("dataset_kwargs.data_files must name a file for each split.", "yaml")
    return splits


def _names(files: object) -> tuple[str, ...]:
    each = files if isinstance(files, list) else [files]
    return tuple(name for name in each if isinstance(name, str) and name)


def _chosen_split(settings: Mapping[str, Any], splits: Collection[str]) -> str:
    chosen = settings.get("test_split") or settings.get("validation_split")
    if chosen not in splits:
        raise BadSuite(
            f"test_split or validation_split must be one of the splits {', '.join(splits)[:200]} of data_files, "
            f"not {chosen!r}.",
            "yaml",
        )
    return str(chosen)


def _shots(settings: Mapping[str, Any], split: object, splits: Mapping[str, Documents]) -> Documents | None:
    names = (split, *(settings.get(f"{name}_split") for name in ("training", "validation", "test")))
    chosen = next((name for name in names if name), None)
    if split and split not in splits:
        raise BadSuite(f"The split of the examples, {split!r}, is none of data_files.", "yaml")
    return splits.get(str(chosen))


def _format(settings: Mapping[str, Any], config: Mapping[str, Any], output: Output) -> Format:
    def value(name: str, default: object = None) -> Any:
        return config[name] if config.get(name) is not None else settings.get(name, default)

    choice = _choice(value("doc_to_choice"))
    if output is Output.MULTIPLE_CHOICE and choice is None:
        raise BadSuite("A task multiple_choice needs doc_to_choice.", "yaml")
    return Format(
        _text(value("doc_to_text"), "doc_to_text"),
        _target(value("doc_to_target")),
        choice,
        _text(value("target_delimiter", " "), "target_delimiter"),
        _text(value("fewshot_delimiter", "\n\n"), "fewshot_delimiter"),
    )


def _choice(value: object) -> str | tuple[str, ...] | None:
    if value is None or isinstance(value, str):
        return value
    each = list(value.values()) if isinstance(value, Mapping) else value
    if isinstance(each, list) and each and all(isinstance(text, str) for text in each):
        return tuple(each)
    raise BadSuite("doc_to_choice must be a field, a template or a list of texts.", "yaml")


def _target(value: object) -> str | int | tuple[str, ...]:
    if isinstance(value, list) and value and all(isinstance(each, str) for each in value):
        return tuple(value)
    if isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    raise BadSuite("doc_to_target must be a field, a template, a number or a list of texts.", "yaml")


def _metrics(settings: Mapping[str, Any], output: Output) -> tuple[HarnessMetric, ...]:
    choice = output is Output.MULTIPLE_CHOICE
    known = ("acc", "acc_norm", "acc_bytes") if choice else ("exact_match",)
    listed = settings.get("metric_list")
    if listed is None:
        return tuple(HarnessMetric(name) for name in (known[:2] if choice else known))
    metrics = tuple(_metric(_mapping(each, "metric_list")) for each in _list(listed, "metric_list"))
    for metric in metrics:
        if metric.name not in known:
            raise BadSuite(
                f"The metric {metric.name!r} of a task {output} is not supported: use {', '.join(known)}.",
                "yaml",
            )
    return metrics


def _metric(settings: Mapping[str, Any]) -> HarnessMetric:
    if settings.get("aggregation", "mean") != "mean":
        raise BadSuite(f"aggregation must be mean, not {settings['aggregation']!r}.", "yaml")
    ignored = tuple(map(str, _list(settings.get("regexes_to_ignore") or [], "regexes_to_ignore")))
    for pattern in ignored:
        _compiled(pattern)
    return HarnessMetric(
        str(settings.get("metric")),
        bool(settings.get("ignore_case")),
        bool(settings.get("ignore_punctuation")),
        bool(settings.get("ignore_numbers")),
        ignored,
    )


_FUNCTIONS = ("regex", "take_first", "remove_whitespace", "lowercase", "uppercase")


def _filters(settings: Mapping[str, Any], output: Output) -> tuple[Filter, ...]:
    listed = settings.get("filter_list")
    if not listed or output is Output.MULTIPLE_CHOICE:
        return (Filter(NO_FILTER, ()),)
    filters = []
    for value in _list(listed, "filter_list"):
        each = _mapping(value, "filter_list")
        steps = [_step(_mapping(step, "filter")) for step in _list(each.get("filter"), "filter")]
        filters.append(Filter(str(each.get("name") or NO_FILTER), tuple(steps)))
    if len({each.name for each in filters}) < len(filters):
        raise BadSuite("Filters must have different names.", "yaml")
    return tuple(filters)


def _step(settings: Mapping[str, Any]) -> Step:
    function = settings.get("function")
    if function not in _FUNCTIONS:
        raise BadSuite(f"The filter {function!r} is not supported: use {', '.join(_FUNCTIONS)}.", "yaml")
    pattern = str(settings.get("regex_pattern", r"#### (\-?[0-9\.\,]+)")) if function == "regex" else ""
    _compiled(pattern)
    return Step(
        str(function),
        pattern,
        _whole(settings.get("group_select", 0), "group_select"),
        str(settings.get("fallback", FALLBACK)),
    )


def _compiled(pattern: str) -> None:
    try:
        re.compile(pattern)
    except re.error as error:
        raise BadSuite(f"{pattern[:100]!r} is not a regular expression: {error}.", "yaml") from None


def _sampling(settings: Mapping[str, Any], output: Output, delimiter: str) -> Sampling:
    given = settings.get("generation_kwargs")
    if output is Output.MULTIPLE_CHOICE or given is None:
        return Sampling((delimiter,))
    values = _mapping(given, "generation_kwargs")
    unknown = sorted(set(map(str, values)) - _SAMPLING - set(_LIMITS))
    if unknown:
        raise BadSuite(f"generation_kwargs sets {', '.join(unknown)[:200]}, which is not supported.", "yaml")
    until = values.get("until", [delimiter])
    limit = next((values[name] for name in _LIMITS if values.get(name) is not None), MAX_TOKENS)
    samples = values.get("do_sample", bool(values.get("temperature")))
    texts = tuple(map(str, until)) if isinstance(until, list) else (str(until),)
    plain = Sampling(
        tuple(text for text in texts if text),
        _whole(limit, "max_gen_toks"),
        repetition_penalty=_number(values.get("repetition_penalty"), 1.0),
    )
    if not samples:
        return plain
    return replace(
        plain,
        temperature=_number(values.get("temperature"), 1.0),
        top_p=_number(values.get("top_p"), 1.0),
        top_k=_whole(values.get("top_k") or 0, "top_k"),
        min_p=_number(values.get("min_p"), 0.0),
    )


def _number(value: object, default: float) -> float:
    if value is None:
        return default
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise BadSuite("generation_kwargs must hold numbers.", "yaml")
    return float(value)


def _few_shot(settings: Mapping[str, Any]) -> int:
    number = _whole(settings.get("num_fewshot") or 0, "num_fewshot")
    if not 0 <= number <= MAX_FEW_SHOT:
        raise BadSuite(f"num_fewshot must be 0 to {MAX_FEW_SHOT}, not {number}.", "yaml")
    return number


def _sampler(config: Mapping[str, Any]) -> Sampler:
    unknown = sorted(
        set(map(str, config))
        - {"sampler", "split", "doc_to_text", "doc_to_choice", "doc_to_target"}
        - {"fewshot_delimiter", "target_delimiter"}
    )
    if unknown:
        raise BadSuite(f"fewshot_config sets {', '.join(unknown)[:200]}, which is not supported.", "yaml")
    sampler = config.get("sampler", "default")
    if sampler not in tuple(Sampler):
        raise BadSuite(f"The sampler {sampler!r} is not supported: use {', '.join(Sampler)}.", "yaml")
    return Sampler(sampler)


def _text(value: object, name: str) -> str:
    if not isinstance(value, str):
        raise BadSuite(f"{name} must be a text.", "yaml")
    return value


def _whole(value: object, name: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise BadSuite(f"{name} must be a whole number.", "yaml")
    return value


def _mapping(value: object, name: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise BadSuite(f"{name} must be a mapping.", "yaml")
    return value


def _list(value: object, name: str) -> Sequence[Any]:
    if not isinstance(value, list):
        raise BadSuite(f"{name} must be a list.", "yaml")
    return value
