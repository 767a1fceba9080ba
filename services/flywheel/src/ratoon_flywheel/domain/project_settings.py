"""Settings of a project beyond its task: metrics, data, budget, devices and curation, with their limits."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from math import isfinite
from re import fullmatch

from ratoon.tasks import judges
from ratoon.tasks.compute import Compute, Dtype
from ratoon.tasks.kind import AnyKind, Direction, Metric
from ratoon.tasks.kinds import KINDS
from ratoon_flywheel.domain.errors import BadProject

_MAX_METRICS = 32
_MAX_FIELDS = 64
_MAX_RECORDS = 100_000_000
_MAX_COST = 1e9
_MAX_RUNS = 100_000
_MAX_DEVICES = 64
_MAX_STEPS = 64
_MAX_NAME_CHARS = 64
_MAX_REWARDS, _MAX_REWARD_CHARS = 8, 65_536
_MAX_ACCUMULATION = 4096
_MAX_BETA = 100
_MAX_LAYERS = 10_000
_MAX_NEW_TOKENS, _MAX_TOKEN_CHARS = 10_000, 64
_SHADOW_BOUNDS = {"share": 1, "min_pairs": 2_000, "max_wait_seconds": 30 * 86_400, "max_loss": 1e9}
_SAMPLE_TOKENS = (16, 131_072)


@dataclass(frozen=True)
class MetricGate:
    """Requirement on one metric of a new version; None is no bound."""

    metric: str
    min_value: float | None = None
    max_value: float | None = None
    max_loss: float | None = None
    """Accepted loss against the version in production."""


@dataclass(frozen=True)
class DataRequirements:
    """Requirements on the data of a pipeline run; zero and empty mean any."""

    min_records: int = 0
    min_records_per_label: int = 0
    required_fields: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    licenses: tuple[str, ...] = ()
    min_completeness: Mapping[str, float] = field(default_factory=dict)
    """Minimum share of the records that have a field, by its name."""


@dataclass(frozen=True)
class Budget:
    """Limits on what the pipeline runs of 30 days use; zero is no limit."""

    max_runs: int = 0
    max_hours: float = 0.0
    max_cost: float = 0.0
    currency: str = ""
    max_energy_kwh: float = 0.0


@dataclass(frozen=True)
class LabelQueue:
    """Labelling queue that a pipeline run fills and waits for when its data have fewer answers than `min_labels`."""

    min_labels: int = 0
    max_wait_hours: float = 168.0
    overlap: int = 1
    strategy: str = "RANDOM"
    pre_labels: bool = False
    """Tasks propose the answer of a classical model of the labels so far."""


@dataclass(frozen=True)
class StageCompute:
    """Devices and number formats of the stages."""

    training: Compute = Compute()
    evaluation: Compute = Compute()
    verification: Compute = Compute()
    serving: Compute = Compute()


class TrainOn(StrEnum):
    """Turns of a conversation whose tokens a model learns."""

    ALL_ASSISTANT_TURNS = "ALL_ASSISTANT_TURNS"
    LAST_ANSWER = "LAST_ANSWER"


class Truncation(StrEnum):
    """What becomes of a sample that is too long."""

    LEFT = "LEFT"
    RIGHT = "RIGHT"
    MIDDLE = "MIDDLE"
    SEGMENT = "SEGMENT"
    REFUSE = "REFUSE"


class PreferenceLoss(StrEnum):
    """Loss of a preference."""

    SIGMOID = "SIGMOID"
    IPO = "IPO"


@dataclass(frozen=True)
class Reward:
    """Reward of an answer in `grpo`; training checks it and says what its kinds are."""

    kind: str = "exact_match"
    value: str = ""
    weight: float = 1.0


@dataclass(frozen=True)
class Distillation:
    """Teacher of the recipe `distillation`, and how it is learned from; zero and empty leave it to training.

    The teacher is an artifact, or the model `model` behind the endpoint `base_url`.
    """

    teacher_artifact_digest: str = ""
    base_url: str = ""
    model: str = ""
    level: str = ""
    """LOGITS or SEQUENCE."""
    temperature: float = 0.0
    weight: float = 0.0
    max_new_tokens: int = 0


@dataclass(frozen=True)
class TuningDefaults:
    """Settings of fine-tuning; None and zero leave them to the recipe."""

    train_on: TrainOn | None = None
    truncation: Truncation | None = None
    max_tokens: int = 0
    packed: bool = False
    gradient_accumulation: int = 0
    gradient_checkpointing: bool = False
    new_tokens: tuple[str, ...] = ()
    """Tokens that a base model's vocabulary gets in addition."""
    preference_learning_rate: float = 0.0
    """Learning rate of the recipes `dpo` and `kto`."""
    beta: float = 0.0
    """Strength of their tie to the model that training starts from."""
    preference_loss: PreferenceLoss | None = None
    rewards: tuple[Reward, ...] = ()
    """Rewards of `grpo`; empty: exact match, and a task that need not be checkable."""
    distillation: Distillation = Distillation()
    domain_tokens: int = 0
    """Number of words of the training part that the vocabulary of a first version's base gets in addition."""
    base_layers: int = 0
    """Number of layers of its base that a first version starts from; 0: all."""


@dataclass(frozen=True)
class ShadowSettings:
    """Comparison of versions on the same live requests during rollouts; zero and empty leave it to serving."""

    share: float = 0.0
    min_pairs: int = 0
    max_wait_seconds: float = 0.0
    metric: str = ""
    """Empty: the primary metric."""
    max_loss: float = 0.0
    require_pairs: bool = False
    reference_outcome: str = ""


@dataclass(frozen=True)
class CompressionSettings:
    """Compression of the versions of pipeline runs; an empty method: there is none."""

    method: str = ""
    """BFLOAT16, FLOAT16, INT8 or INT4."""
    rounding: str = ""
    """NEAREST or GPTQ; empty: NEAREST."""
    group_size: int = 0
    """Weights that share a scale, of INT4; 0: as many as fit."""
    max_quality_loss: float = 0.02
    """Accepted loss of the primary metric against the source."""

    def serving_dtype(self, serving: Dtype) -> Dtype:
        """Return the number format of engines of a compressed version, where the project states one for its engines.

        Kernels for integers compute in either format of 16 bits.
        """
        if self.method in _16_BITS:
            return Dtype(self.method)
        return Dtype.BFLOAT16 if serving is Dtype.FLOAT32 else serving


@dataclass(frozen=True)
class ExportSettings:
    """Format in which runs export the version that they rolled out."""

    format: str
    """HUGGING_FACE, ADAPTER, GGUF, ONNX, TENSORRT, CORE_ML or TFLITE."""
    gguf_type: str = ""
    """F16, Q8_0 or Q4_K_M, of GGUF; empty: F16."""

    @property
    def name(self) -> str:
        """Return the format as users write it: `gguf q8_0`."""
        return f"{self.format.replace('_', '-')} {self.gguf_type}".strip().lower()


@dataclass(frozen=True)
class CurationStep:
    """One step of curation."""

    name: str
    params: Mapping[str, str] = field(default_factory=dict)


def check_metrics(kind: AnyKind, primary: str, names: Sequence[str], gates: Sequence[MetricGate]) -> None:
    """Raise BadProject unless all metrics are those of the kind, and the primary one judges versions.

    Gates may also name the metrics of judges and of people.
    """
    if primary and not _metric(kind, primary, "primary_metric").is_judge:
        raise BadProject(f"{primary} does not say which version is better.", "primary_metric")
    if len(names) > _MAX_METRICS or len(set(names)) < len(names):
        raise BadProject(f"metrics takes up to {_MAX_METRICS} different metrics.", "metrics")
    for name in names:
        _metric(kind, name, "metrics")
    gated = [gate.metric for gate in gates]
    if len(set(gated)) < len(gated):
        raise BadProject("Each metric has at most one gate.", "metric_gates")
    for gate in gates:
        _check_gate(judges.METRICS.get(gate.metric) or _metric(kind, gate.metric, "metric_gates"), gate)


def check_direction(name: str, direction: Direction) -> None:
    """Raise BadProject if a metric has another direction than the named one."""
    known = next((each.METRICS[name] for each in KINDS.values() if name in each.METRICS), None)
    if known is not None and known.direction is not direction:
        raise BadProject(
            f"The direction of {name} is {known.direction}, not {direction}: leave it out.", "primary_metric"
        )


def check_data(requirements: DataRequirements, has_labels: bool) -> None:
    """Raise BadProject if a requirement on the data is out of range."""
    for name in ("min_records", "min_records_per_label"):
        _check_range(f"data_requirements.{name}", getattr(requirements, name), _MAX_RECORDS)
    if requirements.min_records_per_label and not has_labels:
        raise BadProject(
            "data_requirements.min_records_per_label needs the task classify.",
            "data_requirements.min_records_per_label",
        )
    for name in ("required_fields", "languages", "licenses"):
        _check_names(f"data_requirements.{name}", getattr(requirements, name))
    _check_names("data_requirements.min_completeness", tuple(requirements.min_completeness))
    for name, share in requirements.min_completeness.items():
        if not 0 < share <= 1:
            raise BadProject(
                f"data_requirements.min_completeness of {name!r} is {share}; it must be above 0 and at most 1.",
                "data_requirements.min_completeness",
            )
    if unknown := [each for each in requirements.languages if not fullmatch(r"[a-z]{2}", each)]:
        raise BadProject(f"{unknown[0]!r} is not a two-letter language code.", "data_requirements.languages")


def check_budget(budget: Budget) -> None:
    """Raise BadProject if a limit is out of range, or a cost has no currency."""
    _check_range("budget.max_runs", budget.max_runs, _MAX_RUNS)
    _check_range("budget.max_hours", budget.max_hours, _MAX_RUNS)
    _check_range("budget.max_cost", budget.max_cost, _MAX_COST)
    _check_range("budget.max_energy_kwh", budget.max_energy_kwh, _MAX_COST)
    if budget.currency and not fullmatch(r"[A-Z]{3}", budget.currency):
        raise BadProject(f"{budget.currency!r} is not an ISO 4217 code such as EUR.", "budget.currency")
    if bool(budget.max_cost) != bool(budget.currency):
        raise BadProject("Give budget.max_cost and budget.currency together.", "budget.currency")


def check_label_queue(queue: LabelQueue, has_single_labels: bool) -> None:
    """Raise BadProject if a setting of the labelling queue is out of range."""
    _check_range("label_queue.min_labels", queue.min_labels, _MAX_QUEUED)
    _check_range("label_queue.max_wait_hours", queue.max_wait_hours, _MAX_WAIT_HOURS)
    if not 1 <= queue.overlap <= _MAX_OVERLAP:
        raise BadProject(f"label_queue.overlap is from 1 to {_MAX_OVERLAP}.", "label_queue.overlap")
    if queue.strategy not in _STRATEGIES:
        raise BadProject(f"label_queue.strategy is one of {', '.join(_STRATEGIES)}.", "label_queue.strategy")
    if queue.strategy != _STRATEGIES[0] and not has_single_labels:
        raise BadProject(
            f"The strategy {queue.strategy} needs the task classify with one label a record: choose RANDOM.",
            "label_queue.strategy",
        )
    if queue.pre_labels and not has_single_labels:
        raise BadProject(
            "label_queue.pre_labels needs the task classify with one label a record.",
            "label_queue.pre_labels",
        )


_MAX_QUEUED, _MAX_WAIT_HOURS, _MAX_OVERLAP = 10_000, 8_760, 20
_STRATEGIES = ("RANDOM", "MARGIN", "ENTROPY")


def check_compute(compute: StageCompute) -> None:
    """Raise BadProject if a number of devices is out of range."""
    for stage, each in vars(compute).items():
        _check_range(f"compute.{stage}.devices", each.devices, _MAX_DEVICES)


def check_tuning(tuning: TuningDefaults, trains_all_weights: bool) -> None:
    """Raise BadProject if a setting of fine-tuning is out of range, or an adapter would need new tokens."""
    _check_range("tuning.gradient_accumulation", tuning.gradient_accumulation, _MAX_ACCUMULATION)
    _check_range("tuning.preference_learning_rate", tuning.preference_learning_rate, 1)
    _check_range("tuning.beta", tuning.beta, _MAX_BETA)
    if (
        len(tuning.rewards) > _MAX_REWARDS
        or sum(len(each.value) for each in tuning.rewards) > _MAX_REWARD_CHARS
    ):
        raise BadProject(
            f"tuning.rewards may have {_MAX_REWARDS} rewards of {_MAX_REWARD_CHARS:,} characters together.",
            "tuning.rewards",
        )
    low, high = _SAMPLE_TOKENS
    if tuning.max_tokens and not low <= tuning.max_tokens <= high:
        raise BadProject(
            f"tuning.max_tokens may not be {tuning.max_tokens}; give {low} to {high:,}, or 0 for the default.",
            "tuning.max_tokens",
        )
    _check_range("tuning.domain_tokens", tuning.domain_tokens, _MAX_NEW_TOKENS)
    _check_range("tuning.base_layers", tuning.base_layers, _MAX_LAYERS)
    if tuning.base_layers and not trains_all_weights:
        raise BadProject(
            "A model of fewer layers is trained with all of its weights: set training.method to METHOD_FULL.",
            "tuning.base_layers",
        )
    if not tuning.new_tokens and not tuning.domain_tokens:
        return
    field = "tuning.new_tokens" if tuning.new_tokens else "tuning.domain_tokens"
    if not trains_all_weights:
        raise BadProject(
            "New tokens need embeddings of their own, which an adapter does not have: set training.method to "
            "METHOD_FULL.",
            field,
        )
    bad = [each for each in tuning.new_tokens if not _is_token(each)]
    if (
        bad
        or len(tuning.new_tokens) > _MAX_NEW_TOKENS
        or len(set(tuning.new_tokens)) < len(tuning.new_tokens)
    ):
        raise BadProject(
            f"{field} takes up to {_MAX_NEW_TOKENS:,} different texts of 1 to {_MAX_TOKEN_CHARS} printable characters "
            "without white space around them.",
            field,
        )


def _is_token(text: str) -> bool:
    return 0 < len(text) <= _MAX_TOKEN_CHARS and text == text.strip() and text.isprintable()


def check_shadow(shadow: ShadowSettings, kind: AnyKind, decisive: Metric, paired: Sequence[str]) -> None:
    """Raise BadProject if a setting of shadow answers is out of range, or its metric cannot compare pairs of answers.

    `paired` are the metrics that can.
    """
    for name, largest in _SHADOW_BOUNDS.items():
        _check_range(f"shadow.{name}", getattr(shadow, name), largest)
    if shadow.min_pairs and not shadow.share:
        raise BadProject("Without a share no pairs come: give shadow.share with min_pairs.", "shadow.share")
    if shadow.metric:
        _metric(kind, shadow.metric, "shadow.metric")
    name = shadow.metric or decisive.name
    if (shadow.metric or shadow.min_pairs) and name not in paired:
        raise BadProject(
            f"{name} cannot be computed of answers alone: shadow.metric takes {', '.join(paired)}.",
            "shadow.metric",
        )
    if shadow.reference_outcome and not fullmatch(r"[A-Za-z0-9_.-]{1,64}", shadow.reference_outcome):
        raise BadProject(
            "shadow.reference_outcome is the name of an outcome: 1 to 64 letters, digits, `_`, `.` and `-`.",
            "shadow.reference_outcome",
        )
    if shadow.reference_outcome and kind.FREE_TEXT:
        raise BadProject("The right answer is a text, not an outcome.", "shadow.reference_outcome")


_16_BITS, _INTEGERS = ("BFLOAT16", "FLOAT16"), ("INT8", "INT4")
_ROUNDINGS = ("", "NEAREST", "GPTQ")
_GROUPS = (16, 1_024)


def check_compression(compression: CompressionSettings, decisive: Metric) -> None:
    """Raise BadProject if a setting of compression is out of range, or has no method."""
    method, path = compression.method, "compression.method"
    if not method:
        if compression != CompressionSettings():
            raise BadProject(
                f"compression has no method: choose {', '.join(_16_BITS + _INTEGERS)}, or clear compression.",
                path,
            )
        return
    if method not in _16_BITS + _INTEGERS:
        raise BadProject(
            f"Versions are compressed to {', '.join(_16_BITS + _INTEGERS)}, not {method}: zeros save nothing in "
            "engines.",
            path,
        )
    if compression.rounding not in _ROUNDINGS or (compression.rounding == "GPTQ" and method in _16_BITS):
        raise BadProject(
            f"Rounding {compression.rounding} goes with INT8 and INT4: leave it out.", "compression.rounding"
        )
    low, high = _GROUPS
    size = compression.group_size
    if size and (method != "INT4" or not low <= size <= high):
        raise BadProject(
            f"compression.group_size goes with INT4 and is {low} to {high:,}, not {size}.",
            "compression.group_size",
        )
    loss, span = compression.max_quality_loss, decisive.high - decisive.low
    if not isfinite(loss) or not 0 <= loss <= span:
        allowed = f"from 0 to {span:g}" if isfinite(span) else "finite, 0 or more"
        raise BadProject(
            f"compression.max_quality_loss is a difference in {decisive.name}: {allowed}, not {loss}.",
            "compression.max_quality_loss",
        )


_MAX_EXPORTS = 8


def check_exports(exports: Sequence[ExportSettings], trains_all_weights: bool) -> None:
    """Raise BadProject if formats repeat or do not fit the models of the project."""
    if len(exports) > _MAX_EXPORTS or len(set(exports)) < len(exports):
        raise BadProject(f"exports takes up to {_MAX_EXPORTS} different formats.", "exports")
    for each in exports:
        if not each.format:
            raise BadProject("Each of exports needs a format.", "exports")
        if each.gguf_type and each.format != "GGUF":
            raise BadProject(f"gguf_type goes with the format GGUF, not {each.format}.", "exports")
        if each.format == "ADAPTER" and trains_all_weights:
            raise BadProject(
                "The format ADAPTER needs adapters: set training.method to METHOD_LORA, or export HUGGING_FACE.",
                "exports",
            )


AUTO = "auto"
"""Recipe of a retraining that is chosen by the feedback that there is."""
REWARD_MODEL = "reward_model"
"""Recipe of a model that judges answers for the recipes that follow it."""
DISTILLATION = "distillation"
"""Recipe of a model that learns from a teacher."""
_SCORED = ("dpo", "grpo")
"""Recipes that a reward model judges the answers of."""


def retraining_recipes(kind: AnyKind) -> tuple[str, ...]:
    """Return the recipes of later versions of a kind of task: where there are several, one can be chosen."""
    return (*kind.RECIPES, AUTO) if "dpo" in kind.RECIPES else kind.RECIPES


def check_recipes(known: Sequence[str], path: str, recipes: Sequence[str]) -> None:
    """Raise BadProject unless the recipes are `known` ones, each at most once."""
    if unknown := [each for each in recipes if each not in known]:
        raise BadProject(
            f"{unknown[0][:_MAX_NAME_CHARS]!r} is not one of the recipes {', '.join(known)}.", path
        )
    if len(set(recipes)) < len(recipes):
        raise BadProject(f"{path} names a recipe twice.", path)
    if AUTO in recipes and len(recipes) > 1:
        raise BadProject(f"{AUTO} chooses the recipe: {path} names it alone.", path)
    if REWARD_MODEL in recipes and not {*_SCORED} & {*recipes[recipes.index(REWARD_MODEL) :]}:
        raise BadProject(
            f"{REWARD_MODEL} writes no text: let {' or '.join(_SCORED)} follow it in {path}, whose answers it judges.",
            path,
        )


def check_teacher(recipes: Sequence[str], tuning: TuningDefaults, path: str) -> None:
    """Raise BadProject if a model is to learn from a teacher that the project does not name."""
    teacher = tuning.distillation
    if DISTILLATION in recipes and not (teacher.teacher_artifact_digest or teacher.base_url):
        raise BadProject(
            f"The recipe {DISTILLATION} has no teacher: give tuning.distillation.teacher_artifact_digest, or base_url "
            "and model of an endpoint.",
            path,
        )


def check_curation(steps: Sequence[CurationStep]) -> None:
    """Raise BadProject if there are too many steps, or one has no name."""
    if len(steps) > _MAX_STEPS:
        raise BadProject(f"curation takes up to {_MAX_STEPS} steps.", "curation")
    if any(not 0 < len(step.name) <= _MAX_NAME_CHARS for step in steps):
        raise BadProject(
            f"Each step of curation needs a name of at most {_MAX_NAME_CHARS} characters.", "curation"
        )


def _metric(kind: AnyKind, name: str, path: str) -> Metric:
    if name not in kind.METRICS:
        raise BadProject(
            f"{name[:_MAX_NAME_CHARS]!r} is not one of the metrics {', '.join(kind.METRICS)}.", path
        )
    return kind.METRICS[name]


def _check_gate(metric: Metric, gate: MetricGate) -> None:
    bounds = {name: bound for name, bound in _bounds(gate) if bound is not None}
    if not bounds:
        raise BadProject(f"The gate on {metric.name} has no bound.", "metric_gates")
    if not all(map(isfinite, bounds.values())) or bounds.get("max_loss", 0) < 0:
        raise BadProject(
            f"The bounds of the gate on {metric.name} must be finite, and max_loss 0 or more.", "metric_gates"
        )
    if metric.name in judges.OF_PAIRS and gate.max_loss is not None:
        raise BadProject(
            f"{metric.name} compares two versions and has no loss: give min_value.", "metric_gates"
        )
    if gate.max_loss is not None and not metric.is_judge:
        raise BadProject(f"{metric.name} has no loss: no value of it is better.", "metric_gates")
    for name in ("min_value", "max_value"):
        if not metric.low <= bounds.get(name, metric.low) <= metric.high:
            raise BadProject(
                f"{name} of the gate on {metric.name} must be {metric.low:g} to {metric.high:g}, "
                f"not {bounds[name]:g}.",
                "metric_gates",
            )


def _bounds(gate: MetricGate) -> Iterator[tuple[str, float | None]]:
    for name in ("min_value", "max_value", "max_loss"):
        yield name, getattr(gate, name)


def _check_range(path: str, value: float, max_value: float) -> None:
    if not isfinite(value) or not 0 <= value <= max_value:
        raise BadProject(f"{path} may not be {value:g}; give 0 to {max_value:,.0f}.", path)


def _check_names(path: str, names: Sequence[str]) -> None:
    if len(names) > _MAX_FIELDS or any(not 0 < len(name) <= _MAX_NAME_CHARS for name in names):
        raise BadProject(
            f"{path} takes up to {_MAX_FIELDS} names of at most {_MAX_NAME_CHARS} characters each.", path
        )
