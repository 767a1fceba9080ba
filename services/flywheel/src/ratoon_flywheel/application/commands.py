"""Commands of the flywheel."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from ratoon.tasks.kinds import TaskSpec
from ratoon_flywheel.domain.consent import Consent
from ratoon_flywheel.domain.pipelines.external_events import ExternalEvent
from ratoon_flywheel.domain.pipelines.policies import Policy
from ratoon_flywheel.domain.projects import Project
from ratoon_flywheel.domain.signals.feedback import Implicit
from ratoon_flywheel.domain.signals.records import Form


@dataclass(frozen=True)
class CreateProject:
    """Create a project; the handler sets its name and times."""

    project_id: str
    project: Project
    request_id: str = ""


@dataclass(frozen=True)
class UpdateProject:
    """Change these fields (all that can be, if none are named) of a project that was read with this etag.

    `allow_label_removal` removes labels although the version in production answers with them.
    """

    project: Project
    etag: str = ""
    fields: tuple[str, ...] = ()
    allow_label_removal: bool = False
    task: TaskSpec | None = None
    labels: tuple[str, ...] | None = None
    """Labels as older clients name them, beside the task; None: not named."""


@dataclass(frozen=True)
class Delete:
    """Delete the resource of this name that was read with this etag; an empty etag is not checked."""

    name: str
    etag: str = ""


@dataclass(frozen=True)
class CreatePolicy:
    """Create a policy in `parent` (projects/{project}); the handler sets its name and times."""

    parent: str
    policy_id: str
    policy: Policy
    request_id: str = ""


@dataclass(frozen=True)
class UpdatePolicy:
    """Change these fields (all that can be, if none are named) of a policy that was read with this etag."""

    policy: Policy
    etag: str = ""
    fields: tuple[str, ...] = ()


@dataclass(frozen=True)
class CreateRun:
    """Create a pipeline run: from sources, or from corrected traffic if none are named."""

    parent: str
    run_id: str = ""
    sources: tuple[str, ...] = ()
    skip_rollout: bool = False
    request_id: str = ""
    recipe: str = ""


@dataclass(frozen=True)
class DecideRun:
    """Approve or reject the version of a run that waits for a person."""

    name: str
    approved: bool
    reason: str


@dataclass(frozen=True)
class ReceiveEvent:
    """Report an event of another system to the policies of a project; the handler sets its name and times."""

    parent: str
    event: ExternalEvent
    request_id: str = ""


@dataclass(frozen=True)
class CreateFeedback:
    """Give feedback on an answer, or on the answers of a session."""

    parent: str
    feedback_id: str
    answer_id: str
    thumb: int = 0
    rating: int = 0
    correction: str = ""
    comment: str = ""
    request_id: str = ""
    rejected_answer_id: str = ""
    outcomes: Mapping[str, float] = field(default_factory=dict)
    implicit: Implicit | None = None
    consent: Consent | None = None
    """None: that of the project."""
    session_id: str = ""
    user: str = ""
    task: str = ""
    """Labeling task by which annotators gave the feedback; empty: a user gave it."""


@dataclass(frozen=True)
class CreateSegment:
    """Announce a closed traffic segment."""

    parent: str
    segment_id: str
    deployment: str
    digest: str
    answer_count: int
    start_time: datetime
    end_time: datetime
    lost_count: int = 0
    request_id: str = ""


@dataclass(frozen=True)
class CompareVersions:
    """Compare two versions by the feedback from `start` (None: ever) until before `end` (None: now)."""

    parent: str
    version: str
    other: str
    start: datetime | None = None
    end: datetime | None = None


@dataclass(frozen=True)
class ExportFeedback:
    """Export the records of answers later than `start` (None: ever), up to `end` (None: now); no forms: all."""

    parent: str
    forms: tuple[Form, ...] = ()
    purpose: Consent = Consent.TRAINING
    start: datetime | None = None
    end: datetime | None = None


@dataclass(frozen=True)
class CollectAnswers:
    """Read answers that arrived after a position, or those with these ids; -1: the newest position alone."""

    parent: str
    deployment: str = ""
    rejected: bool = False
    """Read those that users rejected."""
    max_rating: int = 2
    conflicts: bool = False
    position: int = 0
    size: int = 200
    answer_ids: tuple[str, ...] = ()


@dataclass(frozen=True)
class ForgetTexts:
    """Keep nothing of the traffic whose texts have these digests; `name` is projects/{project}/forgettings/{id}."""

    name: str
    text_digests: tuple[str, ...]
    time: datetime
