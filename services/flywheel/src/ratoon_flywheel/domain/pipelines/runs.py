"""A pipeline run: from data to a served version or a refusal. Its transitions are in `steps`.

QUEUED → RUNNING → SUCCEEDED
                 ↘ REFUSED        the gate or a person refused
                 ↘ ROLLED_BACK    the rollout was rolled back
                 ↘ FAILED
QUEUED, RUNNING → CANCELLING → CANCELLED
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from ratoon_flywheel.domain.project_settings import ExportSettings
from ratoon_flywheel.domain.projects import Project


class State(StrEnum):
    """Where a run stands."""

    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    REFUSED = "REFUSED"
    FAILED = "FAILED"
    CANCELLING = "CANCELLING"
    CANCELLED = "CANCELLED"
    ROLLED_BACK = "ROLLED_BACK"

    @property
    def ended(self) -> bool:
        """Whether it will not change any more."""
        return self not in (State.QUEUED, State.RUNNING, State.CANCELLING)


class Trigger(StrEnum):
    """Why a run started."""

    MANUAL = "MANUAL"
    DRIFT = "DRIFT"
    FEEDBACK = "FEEDBACK"
    SCHEDULE = "SCHEDULE"
    EVENT = "EVENT"
    NEW_DATA = "NEW_DATA"


class StageId(StrEnum):
    """The stages, in their order."""

    DATASET = "dataset"
    QUEUE = "queue"
    """Only where the project has a labelling queue: people label what lacks an answer."""
    LABELS = "labels"
    SPLIT = "split"
    TRAINING = "training"
    CHALLENGER = "challenger"
    """Only where the gate has a classical challenger: it is trained on the same split."""
    COMPARISON = "comparison"
    """Only with a challenger: it and the trained model are compared, and one of them becomes the candidate."""
    EVALUATION = "evaluation"
    REGISTRATION = "registration"
    COMPRESSION = "compression"
    """Only where the project compresses its versions, like the two that follow: none of them ends a run."""
    COMPRESSION_GATE = "compression_gate"
    """The compressed model is compared with its source."""
    COMPRESSION_REGISTRATION = "compression_registration"
    APPROVAL = "approval"
    """Only where the project requires it: a person decides, no service."""
    ROLLOUT = "rollout"
    EXPORT = "export"
    """Only where the project has exports: one format after the other. It does not decide how a run ends."""


COMPRESSION_STAGES = (StageId.COMPRESSION, StageId.COMPRESSION_GATE, StageId.COMPRESSION_REGISTRATION)
"""Stages whose end without success lets the uncompressed version go on."""
OPTIONAL_STAGES = (
    StageId.QUEUE,
    StageId.CHALLENGER,
    StageId.COMPARISON,
    *COMPRESSION_STAGES,
    StageId.APPROVAL,
    StageId.EXPORT,
)
"""Stages of the runs of some projects only."""


class StageState(StrEnum):
    """Where a stage stands."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    REFUSED = "REFUSED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    ROLLED_BACK = "ROLLED_BACK"
    SKIPPED = "SKIPPED"


@dataclass(frozen=True)
class Stage:
    """One stage and the resource of another service that does it."""

    id: StageId
    state: StageState = StageState.PENDING
    resource: str = ""
    message: str = ""
    start_time: datetime | None = None
    end_time: datetime | None = None


@dataclass(frozen=True)
class Progress:
    """How far the run is."""

    fraction: float = 0.0
    message: str = ""
    remaining_seconds: float = 0.0
    metrics: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Window:
    """A span of traffic: later than `start`, up to `end`."""

    start: datetime | None
    end: datetime


@dataclass(frozen=True)
class Production:
    """The version that serves, as the registry's lineage names it; a candidate continues it and is held against it."""

    version: str
    artifact_digest: str
    split: str
    ancestor_splits: tuple[str, ...] = ()
    """The splits of the versions it continues, youngest first."""
    is_small: bool = False
    """Whether it is a classical or a small neural model, which no language model continues."""
    source_digest: str = ""
    """Artifact of which it is the compressed form, which training continues; empty: it is none."""

    @property
    def trained_digest(self) -> str:
        """Artifact that training continues."""
        return self.source_digest or self.artifact_digest


@dataclass(frozen=True)
class Products:
    """Products of a run so far: names of resources and digests, empty where there is none yet."""

    dataset_version: str = ""
    record_count: int = 0
    """Records of the dataset version; 0: not known."""
    field_counts: Mapping[str, int] = field(default_factory=dict)
    """Records of the dataset version that have each field: `time`, and the attributes by name."""
    label_set: str = ""
    label_set_digest: str = ""
    label_counts: Mapping[str, int] = field(default_factory=dict)
    """Records of the label set by label; empty: answers are no labels, or not known (a run of an earlier release)."""
    labelled_count: int = 0
    """Records of the label set with an answer; 0: not known."""
    split: str = ""
    train_digest: str = ""
    validation_digest: str = ""
    part_counts: Mapping[str, int] = field(default_factory=dict)
    """Records of each part of the split: `train`, `validation`, `test`; empty: not known."""
    training_run: str = ""
    candidate_digest: str = ""
    evaluation_run: str = ""
    verdict: str = ""
    """The gate's verdict, one sentence with the numbers."""
    scores: Mapping[str, float] = field(default_factory=dict)
    production_scores: Mapping[str, float] = field(default_factory=dict)
    """Scores of the version in production on the new domain, by metric."""
    model_version: str = ""
    rollout: str = ""
    challenger_run: str = ""
    """Training run of the classical challenger."""
    challenger_digest: str = ""
    cost_note: str = ""
    """What a million answers of the candidate cost, and a better baseline, in sentences."""
    comparison_run: str = ""
    """Evaluation run that compared the trained model with the challenger."""
    compression: str = ""
    compressed_digest: str = ""
    compression_evaluation_run: str = ""
    """Evaluation run that compared the compressed model with its source."""
    compression_verdict: str = ""
    """Its verdict, one sentence with the numbers."""
    compression_scores: Mapping[str, float] = field(default_factory=dict)
    """Scores of the compressed model."""
    compressed_version: str = ""
    source_version: str = ""
    """Version of which `model_version` is the compressed form; empty: it is none."""

    def with_more(self, more: "Products") -> "Products":
        """These, and whatever the others have."""
        return Products(**{**vars(self), **{name: value for name, value in vars(more).items() if value}})


@dataclass(frozen=True)
class Approval:
    """What a person decided about a version, and why."""

    approved: bool
    decider: str
    time: datetime
    reason: str


@dataclass(frozen=True)
class StartingEvent:
    """External event that began a run."""

    external_event: str
    event_id: str
    source: str
    type: str
    time: datetime


@dataclass(frozen=True)
class TrainedRecipe:
    """One of several trainings of a run, each of which begins with the artifact of the one before it."""

    recipe: str
    training_run: str
    artifact_digest: str


@dataclass(frozen=True)
class Choice:
    """Which of the trained model and its classical challenger became the candidate, and why."""

    is_challenger: bool
    reason: str
    """Sentences with the measured values."""


@dataclass(frozen=True)
class CompressionOutcome:
    """Whether the compressed version takes the place of its source, and why."""

    accepted: bool
    reason: str
    """Sentences with the measured values."""


@dataclass(frozen=True)
class ExportOutcome:
    """How an export of the version that was rolled out ended."""

    settings: ExportSettings
    model_export: str
    """Resource name of the export; empty: it was refused."""
    succeeded: bool
    message: str
    """Size and comparison, or the reason of the failure."""


@dataclass(frozen=True)
class PipelineRun:
    """One run of the pipeline, from data to a served version."""

    name: str
    create_time: datetime
    update_time: datetime
    project: Project
    """As it was when the run was created: a later change is for later runs."""
    sources: tuple[str, ...] = ()
    """What to build from; empty: the corrected traffic of `window`."""
    window: Window | None = None
    trigger: Trigger = Trigger.MANUAL
    trigger_reason: str = ""
    policy: str = ""
    skip_rollout: bool = False
    production: Production | None = None
    """What served when the run began."""
    state: State = State.QUEUED
    stages: tuple[Stage, ...] = tuple(Stage(id) for id in StageId if id not in OPTIONAL_STAGES)
    products: Products = Products()
    progress: Progress = Progress()
    approval: Approval | None = None
    failure_reason: str = ""
    failure_message: str = ""
    end_time: datetime | None = None
    cancel_requested: bool = False
    cancel_asked: datetime | None = None
    """Time of the last request to cancel the child in work."""
    recipe: str = ""
    """Recipe of the training; empty: `sft` (a run of an earlier release); `auto` until the data are there."""
    drift: Mapping[str, float] = field(default_factory=dict)
    """Drift that started the run, by feature, in widths of the noise band."""
    error_share: float = 0.0
    """Share of unhappy callers that started the run; 0: none did."""
    examples: int = 0
    """Corrected or confirmed answers that a policy started the run with."""
    data_note: str = ""
    """Which feedback a retraining leaves for other recipes, as a sentence; empty: none."""
    following_recipes: tuple[str, ...] = ()
    """Recipes of the trainings that follow the one of `recipe`."""
    trained: tuple[TrainedRecipe, ...] = ()
    """Trainings that have ended, if there are several."""
    rollback_requested: datetime | None = None
    """Time of the last request to roll back, because users' corrections show a loss."""
    revision: int = 0
    starting_event: StartingEvent | None = None
    """The oldest of the external events that it took; None: it took none."""
    event_count: int = 0
    """Number of external events that it took."""
    choice: Choice | None = None
    """None: there was no challenger, or it is not compared yet."""
    compression_outcome: CompressionOutcome | None = None
    """None: there is no compression, or it has not ended yet."""
    exports: tuple[ExportOutcome, ...] = ()
    """Exports that have ended, in the order of the project."""

    @property
    def retrains(self) -> bool:
        """Whether it learns from corrected traffic."""
        return not self.sources

    def waited_for_people(self, now: datetime) -> timedelta:
        """Return the time that the run waited for annotators."""
        stages = [each for each in self.stages if each.id is StageId.QUEUE and each.start_time]
        return sum(
            ((each.end_time or self.end_time or now) - (each.start_time or now) for each in stages),
            timedelta(),
        )

    @property
    def awaits_decision(self) -> bool:
        """Whether a person is waited for."""
        stage = self.current
        at_it = stage is not None and stage.id is StageId.APPROVAL and stage.state is StageState.RUNNING
        return at_it and self.state is State.RUNNING and self.approval is None

    @property
    def current(self) -> Stage | None:
        """The stage in work, or the next one; None after the last."""
        return next((s for s in self.stages if s.state in (StageState.PENDING, StageState.RUNNING)), None)

    def stage(self, id: StageId) -> Stage:
        """One stage."""
        return next(stage for stage in self.stages if stage.id is id)


@dataclass(frozen=True)
class Started:
    """A run began."""

    trigger: Trigger


@dataclass(frozen=True)
class Succeeded:
    """A run ended well."""

    model_version: str


@dataclass(frozen=True)
class Refused:
    """The gate refused the candidate."""

    evaluation_run: str


@dataclass(frozen=True)
class Failed:
    """A run failed."""

    reason: str


@dataclass(frozen=True)
class Cancelled:
    """A run was cancelled."""


@dataclass(frozen=True)
class RolledBack:
    """The rollout of a run was rolled back to the version before."""

    model_version: str


Event = Started | Succeeded | Refused | Failed | Cancelled | RolledBack
