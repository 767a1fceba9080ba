"""Projects: what a model is for and what it must reach. Both parts of the flywheel read them.

One project grows one model. Its dataset, model and deployment carry the project's own id.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, is_dataclass, replace
from datetime import datetime
from enum import StrEnum
from math import isfinite
from operator import attrgetter
from re import fullmatch
from typing import Any

from ratoon.tasks import kinds
from ratoon.tasks.classify import Classify
from ratoon.tasks.judges import Requirements
from ratoon.tasks.kind import BadTask, Metric
from ratoon.tasks.kinds import TaskSpec
from ratoon.tasks.titles import metric_title
from ratoon_flywheel.domain.consent import Consent
from ratoon_flywheel.domain.curation import curation_of
from ratoon_flywheel.domain.errors import BadProject
from ratoon_flywheel.domain.etags import described, etag_of
from ratoon_flywheel.domain.judges import HumanRatings, check_judges
from ratoon_flywheel.domain.kinds.table import KINDS
from ratoon_flywheel.domain.project_settings import (
    Budget,
    CompressionSettings,
    CurationStep,
    DataRequirements,
    ExportSettings,
    LabelQueue,
    MetricGate,
    ShadowSettings,
    StageCompute,
    TuningDefaults,
    check_budget,
    check_compression,
    check_compute,
    check_curation,
    check_data,
    check_exports,
    check_label_queue,
    check_metrics,
    check_recipes,
    check_shadow,
    check_teacher,
    check_tuning,
    retraining_recipes,
)
from ratoon_flywheel.domain.suites import check_suites, full_names, of_domains


@dataclass(frozen=True)
class Gate:
    """Requirements on a new version: lower bounds of its gain over the one in production, in the primary metric."""

    new_domain_threshold: float = 0.0
    old_domain_threshold: float = -0.08
    baseline_margin: float = 0.02
    """Accepted distance of the first version from the best baseline, in the primary metric.

    The whole range of the metric, 1 for macro-F1, turns the comparison off.
    """
    classical_challenger: bool = False
    """Whether a classical model becomes the candidate where the trained model is not shown to be better."""
    challenger_threshold: float = 0.0
    """Value that the lower bound of the gain over the challenger must exceed for the trained model to be kept."""

    def __repr__(self) -> str:
        return described(self, ("classical_challenger", "challenger_threshold"))


class Method(StrEnum):
    """What is done to which weights."""

    DEFAULT = "DEFAULT"
    """An adapter, for kinds of task whose models start from a base model; other kinds store FULL."""
    FULL = "FULL"
    """All weights, from scratch or of the base model."""
    LORA = "LORA"
    """An adapter on the base model, which stays as it is."""


@dataclass(frozen=True)
class TrainingDefaults:
    """How to train; zero leaves it to the recipe."""

    seed: int = 0
    epochs: float = 0.0
    continue_epochs: float = 0.0
    max_chars: int = 0
    hidden_size: int = 0
    layers: int = 0
    replay_count: int = 2000
    workers: int = 0
    method: Method = Method.FULL
    base_artifact_digest: str = ""
    """The model that the first version starts from; empty: from scratch."""
    learning_rate: float = 0.0
    batch_size: int = 0
    prompt_tokens: int = 0
    lora_rank: int = 0
    optimization: str = ""
    """Optimizer and schedule as JSON, which training checks; empty: its defaults."""
    architecture: str = ""
    """Architecture of a model from scratch as JSON."""
    lora: str = ""
    """Settings of a new adapter as JSON."""
    neural: str = ""
    """Network of small neural models and its training as JSON."""
    parallelism: str = ""
    """Layout of the workers as JSON."""

    def __repr__(self) -> str:
        return described(self, _MESSAGES)


class SplitRule(StrEnum):
    """How records of given sources are divided; DEFAULT: as the kind of task divides them."""

    DEFAULT = "DEFAULT"
    STRATIFIED = "STRATIFIED"
    TIME = "TIME"
    GROUPED = "GROUPED"
    QUANTILES = "QUANTILES"
    RANDOM = "RANDOM"


MIN_FOLDS, MAX_FOLDS = 2, 20


@dataclass(frozen=True)
class SplitDefaults:
    """How records of given sources are shared out; the rest trains."""

    validation_share: float = 0.1
    test_share: float = 0.1
    mode: SplitRule = SplitRule.DEFAULT
    fold_count: int = 0
    """Folds of the records that are not tested; 0: none."""
    fold: int = 0
    """Fold that is the validation part."""

    def __repr__(self) -> str:
        return described(self, ("mode", "fold_count", "fold"))


@dataclass(frozen=True)
class RolloutDefaults:
    """How to roll out; zero leaves it to serving."""

    bake_seconds: float = 0.0


@dataclass(frozen=True)
class Project:
    """What a model is for, and what it must reach."""

    name: str
    create_time: datetime
    update_time: datetime
    task: TaskSpec
    display_name: str = ""
    instructions: str = ""
    gate: Gate = Gate()
    training: TrainingDefaults = TrainingDefaults()
    rollout: RolloutDefaults = RolloutDefaults()
    split: SplitDefaults = SplitDefaults()
    traffic_retention_days: int = 30
    require_approval: bool = False
    """Whether a person decides between the gate and the rollout."""
    primary_metric: str = ""
    """Metric that decides between versions; empty: that of the kind of task."""
    metrics: tuple[str, ...] = ()
    metric_gates: tuple[MetricGate, ...] = ()
    data_requirements: DataRequirements = DataRequirements()
    budget: Budget = Budget()
    compute: StageCompute = StageCompute()
    recipes: tuple[str, ...] = ()
    """Recipes of the first version; empty: `sft`."""
    retraining_recipes: tuple[str, ...] = ()
    curation: tuple[CurationStep, ...] = ()
    """Steps of curation; empty: those of ingestion."""
    default_consent: Consent = Consent.TRAINING
    """Permitted use of feedback that names none."""
    group_attribute: str = ""
    """Attribute whose values stay in one part of a split by group; empty: `conversation`."""
    tuning: TuningDefaults = TuningDefaults()
    shadow: ShadowSettings = ShadowSettings()
    suites: tuple[str, ...] = ()
    """Suites that evaluation applies to candidates in addition to the parts of their data."""
    judges: tuple[str, ...] = ()
    """Judges of the answers of candidates."""
    judge_requirements: Requirements = Requirements()
    human_ratings: HumanRatings | None = None
    """Human ratings that evaluation takes in; None: none."""
    label_queue: LabelQueue = LabelQueue()
    """Labelling queue that a run fills and waits for; by default there is none."""
    compression: CompressionSettings = CompressionSettings()
    """Compression of the versions of runs; by default there is none."""
    exports: tuple[ExportSettings, ...] = ()
    """Formats in which runs export the version that they rolled out."""
    revision: int = 0

    @property
    def id(self) -> str:
        """The last part of the name."""
        return self.name.rpartition("/")[2]

    @property
    def labels(self) -> tuple[str, ...]:
        """Labels that the model answers with; none unless the task is `classify`."""
        return labels_of(self.task)

    @property
    def decisive_metric(self) -> Metric:
        """Metric that decides between versions."""
        kind = kinds.kind_of(self.task)
        return kind.METRICS[self.primary_metric or kind.PRIMARY]

    @property
    def etag(self) -> str:
        """The mark of what a person can change. Settings with their default do not count, but for the oldest."""
        settings = {field: getattr(self, field) for field in _SETTINGS}
        more = [(name, value) for name, value in settings.items() if value != getattr(Project, name)]
        task = () if self.task == Classify(self.labels) else (self.task,)
        return etag_of(*(getattr(self, field) for field in _OLDEST), *task, *more)

    @property
    def dataset(self) -> str:
        """The name of the dataset that pipeline runs add versions to."""
        return f"{self.name}/datasets/{self.id}"

    @property
    def model(self) -> str:
        """The name of the model that pipeline runs add versions to."""
        return f"{self.name}/models/{self.id}"

    @property
    def deployment(self) -> str:
        """The name of the deployment that pipeline runs roll out to."""
        return f"{self.name}/deployments/{self.id}"


_OLDEST = (
    "display_name",
    "labels",
    "instructions",
    "gate",
    "training",
    "rollout",
    "split",
    "traffic_retention_days",
    "require_approval",
)
_SETTINGS = (
    "primary_metric",
    "metrics",
    "metric_gates",
    "data_requirements",
    "budget",
    "compute",
    "recipes",
    "retraining_recipes",
    "curation",
    "default_consent",
    "group_attribute",
    "tuning",
    "shadow",
    "suites",
    "judges",
    "judge_requirements",
    "human_ratings",
    "label_queue",
    "compression",
    "exports",
)
CHANGEABLE = (*_OLDEST, "task", *_SETTINGS)
"""The fields that a person can change."""
_PARTED = (
    "label_queue",
    "compression",
    "gate",
    "training",
    "rollout",
    "split",
    "data_requirements",
    "budget",
    "compute",
    "tuning",
    "shadow",
)
_MESSAGES = ("optimization", "architecture", "lora", "neural", "parallelism")
"""Fields of `training` that hold the JSON of a message."""


_CLASSICAL = "classical"
_MAX_RETENTION_DAYS = 3650
_MAX_ATTRIBUTE_CHARS = 64
_BOUNDS: dict[str, float] = {
    "training.epochs": 1000,
    "training.continue_epochs": 1000,
    "training.seed": 2**53,
    "training.max_chars": 1_000_000,
    "training.hidden_size": 65_536,
    "training.layers": 128,
    "training.replay_count": 10_000_000,
    "training.workers": 64,
    "training.learning_rate": 1,
    "training.batch_size": 4096,
    "training.prompt_tokens": 32_768,
    "training.lora_rank": 256,
    "rollout.bake_seconds": 30 * 86_400,
}
"""The largest values, as recipes have them where they have bounds: what a project takes does not fail a run later."""


def checked(project: Project) -> Project:
    """Return the project when its settings can be; BadProject names the field that cannot.

    A primary metric that is that of the kind of task is stored as the default.
    """
    project = replace(
        project,
        suites=full_names(project.name, "suites", project.suites),
        judges=full_names(project.name, "judges", project.judges),
    )
    _check_task(project.task)
    _check_settings(project)
    _check_gate(project)
    for path, max_value in _BOUNDS.items():
        _check_bound(path, attrgetter(path)(project), max_value)
    _check_base(project.training)
    _check_split(project.split)
    if len(project.group_attribute) > _MAX_ATTRIBUTE_CHARS or not project.group_attribute.isprintable():
        raise BadProject(
            f"group_attribute must be printable, of at most {_MAX_ATTRIBUTE_CHARS} characters.",
            "group_attribute",
        )
    if not 1 <= project.traffic_retention_days <= _MAX_RETENTION_DAYS:
        raise BadProject(
            f"traffic_retention_days must be 1 to {_MAX_RETENTION_DAYS:,}, not {project.traffic_retention_days}.",
            "traffic_retention_days",
        )
    return _normalized(project)


def _method_of(project: Project) -> Method:
    """Return the method as it is stored: kinds whose models do not start from a base model store FULL."""
    kind, method = KINDS[project.task.kind], project.training.method
    return Method.FULL if method is Method.DEFAULT and not (kind and kind.STARTS_FROM_BASE) else method


def _normalized(project: Project) -> Project:
    """Return the project with the default of a setting stored in one way."""
    project = replace(project, training=replace(project.training, method=_method_of(project)))
    is_default = project.primary_metric == kinds.kind_of(project.task).PRIMARY
    return replace(project, primary_metric="") if is_default else project


def _check_gate(project: Project) -> None:
    metric = project.decisive_metric
    if project.gate.classical_challenger and _CLASSICAL not in kinds.kind_of(project.task).RECIPES:
        raise BadProject(
            f"There are no classical models of the task {project.task.kind}: clear gate.classical_challenger.",
            "gate.classical_challenger",
        )
    span = metric.high - metric.low
    for field, low in (
        ("new_domain_threshold", -span),
        ("old_domain_threshold", -span),
        ("baseline_margin", 0),
        ("challenger_threshold", 0),
    ):
        bound = getattr(project.gate, field)
        if isfinite(bound) and low <= bound <= span:
            continue
        range_ = (
            f"from {low:g} to {span:g}" if isfinite(span) else "finite" + (", 0 or more" if not low else "")
        )
        raise BadProject(
            f"gate.{field} is a difference in {metric_title(metric.name)}: {range_}, not {bound}.",
            f"gate.{field}",
        )


def _check_bound(path: str, value: float, max_value: float) -> None:
    if not isfinite(value) or not 0 <= value <= max_value:
        raise BadProject(f"{path} may not be {value:g}; give 0 to {max_value:,}.", path)


def changed(project: Project, update: Project, fields: Sequence[str]) -> Project:
    """Return the project with these fields of the update (`gate` or `gate.new_domain_threshold`); none means all."""
    for field in fields or CHANGEABLE:
        project = _with(project, update, "task" if field == "labels" else field)
    return checked(project)


def labels_of(task: TaskSpec | None) -> tuple[str, ...]:
    """Return the labels of a task; none unless it is `classify`."""
    return task.labels if isinstance(task, Classify) else ()


def merged_task(before: TaskSpec | None, task: TaskSpec | None, labels: tuple[str, ...] | None) -> TaskSpec:
    """Return the task that a request means, which names the task, or its labels as older clients do, or both.

    `before` is the task of the existing project. Of a request that names both, what differs from `before` counts.
    """
    if before is not None and task is not None and task.kind is not before.kind:
        raise BadProject(
            f"The kind of a task cannot change from {before.kind} to {task.kind}: create another project.",
            "task",
        )
    known = task or before or Classify()
    if labels is None or labels == labels_of(known):
        return known
    if not isinstance(known, Classify):
        raise BadProject(f"A task of the kind {known.kind} has no labels.", "labels")
    if task is None or known.labels == labels_of(before):
        return replace(known, labels=labels)
    if before is not None and labels == labels_of(before):
        return known
    raise BadProject("labels and task.classify.labels differ: give one of them.", "labels")


def _with(project: Project, update: Project, field: str) -> Project:
    whole, _, part = field.partition(".")
    if whole not in CHANGEABLE or (part and whole not in _PARTED):
        raise BadProject(f"{field} cannot be changed.", "update_mask")
    try:
        value = _with_part(getattr(project, whole), getattr(update, whole), part)
    except KeyError:
        raise BadProject(f"{field} cannot be changed.", "update_mask") from None
    return replace(project, **{whole: value})


def _with_part(before: Any, update: Any, path: str) -> Any:
    """Return a setting with a part of its update (`neural.network`), which may lie at any depth; empty: all of it.

    KeyError if the setting has no such part.
    """
    if not path:
        return update
    if not is_dataclass(before) or isinstance(before, type):
        raise KeyError(path)
    part, _, rest = path.partition(".")
    change = _with_part_of_text if rest and part in _MESSAGES else _with_part
    return replace(before, **{part: change(vars(before)[part], vars(update)[part], rest)})


def _with_part_of_text(before: str, update: str, path: str) -> str:
    """Return a message, as JSON, with a part of its update; a part that the update leaves out is unset."""
    merged = _with_key(json.loads(before or "{}"), json.loads(update or "{}"), path)
    return json.dumps(merged) if merged else ""


def _with_key(before: dict[str, Any], update: dict[str, Any], path: str) -> dict[str, Any]:
    key, _, rest = path.partition(".")
    value = update.get(key)
    if rest:
        value = _with_key(before.get(key) or {}, value or {}, rest) or None
    others = {name: before[name] for name in before if name != key}
    return others if value is None else {**others, key: value}


def _check_task(task: TaskSpec) -> None:
    try:
        kinds.check(task)
    except BadTask as error:
        is_oldest = isinstance(task, Classify) and error.field == "labels"
        path = error.field if is_oldest else f"task.{task.kind}.{error.field}"
        raise BadProject(str(error), path) from None


def _check_settings(project: Project) -> None:
    kind = kinds.kind_of(project.task)
    check_metrics(kind, project.primary_metric, project.metrics, of_domains(project.metric_gates))
    check_suites(project.name, project.suites, project.metric_gates, kind)
    check_judges(
        project.name,
        project.judges,
        project.judge_requirements,
        project.human_ratings,
        project.metric_gates,
        kind,
    )
    check_data(project.data_requirements, isinstance(project.task, Classify))
    check_budget(project.budget)
    check_label_queue(
        project.label_queue, isinstance(project.task, Classify) and not project.task.multi_label
    )
    check_compute(project.compute)
    check_compression(project.compression, project.decisive_metric)
    check_exports(project.exports, _method_of(project) is Method.FULL)
    check_tuning(project.tuning, _method_of(project) is Method.FULL)
    supported = KINDS[project.task.kind]
    paired = supported.PAIRED_METRICS if supported is not None else ()
    check_shadow(project.shadow, kind, project.decisive_metric, paired)
    check_recipes(kind.RECIPES, "recipes", project.recipes)
    check_recipes(retraining_recipes(kind), "retraining_recipes", project.retraining_recipes)
    check_teacher(project.recipes, project.tuning, "recipes")
    check_teacher(project.retraining_recipes, project.tuning, "retraining_recipes")
    check_curation(project.curation)
    curation_of(project.curation)


def _check_base(training: TrainingDefaults) -> None:
    base, field = training.base_artifact_digest, "training.base_artifact_digest"
    if training.method is Method.LORA and not base:
        raise BadProject("An adapter needs a base model: upload one and give its digest.", field)
    if base and not fullmatch(r"[0-9a-f]{64}", base):
        raise BadProject(f"{base!r} is not a sha256 digest in lowercase hex.", field)


def _check_split(split: SplitDefaults) -> None:
    for field in ("validation_share", "test_share"):
        if not 0 < getattr(split, field) < 1:
            raise BadProject(f"split.{field} is a share: more than 0, less than 1.", f"split.{field}")
    if split.fold_count and not MIN_FOLDS <= split.fold_count <= MAX_FOLDS:
        raise BadProject(
            f"split.fold_count is {split.fold_count}; choose {MIN_FOLDS} to {MAX_FOLDS}, or 0 for none.",
            "split.fold_count",
        )
    if not 0 <= split.fold < max(1, split.fold_count):
        raise BadProject(
            f"split.fold is {split.fold}; it counts from 0, and is less than split.fold_count.", "split.fold"
        )
    if split.fold_count and split.mode is SplitRule.TIME:
        raise BadProject("A split by time has no folds.", "split.fold_count")
    if split.validation_share + split.test_share >= 1:
        raise BadProject("Validation and test take all records, and leave none to train on.", "split")
