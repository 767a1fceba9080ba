"""Requests of a pipeline run to other services: one a stage, computed from the products of the run so far."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from ratoon.tasks.compute import Compute, Dtype
from ratoon.tasks.judges import Requirements
from ratoon.tasks.kinds import TaskSpec, kind_of
from ratoon_flywheel.domain.judges import HumanRatings, without_pairs
from ratoon_flywheel.domain.pipelines.exports import Export, export_request
from ratoon_flywheel.domain.pipelines.runs import PipelineRun, StageId, Window
from ratoon_flywheel.domain.pipelines.support import CLASSICAL, DEFAULT_RECIPE, NEURAL, loop_kind
from ratoon_flywheel.domain.project_settings import (
    REWARD_MODEL,
    CompressionSettings,
    MetricGate,
    TuningDefaults,
)
from ratoon_flywheel.domain.projects import Project, SplitRule, TrainingDefaults
from ratoon_flywheel.domain.suites import of_domains, of_suites

MAX_OLD_DOMAINS = 3
"""On how many earlier test parts a candidate must hold."""
GROUP_ATTRIBUTE = "conversation"
"""Attribute that groups records by default; a record without it is a group of its own."""
_OLD_SHARE, _VALIDATION_SHARE = 0.45, 0.05


@dataclass(frozen=True)
class BuildDataset:
    """Curate sources, or the corrected traffic of a window, into a dataset version."""

    project: Project
    sources: tuple[str, ...]
    window: Window | None


@dataclass(frozen=True)
class QueueRecords:
    """Draw records without an answer into the labelling queue of the project, until enough have one."""

    project: Project
    dataset_version: str


@dataclass(frozen=True)
class FreezeLabels:
    """Make a label set of the labels that came with a dataset version."""

    project: Project
    dataset_version: str
    from_feedback: bool


@dataclass(frozen=True)
class MakeSplit:
    """Split a dataset version; `ratios` are the shares of training, validation and test."""

    dataset_version: str
    label_set_digest: str
    by_time: bool
    mode: SplitRule
    """How records are divided unless it is by time."""
    group_attribute: str
    """Attribute whose values stay in one part, in the mode GROUPED."""
    ratios: tuple[float, float, float]
    seed: int
    replay_split: str
    replay_count: int
    fold_count: int = 0
    """Folds of the records that are not tested; 0: none."""
    fold: int = 0


@dataclass(frozen=True)
class Train:
    """Train on a split, from scratch or on from a model: the project's base, or the artifact in production.

    Zero leaves a value to the recipe.
    """

    project: str
    train_digest: str
    validation_digest: str
    base_artifact_digest: str
    task: TaskSpec
    defaults: TrainingDefaults
    epochs: float
    compute: Compute = Compute()
    tuning: TuningDefaults = TuningDefaults()
    recipe: str = DEFAULT_RECIPE
    metric: str = ""
    """Metric that decides between versions; empty: that of the kind of task."""
    reward_model_artifact_digest: str = ""
    """Reward model that the run trained before: it judges the answers of `dpo` and `grpo`."""


@dataclass(frozen=True)
class TrainChallenger(Train):
    """Fit a classical model on the same split, as a challenger of the trained model."""


class RuleKind(StrEnum):
    """What the gate requires on a domain."""

    BEATS_MAJORITY = "BEATS_MAJORITY"
    BETTER = "BETTER"
    NOT_WORSE = "NOT_WORSE"
    NEAR_BASELINE = "NEAR_BASELINE"
    MEASURED = "MEASURED"
    """The primary metric has a value."""


@dataclass(frozen=True)
class Domain:
    """A population that the model must serve, by the split whose test part stands for it, and the gate's rule there."""

    name: str
    split: str
    rule: RuleKind
    threshold: float = 0.0
    baseline_margin: float | None = None
    """How far from the best baseline the candidate may be there; None: it is not compared with one."""
    metric_gates: tuple[MetricGate, ...] = ()
    """Bounds on the candidate's metrics there."""

    @property
    def is_compared(self) -> bool:
        """Return whether the candidate is compared with production there."""
        return self.rule in (RuleKind.BETTER, RuleKind.NOT_WORSE)


@dataclass(frozen=True)
class Evaluate:
    """Hold a candidate against the gate, compared with the artifact in production if there is one."""

    project: str
    candidate_digest: str
    reference_digest: str
    domains: tuple[Domain, ...]
    task: TaskSpec
    seed: int
    metric: str = ""
    """Metric that decides between versions; empty: that of the kind of task."""
    base_digest: str = ""
    """Base model whose answers are a baseline; empty: none."""
    compute: Compute = Compute()
    suites: tuple[str, ...] = ()
    suite_gates: tuple[MetricGate, ...] = ()
    """Bounds on metrics of the suites."""
    judges: tuple[str, ...] = ()
    judge_requirements: Requirements = Requirements()
    human_ratings: HumanRatings | None = None
    candidate_note: str = ""
    """Sentence that says why this candidate is evaluated."""


@dataclass(frozen=True)
class Compare(Evaluate):
    """Hold the trained model against its challenger, the reference."""


@dataclass(frozen=True)
class CompareCompressed(Evaluate):
    """Hold the compressed model against its source, the reference."""


@dataclass(frozen=True)
class Compress:
    """Compress the version that a run has registered."""

    project: str
    version: str
    artifact_digest: str
    train_digest: str
    validation_digest: str
    task: TaskSpec
    seed: int
    settings: CompressionSettings
    dtype: Dtype
    """Number format of the engines of the compressed version."""


@dataclass(frozen=True)
class Register:
    """Make a candidate a version of the project's model; the lineage is the run's."""

    run: PipelineRun
    changelog: str


@dataclass(frozen=True)
class RegisterCompressed(Register):
    """Make the compressed model the next version, derived from the one that the run has registered."""

    dtype: Dtype


@dataclass(frozen=True)
class RollOut:
    """Let a version serve."""

    project: Project
    version: str
    compute: Compute
    """Devices and number format of its engines; those of the project, in the number format of a compressed version."""


@dataclass(frozen=True)
class CancelChild:
    """Cancel the resource of a stage."""

    stage: StageId
    resource: str


@dataclass(frozen=True)
class RollBack:
    """Roll back the rollout of a run."""

    resource: str
    reason: str


StageRequest = (
    BuildDataset
    | QueueRecords
    | FreezeLabels
    | MakeSplit
    | Train
    | TrainChallenger
    | Compare
    | CompareCompressed
    | Evaluate
    | Compress
    | RegisterCompressed
    | Register
    | RollOut
    | Export
)


def stage_request(run: PipelineRun, stage: StageId) -> StageRequest:
    """Return the request of a stage, from the products of the stages before it."""
    project, products = run.project, run.products
    match stage:
        case StageId.DATASET:
            return BuildDataset(project, run.sources, run.window)
        case StageId.QUEUE:
            return QueueRecords(project, products.dataset_version)
        case StageId.LABELS:
            return FreezeLabels(project, products.dataset_version, run.retrains)
        case StageId.SPLIT:
            return split_request(run)
        case StageId.TRAINING:
            return _train(run)
        case StageId.REGISTRATION:
            return Register(run, _changelog(run))
        case StageId.ROLLOUT:
            return RollOut(project, products.model_version, _serving_compute(run))
        case StageId.EXPORT:
            return export_request(run)
        case StageId.APPROVAL:
            raise ValueError("a person decides; no service is called")
        case _:
            return _CHOOSING[stage](run)


def _train(run: PipelineRun) -> Train:
    project, products = run.project, run.products
    return Train(
        project.name,
        products.train_digest,
        products.validation_digest,
        _base_of_training(run),
        project.task,
        project.training,
        project.training.continue_epochs if continues(run) else project.training.epochs,
        project.compute.training,
        project.tuning,
        run.recipe or DEFAULT_RECIPE,
        project.primary_metric,
        next((each.artifact_digest for each in run.trained if each.recipe == REWARD_MODEL), ""),
    )


def _base_of_training(run: PipelineRun) -> str:
    """Return the artifact that a training begins with: of a chain, that of the last one before it that writes."""
    writers = [each for each in run.trained if each.recipe != REWARD_MODEL]
    if writers:
        return writers[-1].artifact_digest
    if run.production is not None and continues(run):
        return run.production.trained_digest
    return run.project.training.base_artifact_digest


def continues(run: PipelineRun) -> bool:
    """Return whether training continues the version in production.

    A language model starts from the base of the project, or from scratch, if a small model is in production.
    """
    production = run.production
    return production is not None and (not production.is_small or run.recipe in (CLASSICAL, NEURAL))


def _train_challenger(run: PipelineRun) -> TrainChallenger:
    project, products = run.project, run.products
    return TrainChallenger(
        project.name,
        products.train_digest,
        products.validation_digest,
        "",
        project.task,
        project.training,
        0.0,
        recipe=CLASSICAL,
        metric=project.primary_metric,
    )


def _compare(run: PipelineRun) -> Compare:
    """Return the comparison by the rule of the gate: the trained model must be better than the cheaper one."""
    project, products = run.project, run.products
    return Compare(
        project.name,
        products.candidate_digest,
        products.challenger_digest,
        (Domain("challenger", products.split, RuleKind.BETTER, project.gate.challenger_threshold),),
        project.task,
        project.training.seed,
        project.primary_metric,
        compute=project.compute.evaluation,
        candidate_note=f"{run.name} compares the model of its recipe with a classical challenger, the reference here.",
    )


def _evaluate(run: PipelineRun) -> Evaluate:
    project = run.project
    return Evaluate(
        project.name,
        run.products.candidate_digest,
        run.production.artifact_digest if run.production else "",
        _domains(run),
        project.task,
        project.training.seed,
        project.primary_metric,
        project.training.base_artifact_digest if loop_kind(project).STARTS_FROM_BASE else "",
        project.compute.evaluation,
        project.suites,
        of_suites(project.metric_gates),
        project.judges,
        project.judge_requirements,
        project.human_ratings,
        run.choice.reason if run.choice else "",
    )


def _serving_dtype(run: PipelineRun) -> Dtype:
    return run.project.compression.serving_dtype(run.project.compute.serving.dtype)


def _serving_compute(run: PipelineRun) -> Compute:
    """Return what engines compute on; serving knows the number format of a compressed version by itself."""
    compute = run.project.compute.serving
    is_source = not run.products.source_version
    return compute if is_source or compute == Compute() else replace(compute, dtype=_serving_dtype(run))


def _compress(run: PipelineRun) -> Compress:
    project, products = run.project, run.products
    return Compress(
        project.name,
        products.model_version,
        products.candidate_digest,
        products.train_digest,
        products.validation_digest,
        project.task,
        project.training.seed,
        project.compression,
        _serving_dtype(run),
    )


def _compare_compressed(run: PipelineRun) -> CompareCompressed:
    """Return the comparison of the compressed model with its source, and the bounds of the task's own metrics."""
    project, products = run.project, run.products
    known = kind_of(project.task).METRICS
    bounds = tuple(gate for gate in of_domains(project.metric_gates) if gate.metric in known)
    loss = project.compression.max_quality_loss
    name = "base" if run.production is None else "new"
    return CompareCompressed(
        project.name,
        products.compressed_digest,
        products.candidate_digest,
        (Domain(name, products.split, RuleKind.NOT_WORSE, -loss, metric_gates=bounds),),
        project.task,
        project.training.seed,
        project.primary_metric,
        compute=project.compute.evaluation,
        candidate_note=f"{products.compression} compresses {products.model_version}, the reference here.",
    )


def _register_compressed(run: PipelineRun) -> RegisterCompressed:
    products, compression = run.products, run.project.compression
    number = products.model_version.rpartition("/")[2]
    changelog = (
        f"{number} with its weights in {compression.method.lower()}. Gate: {products.compression_verdict}"
    )
    return RegisterCompressed(run, changelog, _serving_dtype(run))


_CHOOSING: Mapping[StageId, Callable[[PipelineRun], StageRequest]] = {
    StageId.CHALLENGER: _train_challenger,
    StageId.COMPARISON: _compare,
    StageId.EVALUATION: _evaluate,
    StageId.COMPRESSION: _compress,
    StageId.COMPRESSION_GATE: _compare_compressed,
    StageId.COMPRESSION_REGISTRATION: _register_compressed,
}
"""Requests of the stages that decide which artifact becomes a version."""


def split_request(run: PipelineRun) -> MakeSplit:
    """Return the request of the split.

    Corrected traffic is split by time, its later half is the test; given sources as the kind of task divides them.
    """
    split = run.project.split
    held_out = (split.validation_share, split.test_share)
    ratios = (_OLD_SHARE, _VALIDATION_SHARE, 0.5) if run.retrains else (1 - sum(held_out), *held_out)
    replayed = run.production.split if run.production else ""
    of_kind = kind_of(run.project.task).DEFAULT_SPLIT
    mode = SplitRule(of_kind) if split.mode is SplitRule.DEFAULT else split.mode
    is_grouped = mode is SplitRule.GROUPED and not run.retrains
    return MakeSplit(
        run.products.dataset_version,
        run.products.label_set_digest,
        run.retrains,
        mode,
        (run.project.group_attribute or GROUP_ATTRIBUTE) if is_grouped else "",
        ratios,
        run.project.training.seed,
        replayed,
        run.project.training.replay_count if replayed else 0,
        0 if run.retrains else split.fold_count,
        0 if run.retrains else split.fold,
    )


def _domains(run: PipelineRun) -> tuple[Domain, ...]:
    """The first version is compared with baselines, a later one with production."""
    production, gate, bounds = run.production, run.project.gate, of_domains(run.project.metric_gates)
    if production is None:
        return (_first_domain(run),)
    older = list(dict.fromkeys((production.split, *production.ancestor_splits)))[:MAX_OLD_DOMAINS]
    return (
        Domain("new", run.products.split, RuleKind.BETTER, gate.new_domain_threshold, metric_gates=bounds),
        *(
            Domain("old" if age == 1 else f"old-{age}", split, RuleKind.NOT_WORSE, gate.old_domain_threshold)
            for age, split in enumerate(older, start=1)
        ),
    )


def _first_domain(run: PipelineRun) -> Domain:
    """Return the domain of the first version: a margin as wide as the metric turns the comparison off."""
    project, split = run.project, run.products.split
    margin: float | None = project.gate.baseline_margin
    if project.gate.baseline_margin >= project.decisive_metric.high - project.decisive_metric.low:
        margin = None
    bounds = without_pairs(of_domains(project.metric_gates))
    if loop_kind(project).BEATS_SIMPLEST_BASELINE:
        return Domain("base", split, RuleKind.BEATS_MAJORITY, 0.0, margin, bounds)
    return Domain("base", split, RuleKind.MEASURED, project.decisive_metric.low, margin, bounds)


def _changelog(run: PipelineRun) -> str:
    """What changed since the version before, in sentences."""
    products = run.products
    if run.choice is not None and run.choice.is_challenger:
        place = f"in the place of {run.production.version}" if run.production else "as the first version"
        start = f"Classical model, fitted on {products.dataset_version}, {place}."
    elif run.production is None:
        base = run.project.training.base_artifact_digest
        origin = f"from the base model {base[:12]}" if base else "from scratch"
        start = f"First version, trained {origin} on {products.dataset_version}."
    elif not continues(run):
        start = f"Newly trained on {products.dataset_version}, in the place of {run.production.version}."
    else:
        data = "corrected traffic" if run.retrains else "new sources"
        start = f"Continues {run.production.version} on {data} ({products.dataset_version})."
    why = f" {run.trigger_reason}" if run.trigger_reason else ""
    left = f" {run.data_note}" if run.data_note else ""
    choice = f" {run.choice.reason}" if run.choice else ""
    return f"{start}{why}{left}{choice} Gate: {products.verdict} {products.cost_note}".strip()
