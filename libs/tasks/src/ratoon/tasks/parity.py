"""Parity of two forms of a model: tokens and log-probabilities compared within the tolerance of a number format.

The reference is a recording: greedy tokens of some prompts with their log-probabilities, as registration records golden
prompts. The other form scores the recorded tokens: at each position, given the recorded tokens before, which token it
chooses, and how likely the recorded one is. A cause that a comparison of files determines (`Finding`) precedes the
numbers, as it names what to repair.

Links form a certificate. It is a JSON document with the field names of `ratoon.common.v1.ParityLink`.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from enum import StrEnum
from math import isfinite, sqrt
from typing import Any

JSON = dict[str, Any]

MAX_NATS = 100.0
"""Upper bound of a stated difference, in nats: a token that a form excludes is infinitely unlikely."""
MIN_SHARE = 0.5
"""Minimum share of the recorded positions that must have been compared."""
METRIC_MARGIN = 0.02
"""Accepted difference of a task metric: a form is refused if the whole interval lies beyond it."""
PREDICATE = "ratoon.dev/parity/v1"
"""Type of the statement that a certificate makes."""
_Z_95 = 1.959964


class Step(StrEnum):
    """Step of the lifecycle that made a form."""

    TRAIN = "TRAIN"
    MERGE = "MERGE"
    QUANTIZE = "QUANTIZE"
    EXPORT = "EXPORT"
    SERVE = "SERVE"


class Verdict(StrEnum):
    """Result of a comparison."""

    WITHIN = "WITHIN"
    BEYOND = "BEYOND"


class Reason(StrEnum):
    """Cause of a difference, by name."""

    TEMPLATE_DIFFERS = "TEMPLATE_DIFFERS"
    BOS_MISSING = "BOS_MISSING"
    BOS_DOUBLED = "BOS_DOUBLED"
    TOKENIZER_DIFFERS = "TOKENIZER_DIFFERS"
    STOP_TOKENS_DIFFER = "STOP_TOKENS_DIFFER"
    DEFAULTS_DIFFER = "DEFAULTS_DIFFER"
    ROPE_DIFFERS = "ROPE_DIFFERS"
    CONFIG_DIFFERS = "CONFIG_DIFFERS"
    HEAD_LOST = "HEAD_LOST"
    BIAS_DROPPED = "BIAS_DROPPED"
    TENSORS_MISSING = "TENSORS_MISSING"
    TENSORS_SWAPPED = "TENSORS_SWAPPED"
    NORMS_SWAPPED = "NORMS_SWAPPED"
    ROPE_LAYOUT_DIFFERS = "ROPE_LAYOUT_DIFFERS"
    ADAPTER_NOT_MERGED = "ADAPTER_NOT_MERGED"
    ADAPTER_MERGED_TWICE = "ADAPTER_MERGED_TWICE"
    ADAPTER_SCALE_DIFFERS = "ADAPTER_SCALE_DIFFERS"
    HEAD_QUANTIZED = "HEAD_QUANTIZED"
    WEIGHTS_DIFFER = "WEIGHTS_DIFFER"
    LAYER_DIFFERS = "LAYER_DIFFERS"
    TOKENS_DIFFER = "TOKENS_DIFFER"
    LOGPROBS_DIFFER = "LOGPROBS_DIFFER"
    METRIC_DIFFERS = "METRIC_DIFFERS"
    TOO_FEW_PLACES = "TOO_FEW_PLACES"


@dataclass(frozen=True)
class Tolerance:
    """Accepted differences, in nats: of one token and on average (None: any), and the share of equal choices."""

    token: float | None
    mean: float | None
    agreement: float = 1.0
    near_tie: float = 0.2
    """Lead of the best token below which either of the two may be chosen."""


SAME_PROGRAM = Tolerance(0.005, 0.001, near_tie=0.01)
"""Tolerance of a float32 form that the program of the reference computes: merged, or saved and reloaded."""

TOLERANCES = {
    "float32": Tolerance(0.05, None, near_tie=0.1),
    "float16": Tolerance(0.15, 0.02, near_tie=0.3),
    "bfloat16": Tolerance(1.0, 0.1, near_tie=2.0),
    "onnx": Tolerance(0.05, 0.01, near_tie=0.1),
    "gguf_f16": Tolerance(0.15, 0.02, near_tie=0.3),
    "gguf_q8_0": Tolerance(1.0, 0.1, near_tie=1.0),
    "gguf_q4_k": Tolerance(None, 0.6, 0.8, near_tie=2.0),
    "int8": Tolerance(None, 0.5, 0.8, near_tie=2.0),
    "int4": Tolerance(None, 1.0, 0.7, near_tie=2.0),
}
"""Tolerances by number format of the form that is compared with a float32 reference."""


def tolerance_of(number_format: str, *, same_program: bool = False) -> Tolerance:
    """Return the tolerance of a number format; ValueError for one that has none.

    `same_program`: the program of the reference computes it too, which matters in float32 alone.
    """
    if number_format == "float32" and same_program:
        return SAME_PROGRAM
    if number_format not in TOLERANCES:
        known = ", ".join(TOLERANCES)
        raise ValueError(f"{number_format!r} is no number format with a tolerance: use one of {known}.")
    return TOLERANCES[number_format]


@dataclass(frozen=True)
class Recorded:
    """Prompt of the reference and its greedy continuation; log-probabilities in nats."""

    prompt: tuple[int, ...]
    tokens: tuple[int, ...]
    logprobs: tuple[float, ...]
    seconds: tuple[float, ...]
    """Log-probability of the second best token at each position."""


@dataclass(frozen=True)
class Scored:
    """Recorded tokens as another form scores them; shorter than recorded if it stopped before."""

    choices: tuple[int, ...]
    """Token that the form chooses at each position."""
    logprobs: tuple[float | None, ...]
    """Log-probability of the recorded token at each position, in nats; None: not known."""


def recorded_prompts(document: Mapping[str, Any]) -> tuple[Recorded, ...]:
    """Return the prompts of a golden recording (`prompts` with token ids and log-probabilities)."""
    keys = ("prompt_token_ids", "tokens", "logprobs", "second_logprobs")
    return tuple(Recorded(*(tuple(row[key]) for key in keys)) for row in document["prompts"])


@dataclass(frozen=True)
class FirstDifference:
    """First position at which the choices differ."""

    prompt: int
    position: int
    reference_token: int
    token: int
    lead: float
    near_tie: bool


@dataclass(frozen=True)
class Comparison:
    """Comparison of the choices and log-probabilities at all recorded positions."""

    prompts: int = 0
    equal_prompts: int = 0
    places: int = 0
    equal_places: int = 0
    near_ties: int = 0
    max_difference: float = 0.0
    mean_difference: float = 0.0
    first_difference: FirstDifference | None = None

    @property
    def agreement(self) -> float:
        """Return the share of the positions with the same choice or a near-tie."""
        return (self.equal_places + self.near_ties) / self.places if self.places else 0.0


def compare(reference: Sequence[Recorded], scores: Sequence[Scored], tolerance: Tolerance) -> Comparison:
    """Compare all positions that were scored; the first clear difference precedes near-ties as the first one."""
    equal_prompts = compared = equal = near_ties = 0
    differences: list[float] = []
    first: FirstDifference | None = None
    for number, (row, score) in enumerate(zip(reference, scores, strict=True)):
        whole = len(score.choices) >= len(row.tokens)
        places = zip(row.tokens, row.logprobs, row.seconds, score.choices, score.logprobs, strict=False)
        for position, (token, logprob, second, choice, own) in enumerate(places):
            compared += 1
            if own is not None:
                differences.append(_bounded(own - logprob))
            if choice == token:
                equal += 1
                continue
            whole = False
            difference = FirstDifference(
                number, position, token, choice, logprob - second, logprob - second < tolerance.near_tie
            )
            near_ties += difference.near_tie
            if first is None or (first.near_tie and not difference.near_tie):
                first = difference
        equal_prompts += whole
    return Comparison(
        prompts=len(reference),
        equal_prompts=equal_prompts,
        places=compared,
        equal_places=equal,
        near_ties=near_ties,
        max_difference=max(differences, default=0.0),
        mean_difference=sum(differences) / len(differences) if differences else 0.0,
        first_difference=first,
    )


@dataclass(frozen=True)
class TextScores:
    """A text as a form reads it: at each position after the first its choice, and the text's own next token."""

    ids: tuple[int, ...]
    choices: tuple[int, ...]
    logprobs: tuple[float, ...]
    """Log-probability of the text's own next token, in nats."""
    leads: tuple[float, ...]
    """Lead of the choice over the second best token, in nats."""


def text_scores(written: Any) -> tuple[TextScores, ...]:
    """Return scores that were written as JSON; ValueError if they are not complete."""
    try:
        rows = [TextScores(*(tuple(row[each.name]) for each in fields(TextScores))) for row in written]
    except (KeyError, TypeError) as error:
        raise ValueError(f"Scores of texts are not complete: {error!r}.") from error
    for row in rows:
        numbers = (*row.logprobs, *row.leads)
        if not all(isinstance(each, int) and each >= 0 for each in (*row.ids, *row.choices)):
            raise ValueError("Scores of texts name tokens by their numbers.")
        if not all(isinstance(each, float) for each in numbers):
            raise ValueError("Scores of texts are numbers.")
        if {len(row.choices), len(row.logprobs), len(row.leads)} != {len(row.ids) - 1}:
            raise ValueError("Scores of texts have one entry for each token but the first.")
    return tuple(rows)


def compare_texts(
    reference: Sequence[TextScores], form: Sequence[TextScores], tolerance: Tolerance
) -> Comparison:
    """Compare the choices and the likelihood of the same texts."""
    recorded = [
        Recorded(
            row.ids[:1],
            row.choices,
            row.logprobs,
            tuple(own - lead for own, lead in zip(row.logprobs, row.leads, strict=True)),
        )
        for row in reference
    ]
    return compare(recorded, [Scored(row.choices, row.logprobs) for row in form], tolerance)


@dataclass(frozen=True)
class Finding:
    """Cause of a difference: its name, one sentence, and the layer or tensor where it begins."""

    reason: Reason
    message: str
    layer: str = ""


def judge(comparison: Comparison, tolerance: Tolerance, recorded: int = 0) -> Finding | None:
    """Return the difference beyond the tolerance; None: the forms are the same model within it.

    `recorded`: number of recorded positions, of which a minimum share must have been compared.
    """
    first = comparison.first_difference
    if comparison.places == 0 or comparison.places < MIN_SHARE * recorded:
        return Finding(
            Reason.TOO_FEW_PLACES,
            f"Only {comparison.places} of {recorded} recorded positions could be compared: too few to decide.",
        )
    if comparison.agreement < tolerance.agreement and first is not None:
        return Finding(
            Reason.TOKENS_DIFFER,
            f"Prompt {first.prompt}, token {first.position}: {first.token} instead of {first.reference_token}, which "
            f"leads by {first.lead:.2f} nats; {comparison.equal_places} of {comparison.places} choices are equal.",
        )
    for name, value, accepted in (
        ("at most", comparison.max_difference, tolerance.token),
        ("on average", comparison.mean_difference, tolerance.mean),
    ):
        if accepted is not None and value > accepted:
            return Finding(
                Reason.LOGPROBS_DIFFER,
                f"Log-probabilities differ by {value:.4f} nats {name}; accepted are {accepted:g}.",
            )
    return None


@dataclass(frozen=True)
class MetricDifference:
    """Metric of the task on the same records: both values and the 95 % interval of their difference."""

    metric: str
    reference: float
    value: float
    low: float
    high: float
    records: int


def metric_difference(metric: str, reference: Sequence[float], values: Sequence[float]) -> MetricDifference:
    """Return the paired difference of a metric that is a mean over records; ValueError without records.

    The interval is the normal one of the mean of the differences, widened by one difference that could have been
    (a rule-of-three term), so that equal answers on few records prove little.
    """
    if not reference or len(reference) != len(values):
        raise ValueError("A metric is compared on the same records, at least one.")
    count = len(reference)
    differences = [own - other for own, other in zip(values, reference, strict=True)]
    mean = sum(differences) / count
    variance = sum((each - mean) ** 2 for each in differences) / max(count - 1, 1)
    half = max(_Z_95 * sqrt(variance / count), 3.0 / count if variance == 0.0 else 0.0)
    return MetricDifference(
        metric, sum(reference) / count, sum(values) / count, mean - half, mean + half, count
    )


def judge_metrics(metrics: Sequence[MetricDifference], margin: float = METRIC_MARGIN) -> Finding | None:
    """Return the first metric whose whole interval lies beyond the margin."""
    for each in metrics:
        if each.high < -margin or each.low > margin:
            return Finding(
                Reason.METRIC_DIFFERS,
                f"{each.metric} is {each.value:.4g} instead of {each.reference:.4g} on {each.records} records "
                f"(difference {each.low:+.4g} to {each.high:+.4g}; accepted are {margin:g}).",
            )
    return None


@dataclass(frozen=True)
class Inputs:
    """Digests of chat template and tokenizer, and what decides where a prompt begins and an answer ends."""

    template_digest: str = ""
    tokenizer_digest: str = ""
    rendering_digest: str = ""
    begin_token: str = ""
    stop_tokens: tuple[str, ...] = ()
    generation: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Link:
    """One form of a model, compared with the form from which it was made."""

    step: Step
    format: str
    runtime: str
    artifact_digest: str
    reference_digest: str
    verdict: Verdict
    source: str = ""
    inputs: Inputs = Inputs()
    comparison: Comparison | None = None
    metrics: tuple[MetricDifference, ...] = ()
    tolerance: Tolerance | None = None
    reason: str = ""
    message: str = ""
    layer: str = ""
    measure_time: str = ""
    """RFC 3339, UTC."""

    @property
    def key(self) -> tuple[str, str, str, str, str]:
        """Return what distinguishes forms: a form that is measured again has the same key."""
        return self.step, self.format, self.runtime, self.artifact_digest, self.inputs.rendering_digest


def link(
    step: Step,
    number_format: str,
    runtime: str,
    artifact_digest: str,
    reference_digest: str,
    *,
    finding: Finding | None = None,
    comparison: Comparison | None = None,
    tolerance: Tolerance | None = None,
    recorded: int = 0,
    metrics: Sequence[MetricDifference] = (),
    inputs: Inputs = Inputs(),
    source: str = "",
    decided: bool = False,
) -> Link:
    """Return a link with its verdict: a cause that is known precedes the numbers, the numbers the metrics.

    `decided`: the numbers were decided before, and `finding` is the result.
    """
    cause = finding
    if cause is None and comparison is not None and tolerance is not None and not decided:
        cause = judge(comparison, tolerance, recorded)
    cause = cause or judge_metrics(metrics)
    return Link(
        step=step,
        format=number_format,
        runtime=runtime,
        artifact_digest=artifact_digest,
        reference_digest=reference_digest,
        verdict=Verdict.BEYOND if cause else Verdict.WITHIN,
        source=source,
        inputs=inputs,
        comparison=comparison,
        metrics=tuple(metrics),
        tolerance=tolerance,
        reason=cause.reason if cause else "",
        message=cause.message if cause else _summary(comparison),
        layer=cause.layer if cause else "",
    )


def verdict_of(links: Sequence[Link]) -> Verdict | None:
    """Return BEYOND if a link is; None without links."""
    if not links:
        return None
    return Verdict.BEYOND if any(each.verdict is Verdict.BEYOND for each in links) else Verdict.WITHIN


def with_link(links: Sequence[Link], new: Link) -> tuple[Link, ...]:
    """Return the links in the order of the steps with a new one.

    Of two measurements of one form the one with the larger differences stays; another verdict replaces the one before.
    """
    known = next((each for each in links if each.key == new.key), None)
    if known is not None and known.verdict is new.verdict and _size(known) >= _size(new):
        return tuple(links)
    order = list(Step)
    others = [each for each in links if each.key != new.key]
    return tuple(sorted([*others, new], key=lambda each: order.index(each.step)))


def statement(artifact_digest: str, links: Sequence[Link]) -> bytes:
    """Return the certificate of an artifact as an in-toto statement, in canonical JSON."""
    verdict = verdict_of(links)
    return canonical(
        {
            "_type": "https://in-toto.io/Statement/v1",
            "subject": [{"name": "model", "digest": {"sha256": artifact_digest}}],
            "predicateType": PREDICATE,
            "predicate": {"verdict": verdict or "", "links": [document(each) for each in links]},
        }
    )


def links_of(certificate: Mapping[str, Any]) -> tuple[Link, ...]:
    """Return the links of a statement."""
    return tuple(link_of(each) for each in certificate["predicate"]["links"])


def canonical(value: Mapping[str, Any]) -> bytes:
    """Return JSON with sorted keys, without spaces: equal values have equal bytes."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode()


def document(value: Link) -> JSON:
    """Return a link as JSON; fields that are not set are left out."""
    written: JSON = _without_unset(asdict(value))
    return written


def link_of(written: Mapping[str, Any]) -> Link:
    """Return the link of a JSON document; fields of later releases are ignored."""
    row = _known(Link, written)
    row["step"], row["verdict"] = Step(row["step"]), Verdict(row["verdict"])
    for name, kind in (("comparison", Comparison), ("tolerance", Tolerance), ("inputs", Inputs)):
        if name in row:
            row[name] = _of(kind, row[name])
    row["metrics"] = tuple(_of(MetricDifference, each) for each in row.get("metrics", ()))
    unset: JSON = {"format": "", "artifact_digest": "", "reference_digest": "", "runtime": ""}
    return Link(**(unset | row))


def _of(kind: type, written: Mapping[str, Any]) -> Any:
    row = _known(kind, written)
    if kind is Tolerance:
        row = {"token": None, "mean": None} | row
    if kind is Inputs:
        row["stop_tokens"] = tuple(row.get("stop_tokens", ()))
    if kind is Comparison and "first_difference" in row:
        defaults: JSON = {
            "prompt": 0,
            "position": 0,
            "reference_token": 0,
            "token": 0,
            "lead": 0.0,
            "near_tie": False,
        }
        row["first_difference"] = FirstDifference(
            **defaults | _known(FirstDifference, row["first_difference"])
        )
    if kind is MetricDifference:
        row = dict.fromkeys(("reference", "value", "low", "high"), 0.0) | {"records": 0} | row
    return kind(**row)


def _known(kind: type, written: Mapping[str, Any]) -> JSON:
    if not is_dataclass(kind):
        raise TypeError(f"{kind} is no dataclass.")
    return {each.name: written[each.name] for each in fields(kind) if each.name in written}


def _without_unset(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {
            key: _without_unset(each)
            for key, each in value.items()
            if each is not None and each != "" and each != () and each != {}
        }
    if isinstance(value, list | tuple):
        return [_without_unset(each) for each in value]
    return value


def _size(each: Link) -> tuple[float, float]:
    return (
        (each.comparison.mean_difference, each.comparison.max_difference) if each.comparison else (0.0, 0.0)
    )


def _summary(comparison: Comparison | None) -> str:
    if comparison is None:
        return ""
    return (
        f"{comparison.equal_places} of {comparison.places} choices are equal, {comparison.near_ties} others are "
        f"near-ties; log-probabilities differ by {comparison.max_difference:.4f} nats at most and "
        f"{comparison.mean_difference:.4f} on average."
    )


def _bounded(difference: float) -> float:
    return min(abs(difference), MAX_NATS) if isfinite(difference) else MAX_NATS
