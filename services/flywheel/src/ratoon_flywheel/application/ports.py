"""Ports of the flywheel."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol, TypeVar

from ratoon.storage.store import Transaction
from ratoon.tasks.compute import Compute
from ratoon.tasks.kinds import TaskSpec
from ratoon.tasks.votes import Votes
from ratoon_flywheel.domain.consent import Consent
from ratoon_flywheel.domain.judges import Judge
from ratoon_flywheel.domain.pipelines.actions import (
    BuildDataset,
    Compare,
    CompareCompressed,
    Compress,
    Evaluate,
    FreezeLabels,
    MakeSplit,
    QueueRecords,
    Register,
    RegisterCompressed,
    RollOut,
    StageRequest,
    Train,
    TrainChallenger,
)
from ratoon_flywheel.domain.pipelines.exports import Export
from ratoon_flywheel.domain.pipelines.runs import PipelineRun, Production, StageId
from ratoon_flywheel.domain.pipelines.steps import Child
from ratoon_flywheel.domain.projects import Project
from ratoon_flywheel.domain.signals.drift import Baseline, Reference
from ratoon_flywheel.domain.signals.embeddings import Kernel, Sketch
from ratoon_flywheel.domain.signals.features import ExchangeFeatures, TextFeatures
from ratoon_flywheel.domain.signals.feedback import FeedbackLabel, Preference
from ratoon_flywheel.domain.signals.monitor import BaselineState
from ratoon_flywheel.domain.signals.shadows import (
    Known,
    ShadowAnswer,
    ShadowComparison,
    ShadowMark,
    Switch,
)
from ratoon_flywheel.domain.signals.traffic import Answer, Exchange, NotedText, UnreadableRow
from ratoon_flywheel.domain.suites import Suite

Request_contra = TypeVar("Request_contra", contravariant=True)


class ChildService(Protocol):
    """Another service as far as a run follows a resource there."""

    def observe(self, resource: str) -> Child:
        """How far it is."""
        ...

    def cancel(self, resource: str) -> None:
        """Cancel it; one that has ended stays as it is."""
        ...


class StageService(ChildService, Protocol[Request_contra]):
    """Another service as far as one stage needs it; the type is the request of the stage."""

    def create(self, spec: Request_contra, request_id: str) -> str:
        """Create the resource of the stage; return its name, the same for the same request id."""
        ...


class RolloutService(StageService[RollOut], Protocol):
    """Serving, as far as a run rolls versions out and back."""

    def roll_back(self, resource: str, reason: str) -> None:
        """Roll back to the version that served before; a rollout that has ended stays as it is."""
        ...


@dataclass(frozen=True)
class Stages:
    """Services of the stages that a service executes."""

    dataset: StageService[BuildDataset]
    queue: StageService[QueueRecords]
    labels: StageService[FreezeLabels]
    split: StageService[MakeSplit]
    training: StageService[Train]
    challenger: StageService[TrainChallenger]
    comparison: StageService[Compare]
    evaluation: StageService[Evaluate]
    registration: StageService[Register]
    compression: StageService[Compress]
    compression_gate: StageService[CompareCompressed]
    compression_registration: StageService[RegisterCompressed]
    rollout: RolloutService
    export: StageService[Export]

    def create(self, request: StageRequest, request_id: str) -> str:
        """Create the resource that a request describes; return its name, the same for the same request id."""
        match request:
            case BuildDataset():
                return self.dataset.create(request, request_id)
            case QueueRecords():
                return self.queue.create(request, request_id)
            case FreezeLabels():
                return self.labels.create(request, request_id)
            case MakeSplit():
                return self.split.create(request, request_id)
            case (
                TrainChallenger()
                | Compare()
                | Compress()
                | CompareCompressed()
                | RegisterCompressed()
                | Export()
            ):
                return self._create_optional(request, request_id)
            case Train():
                return self.training.create(request, request_id)
            case Evaluate():
                return self.evaluation.create(request, request_id)
            case Register():
                return self.registration.create(request, request_id)
            case RollOut():
                return self.rollout.create(request, request_id)

    def _create_optional(
        self,
        request: TrainChallenger | Compare | Compress | CompareCompressed | RegisterCompressed | Export,
        request_id: str,
    ) -> str:
        """Create the resource of a stage that only some projects have."""
        match request:
            case TrainChallenger():
                return self.challenger.create(request, request_id)
            case Compare():
                return self.comparison.create(request, request_id)
            case Compress():
                return self.compression.create(request, request_id)
            case CompareCompressed():
                return self.compression_gate.create(request, request_id)
            case RegisterCompressed():
                return self.compression_registration.create(request, request_id)
            case Export():
                return self.export.create(request, request_id)

    def of(self, stage: StageId) -> ChildService:
        """Return the service of a stage; KeyError for an approval, which a person decides."""
        services: dict[StageId, ChildService] = {
            StageId.DATASET: self.dataset,
            StageId.QUEUE: self.queue,
            StageId.LABELS: self.labels,
            StageId.SPLIT: self.split,
            StageId.TRAINING: self.training,
            StageId.CHALLENGER: self.challenger,
            StageId.COMPARISON: self.comparison,
            StageId.EVALUATION: self.evaluation,
            StageId.REGISTRATION: self.registration,
            StageId.COMPRESSION: self.compression,
            StageId.COMPRESSION_GATE: self.compression_gate,
            StageId.COMPRESSION_REGISTRATION: self.compression_registration,
            StageId.ROLLOUT: self.rollout,
            StageId.EXPORT: self.export,
        }
        return services[stage]


class FeedbackData(StrEnum):
    """Records that follow from feedback, by what they say of an answer."""

    ANSWERS = "answers"
    """Right answers."""
    PREFERENCES = "preferences"
    UNPAIRED_PREFERENCES = "unpaired_preferences"


class Sources(Protocol):
    """Where exported traffic becomes something to curate."""

    def create(self, project: Project, data: FeedbackData, digest: str, request_id: str) -> str:
        """Create a source of JSON lines in the artifact store; return its name."""
        ...


class Lineage(Protocol):
    """What versions came from, as registry and ingestion know it."""

    def production(self, project: Project) -> Production | None:
        """The version that serves; None before the first one."""
        ...

    def training_part(self, version: str) -> str:
        """The digest of the training part that a version learned from; NotFound if it is unknown."""
        ...

    def check_version(self, version: str) -> None:
        """NotFound when there is no such version."""
        ...


class Devices(Protocol):
    """Devices of the machine, where it runs all stages."""

    def check(self, compute: Compute) -> None:
        """Raise FailedPrecondition if the accelerator is known to be missing."""
        ...


class Judges(Protocol):
    """Judges of answers."""

    def of_project(self, project: Project) -> Sequence[Judge]:
        """Return the judges that a project names; NotFound if one does not exist."""
        ...


class Suites(Protocol):
    """Suites of tests."""

    def of_project(self, project: Project) -> Sequence[Suite]:
        """Return the suites that a project names; NotFound if one does not exist."""
        ...


@dataclass(frozen=True)
class TrialSettings:
    """Settings of a trial of a sweep by name, as text, and the objective of its recipe (`SFT`, `DPO`, …)."""

    settings: Mapping[str, str]
    objective: str = "SFT"


class Sweeps(Protocol):
    """Searches for the settings of recipes."""

    def trial(self, sweep: str, number: int) -> TrialSettings:
        """Return a trial that completed, the best one if the number is 0; NoTrial if there is none."""
        ...


class Deployments(Protocol):
    """What serves a project's models."""

    def busy(self, project: str) -> list[str]:
        """Return the deployments of a project that serve or have a rollout under way, by name."""
        ...

    def delete(self, project: str) -> None:
        """Delete the deployments of a project with their rollouts; FailedPrecondition if one of them serves."""
        ...


@dataclass(frozen=True)
class Profile:
    """Names a profile: of the training data of a version, of the first `max_chars` characters of each text."""

    version: str
    max_chars: int
    task: TaskSpec | None = None
    """Task that decides what of the answers is profiled; None: nothing is."""
    reference: Reference = Reference.TRAINING
    slices: tuple[str, ...] = ()
    """Attributes whose values are profiled for themselves."""


class Baselines(Protocol):
    """Profiles of training data, computed by a worker."""

    def state(self, profile: Profile) -> BaselineState:
        """Where it stands."""
        ...

    def start(self, profile: Profile) -> None:
        """Start its job, unless that was started before."""
        ...

    def start_traffic(self, profile: Profile, documents: Sequence[TextFeatures]) -> None:
        """Start the job of a profile of traffic, unless that was started before."""
        ...

    def forget(self, profile: Profile) -> None:
        """Allow a failed profile to be computed again."""
        ...

    def load(self, profile: Profile) -> Baseline:
        """One that is ready."""
        ...


class Sketches(Protocol):
    """Sketches of embeddings by name, computed by a worker."""

    def state(self, name: str) -> BaselineState:
        """Return where a sketch stands."""
        ...

    def start_training(self, name: str, version: str, max_chars: int) -> None:
        """Start the sketch of the training part of a version; it fails if the part is unknown."""
        ...

    def start_traffic(
        self,
        name: str,
        texts: Mapping[str, Sequence[str]],
        max_chars: int,
        kernel: Kernel,
        is_reference: bool,
    ) -> None:
        """Start the sketch of the questions of answers, whose ids stand under the digests of their segments."""
        ...

    def load(self, name: str) -> Sketch:
        """Return a sketch that is ready."""
        ...

    def forget(self, name: str) -> None:
        """Remove a sketch, or allow one that failed to be computed again."""
        ...


@dataclass(frozen=True)
class Rewritten:
    """A segment that was written again without some rows."""

    digest: str
    rows: int
    """Number of rows that are left."""
    removed: tuple[str, ...]
    """Ids of the answers that are no longer in it."""


class Segments(Protocol):
    """Traffic in the artifact store."""

    def read(self, digest: str) -> Iterator[Exchange | UnreadableRow]:
        """Yield the rows of a segment in their order, each as what it is; BadSegment when it is no segment."""
        ...

    def write(self, lines: Iterable[bytes]) -> str:
        """Store lines as one blob; its digest."""
        ...

    def export(self, project: str, lines: Iterable[bytes]) -> str:
        """Store lines as one blob that belongs to a project, named by its id; return its digest."""
        ...

    def delete(self, digest: str) -> None:
        """Remove a segment; none there is no error."""
        ...

    def exists(self, digest: str) -> bool:
        """Whether a segment's blob is there."""
        ...

    def without(self, digest: str, text_digests: Sequence[str], free_text: bool = False) -> Rewritten:
        """Write a segment again without the rows that may hold these texts, answers in free text among them."""
        ...

    def erase(self, digest: str, why: str) -> None:
        """Remove a segment's blob for good; later reads fail with this reason."""
        ...


@dataclass(frozen=True)
class Mark:
    """Mark of a project's index; it grows with every answer and every feedback."""

    answers: int
    feedback: int


@dataclass(frozen=True)
class VersionVotes:
    """Votes on the answers of one version in a span of time."""

    deployment: str
    """A deployment that answered; empty if none is known."""
    version: str
    start: datetime
    end: datetime
    votes: Votes


class Rollouts(Protocol):
    """Rollouts of serving, as far as shadow answers compare their versions."""

    def newest(self, deployment: str) -> list[Switch]:
        """Return the newest rollouts of a deployment that replace a version, newest first."""
        ...

    def report(self, comparison: ShadowComparison) -> None:
        """Store the comparison with the rollout; one that is refused for good is logged."""
        ...


class QualityReporter(Protocol):
    """Reports quality to serving, which watches it while a rollout bakes."""

    def report(self, votes: Sequence[VersionVotes]) -> None:
        """Report; the same span may be reported twice."""
        ...


class ShadowIndex(Protocol):
    """The part of the answer index that keeps shadow answers."""

    def add_shadows(self, tx: Transaction, project: str, shadows: Sequence[ShadowAnswer]) -> None:
        """Keep shadow answers; those that are known already stay as they are."""
        ...

    def shadow_mark(self, tx: Transaction, project: str) -> ShadowMark:
        """Return the newest numbers; all 0 without shadow answers."""
        ...

    def has_shadow_news(self, tx: Transaction, project: str, since: ShadowMark) -> bool:
        """Return whether there are newer shadow answers, or newer feedback on what they shadow."""
        ...

    def shadowed_deployments(self, tx: Transaction, project: str) -> list[str]:
        """Return the deployments with shadow answers."""
        ...

    def shadows(self, tx: Transaction, project: str, switch: Switch, limit: int) -> list[ShadowAnswer]:
        """Return the newest shadow answers of a rollout, oldest first."""
        ...

    def known_shadows(self, tx: Transaction, project: str, switch: Switch, limit: int) -> list[Known]:
        """Return the newest shadow answers of a rollout with feedback on the answer that the caller got, oldest first.

        Feedback that may not be used for evaluation is left out.
        """
        ...

    def by_id(self, tx: Transaction, project: str, answer_ids: Sequence[str]) -> dict[str, Answer]:
        """Return these answers by id, without features."""
        ...


class AnswerIndex(ShadowIndex, Protocol):
    """Index of answers and of the latest feedback on each, inside the caller's transaction."""

    def add(self, tx: Transaction, project: str, answers: Sequence[Answer]) -> None:
        """Keep answers; those that are known already stay as they are."""
        ...

    def note(self, tx: Transaction, project: str, segment: str, texts: Sequence[NotedText]) -> None:
        """Keep which other texts a segment holds, so that they can be erased."""
        ...

    def renote(self, tx: Transaction, project: str, segment: str, texts: Sequence[NotedText]) -> None:
        """Keep these texts of a segment in place of those that were noted before."""
        ...

    def with_set_aside(self, tx: Transaction, project: str) -> list[str]:
        """The names of a project's segments of which rows are set aside."""
        ...

    def put_feedback(self, tx: Transaction, project: str, feedback: FeedbackLabel) -> None:
        """Store the feedback on an answer in place of an earlier one."""
        ...

    def latest_feedback(self, tx: Transaction, project: str, answer_id: str) -> str:
        """Return the name of the feedback that counts for an answer; empty if none does, or it is not known."""
        ...

    def put_session(self, tx: Transaction, project: str, session: str, feedback: FeedbackLabel) -> int:
        """Store feedback on a session: it counts for each of its answers that has no feedback of its own.

        Answers whose segment arrives later are covered if they are not newer than the feedback. Returns the number of
        answers that it covers now.
        """
        ...

    def put_preference(self, tx: Transaction, project: str, preference: Preference) -> None:
        """Store a preference in place of an earlier one between the same two answers."""
        ...

    def put_outcomes(
        self,
        tx: Transaction,
        project: str,
        answer_id: str,
        time: datetime,
        outcomes: Mapping[str, float],
        consent: Consent = Consent.NONE,
    ) -> None:
        """Store outcomes of an answer in place of earlier ones of the same names."""
        ...

    def prompt_digests(self, tx: Transaction, project: str, answer_ids: Sequence[str]) -> dict[str, str]:
        """Return the digest of the prompt of each of these answers that the index knows, by the answer's id."""
        ...

    def preferences(
        self, tx: Transaction, project: str, since: datetime | None, until: datetime | None = None
    ) -> list[tuple[Answer, Answer, Preference]]:
        """Return the better answer, the worse one and the preference of answers later than `since`, oldest first."""
        ...

    def outcomes(
        self, tx: Transaction, project: str, start: datetime, end: datetime
    ) -> list[tuple[str, str, float, int]]:
        """Return version, name, mean and number of the outcomes of answers from `start` until before `end`."""
        ...

    def mark(self, tx: Transaction, project: str) -> Mark:
        """How much there is, cheaply."""
        ...

    def latest(self, tx: Transaction, project: str, since: datetime | None, limit: int) -> list[Answer]:
        """The newest answers later than `since`, newest first; features are left empty."""
        ...

    def arrived(
        self, tx: Transaction, project: str, deployment: str, after: int, limit: int
    ) -> list[tuple[int, Answer]]:
        """Return answers that arrived after a position, oldest first, each with its position, without features.

        Empty `deployment`: of all deployments. A few answers before the position may be returned again.
        """
        ...

    def feedback_arrived(
        self, tx: Transaction, project: str, after: int, limit: int
    ) -> list[tuple[int, Answer | None, FeedbackLabel]]:
        """Return feedback that arrived after a position, oldest first, with its position and its answer.

        None: the segment of the answer has not arrived. Some before the position may be returned again.
        """
        ...

    def feedback_of(
        self, tx: Transaction, project: str, answer_ids: Sequence[str]
    ) -> dict[str, FeedbackLabel]:
        """Return the feedback that counts for each of these answers, by the answer's id."""
        ...

    def contested(self, tx: Transaction, project: str, content_digests: Sequence[str]) -> set[str]:
        """Return those of these texts, by their digests, whose answers have corrections that differ."""
        ...

    def features(self, tx: Transaction, project: str, answers: Sequence[Answer]) -> list[ExchangeFeatures]:
        """Return the features of these answers and their texts."""
        ...

    def before_version(self, tx: Transaction, project: str, version: str, limit: int) -> list[Answer]:
        """Return the newest answers of other versions before the first answer of a version, newest first."""
        ...

    def segment_digests(self, tx: Transaction, segments: Iterable[str]) -> list[str]:
        """The digests of these segments, by their names."""
        ...

    def with_feedback(
        self, tx: Transaction, project: str, since: datetime | None, until: datetime | None = None
    ) -> list[tuple[Answer, FeedbackLabel]]:
        """Return answers later than `since` with their feedback, both up to `until`, oldest first, without features."""
        ...

    def newest_feedback(
        self, tx: Transaction, project: str, since: datetime, until: datetime, indexed_by: datetime
    ) -> datetime | None:
        """Return the time of the newest feedback from `since` to `until`; None without one.

        The first feedback later than `indexed_by` whose answer is not in the index, and all after it, are left out.
        """
        ...

    def votes(
        self,
        tx: Transaction,
        project: str,
        start: datetime,
        end: datetime,
        task: TaskSpec,
        corrections: bool = True,
    ) -> list[VersionVotes]:
        """Return the votes from `start` until before `end` by version. The caller of an unknown one is its answer.

        Without `corrections`, feedback with a correction is no vote.
        """
        ...

    def of_texts(self, tx: Transaction, project: str, digests: Sequence[str]) -> Mapping[str, Sequence[str]]:
        """Return the segments that may hold these texts, by name with the ids of the answers that go with them."""
        ...

    def forget(
        self, tx: Transaction, project: str, segment: str, answer_ids: Sequence[str], digests: Sequence[str]
    ) -> None:
        """Delete these answers, the feedback on them, and the notes of these texts in the segment."""
        ...

    def respell(self, tx: Transaction, project: str, old: str, new: str) -> None:
        """Write a label in answers and corrections as the project writes it now."""
        ...

    def forget_all(self, tx: Transaction, project: str) -> list[str]:
        """Forget all traffic and feedback of a project; the digests of its segments."""
        ...

    def prune(self, tx: Transaction, project: str, before: datetime, limit: int) -> tuple[list[str], bool]:
        """Forget at most `limit` of each kind of data older than this.

        Returns the digests of the segments that go, and whether there may be more to forget.
        """
        ...


class RunIndex(Protocol):
    """Pipeline runs by what other listings do not offer."""

    def recent(self, tx: Transaction, project: str) -> list[PipelineRun]:
        """The newest runs of a project, enough for any decision, oldest first."""
        ...

    def since(self, tx: Transaction, project: str, time: datetime) -> list[PipelineRun]:
        """Return the runs of a project that were created after a time, oldest first."""
        ...

    def forget(self, tx: Transaction, run: str) -> None:
        """Forget the resource that a run waited for; for a run that is deleted."""
        ...

    def forget_events(self, tx: Transaction, project: str) -> None:
        """Delete the external events of a project; for a project that is deleted."""
        ...

    def note_child(self, tx: Transaction, resource: str, run: str) -> None:
        """Remember the resource that a run waits for; the resources of its earlier stages no longer wake it."""
        ...

    def run_of(self, tx: Transaction, resource: str) -> str:
        """The run that waits for a resource; empty when none does."""
        ...
