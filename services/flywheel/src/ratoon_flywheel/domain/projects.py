"""Projects: what a model is for and what it must reach. Both parts of the flywheel read them.

One project grows one model. Its dataset, model and deployment carry the project's own id.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from math import isfinite
from operator import attrgetter
from re import fullmatch

from ratoon.tasks.labels import duplicate_sentence, duplicates, has_invisible, label_key, match_label
from ratoon_flywheel.domain.errors import BadProject, LabelServed
from ratoon_flywheel.domain.etags import etag_of


@dataclass(frozen=True)
class Gate:
    """Requirements on a new version: lower bounds of the change in macro-F1 against the one in production."""

    new_domain_threshold: float = 0.0
    old_domain_threshold: float = -0.08
    baseline_margin: float = 0.02
    """How far below the best baseline's macro-F1 the first version may be; 1 turns the comparison off."""


class Method(StrEnum):
    """What is done to which weights."""

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


@dataclass(frozen=True)
class SplitDefaults:
    """How records of given sources are shared out; the rest trains."""

    validation_share: float = 0.1
    test_share: float = 0.1


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
    labels: tuple[str, ...]
    display_name: str = ""
    instructions: str = ""
    gate: Gate = Gate()
    training: TrainingDefaults = TrainingDefaults()
    rollout: RolloutDefaults = RolloutDefaults()
    split: SplitDefaults = SplitDefaults()
    traffic_retention_days: int = 30
    require_approval: bool = False
    """Whether a person decides between the gate and the rollout."""
    revision: int = 0

    @property
    def id(self) -> str:
        """The last part of the name."""
        return self.name.rpartition("/")[2]

    @property
    def etag(self) -> str:
        """The mark of what a person can change."""
        return etag_of(*(getattr(self, field) for field in CHANGEABLE))

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


CHANGEABLE = (
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
"""The fields that a person can change."""
_PARTED = ("gate", "training", "rollout", "split")


MAX_LABELS = 1000
_MAX_LABEL = 64
_MAX_RETENTION_DAYS = 3650
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
    """Return the project when its settings can be; BadProject names the field that cannot."""
    _check_labels(project.labels)
    for field in ("new_domain_threshold", "old_domain_threshold"):
        bound = getattr(project.gate, field)
        if not isfinite(bound) or not -1 <= bound <= 1:
            raise BadProject(
                f"gate.{field} is a difference in macro-F1: from -1 to 1, not {bound}.", f"gate.{field}"
            )
    if not 0 <= project.gate.baseline_margin <= 1:
        raise BadProject(
            f"gate.baseline_margin is a difference in macro-F1: from 0 to 1, not {project.gate.baseline_margin}.",
            "gate.baseline_margin",
        )
    for path, max_value in _BOUNDS.items():
        _check_bound(path, attrgetter(path)(project), max_value)
    _check_base(project.training)
    _check_split(project.split)
    if not 1 <= project.traffic_retention_days <= _MAX_RETENTION_DAYS:
        raise BadProject(
            f"traffic_retention_days must be 1 to {_MAX_RETENTION_DAYS:,}, not {project.traffic_retention_days}.",
            "traffic_retention_days",
        )
    return project


def _check_bound(path: str, value: float, max_value: float) -> None:
    if not isfinite(value) or not 0 <= value <= max_value:
        raise BadProject(f"{path} may not be {value:g}; give 0 to {max_value:,}.", path)


def label_notices(before: Project, after: Project, served: str, allowed: bool) -> tuple[str, ...]:
    """Return what a change of labels means for what exists; LabelServed when it may not be made.

    `served` is the version in production, empty without one; `allowed` removes labels that it answers with.
    """
    added = [label for label in after.labels if match_label(label, before.labels) is None]
    removed = [label for label in before.labels if match_label(label, after.labels) is None]
    if removed and served and not allowed:
        raise LabelServed(
            f"{served} is in production and answers with {_listed(removed)}: its answers would count as none of the "
            "labels. Set allow_label_removal to remove it anyway.",
            "project.labels",
        )
    notices = []
    if added:
        notices.append(
            f"New: {_listed(added)}. Existing versions never answer with it; a pipeline run trains on it "
            "once records carry it."
        )
    if removed:
        answers = f" {served} still answers with it, which counts as no label." if served else ""
        notices.append(
            f"Removed: {_listed(removed)}. Records that carry it count as unknown labels in label sets "
            f"that are created from now on; existing label sets and versions keep it.{answers}"
        )
    return tuple(notices)


def respelled(before: Sequence[str], after: Sequence[str]) -> dict[str, str]:
    """Return the labels that are written in another way now, by how they were written."""
    same = {label: match_label(label, before) for label in after}
    return {old: label for label, old in same.items() if old is not None and old != label}


def _listed(labels: Sequence[str]) -> str:
    return ", ".join(repr(label) for label in labels)


def changed(project: Project, update: Project, fields: Sequence[str]) -> Project:
    """Return the project with these fields of the update (`gate` or `gate.new_domain_threshold`); none means all."""
    for field in fields or CHANGEABLE:
        project = _with(project, update, field)
    return checked(project)


def _with(project: Project, update: Project, field: str) -> Project:
    whole, _, part = field.partition(".")
    parts = vars(getattr(update, whole)) if whole in _PARTED else {}
    if whole not in CHANGEABLE or (part and part not in parts):
        raise BadProject(f"{field} cannot be changed.", "update_mask")
    value = replace(getattr(project, whole), **{part: parts[part]}) if part else getattr(update, whole)
    return replace(project, **{whole: value})


def _check_base(training: TrainingDefaults) -> None:
    base, field = training.base_artifact_digest, "training.base_artifact_digest"
    if training.method is Method.LORA and not base:
        raise BadProject("An adapter needs a base model: upload one and give its digest.", field)
    if base and not fullmatch(r"[0-9a-f]{64}", base):
        raise BadProject(f"{base!r} is not a sha256 digest in lowercase hex.", field)


def _check_split(split: SplitDefaults) -> None:
    for field, share in vars(split).items():
        if not 0 < share < 1:
            raise BadProject(f"split.{field} is a share: more than 0, less than 1.", f"split.{field}")
    if split.validation_share + split.test_share >= 1:
        raise BadProject("Validation and test take all records, and leave none to train on.", "split")


def _check_labels(labels: Sequence[str]) -> None:
    if not 2 <= len(labels) <= MAX_LABELS:
        raise BadProject(
            f"A project needs 2 to {MAX_LABELS:,} labels, the words that the model answers with; got {len(labels)}.",
            "labels",
        )
    for label in labels:
        if not label_key(label) or len(label) > _MAX_LABEL or any(c.isspace() for c in label):
            raise BadProject(
                f"Label {label[:_MAX_LABEL]!r} must be one word of at most {_MAX_LABEL} characters.", "labels"
            )
        if has_invisible(label) or not label.isprintable():
            raise BadProject(f"Label {label!a} contains an invisible character: remove it.", "labels")
    if same := duplicates(labels):
        raise BadProject(duplicate_sentence(*same[0]), "labels")
