"""Commands of the registry."""

from dataclasses import dataclass, field

from ratoon.tasks.compute import Compute, Dtype
from ratoon_registry.domain.versions import Lineage, TrainingUsage


@dataclass(frozen=True)
class CreateModel:
    """Begin a line of versions in `parent` (projects/{project})."""

    parent: str
    model_id: str
    display_name: str = ""
    request_id: str = ""


@dataclass(frozen=True)
class CreateVersion:
    """Register an artifact as a version of `parent` (a model); an empty id takes the next number."""

    parent: str
    version_id: str
    artifact_digest: str
    golden_source_digest: str
    lineage: Lineage = Lineage()
    changelog: str = ""
    scores: dict[str, float] = field(default_factory=dict)
    request_id: str = ""
    compute: Compute = Compute()
    serving_dtypes: tuple[Dtype, ...] = ()
    training_usage: TrainingUsage = TrainingUsage()


@dataclass(frozen=True)
class SetAlias:
    """Point an alias at a version of its model, because of `reason`."""

    name: str
    version: str
    reason: str
    principal: str
    by_serving: bool
    request_id: str = ""
