"""Splits: a labelled dataset version in three parts, the test part sealed, and the log of who read what."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from ratoon.operations.job_machine import Failure
from ratoon_ingestion.domain.assignment import Folds, Part, Ratios, SplitMode
from ratoon_ingestion.domain.errors import BadReading, BadSplit, PartSealed
from ratoon_ingestion.domain.work import DONE, Progress, State, Work


@dataclass(frozen=True)
class Replay:
    """Number of records of an older split's training part to mix into this one's."""

    split: str = ""
    count: int = 0

    def __post_init__(self) -> None:
        if self.count < 0 or bool(self.split) != bool(self.count):
            raise BadSplit("A replay names a split and a count above 0, or neither.")


@dataclass(frozen=True)
class CrossValidation:
    """Macro-F1 of a classical model on each fold, the mean, its 95 % interval, and the settings that were chosen."""

    fold_scores: tuple[float, ...]
    score: float
    lower: float
    upper: float
    settings: tuple[str, ...]
    record_count: int


@dataclass(frozen=True)
class PartSummary:
    """A part in numbers, and its blob; of a REDACTED one `redacted_digest` names what is left."""

    digest: str
    record_count: int
    class_counts: Mapping[str, int] = field(default_factory=dict)
    redacted_digest: str = ""

    @property
    def readable_digest(self) -> str:
        """The blob whose records can be read."""
        return self.redacted_digest or self.digest


@dataclass(frozen=True)
class Split(Work):
    """How a version is parted, and once it is READY its parts."""

    name: str
    create_time: datetime
    update_time: datetime
    dataset_version: str
    label_set_digest: str = ""
    mode: SplitMode = SplitMode.STRATIFIED
    ratios: Ratios = field(default_factory=Ratios)
    seed: int = 0
    replay: Replay = Replay()
    state: State = State.QUEUED
    progress: Progress = field(default_factory=Progress)
    failure: Failure = field(default_factory=Failure)
    parts: Mapping[Part, PartSummary] = field(default_factory=dict)
    withheld_counts: Mapping[str, int] = field(default_factory=dict)
    replayed_count: int = 0
    reading_count: int = 0
    erased_count: int = 0
    erasure: str = ""
    attempts: int = 0
    cancel_requested: bool = False
    group_attribute: str = ""
    """Attribute whose values group records, in the mode GROUPED."""
    revision: int = 0
    test_index: str = ""
    """Artifact of the near-duplicate index of the test part and of those before; sealed, as no project owns it."""
    version_index: str = ""
    """Artifact of the near-duplicate index of the dataset version, if this split had to build it."""
    augmented_count: int = 0
    """Number of copies in the training part that the step `augment` made."""
    folds: Folds = Folds()
    cross_validation: CrossValidation | None = None

    @property
    def sealed_blobs(self) -> tuple[str, ...]:
        """Return the blobs of the test part."""
        test = self.parts.get(Part.TEST)
        return (test.digest, test.redacted_digest) if test else ()


@dataclass(frozen=True)
class SplitReading:
    """That `reader` (an artifact digest or a resource name) read a part, for what, and who called."""

    name: str
    create_time: datetime
    update_time: datetime
    split: str
    part: Part
    reader: str
    purpose: str
    principal: str
    revision: int = 0


@dataclass(frozen=True)
class SplitCompleted:
    """The split is READY. The event omits the test part's digest."""

    train_digest: str
    validation_digest: str


@dataclass(frozen=True)
class SplitOpened:
    """A part was handed out."""

    reader: str


@dataclass(frozen=True)
class Parted:
    """Result of a split's job: the fields of the READY split."""

    parts: Mapping[Part, PartSummary]
    withheld_counts: Mapping[str, int]
    replayed_count: int
    augmented_count: int = 0
    test_index: str = ""
    version_index: str = ""
    cross_validation: CrossValidation | None = None


def check_folds(mode: SplitMode, folds: Folds) -> None:
    """Raise BadSplit for folds by time: what is validated on would be older than what is trained on."""
    if mode is SplitMode.TIME and folds.count:
        raise BadSplit(
            "The mode TIME takes no folds: training would see records that are newer than validation."
        )


def check_grouping(mode: SplitMode, attribute: str) -> None:
    """Raise BadSplit unless exactly the mode GROUPED names an attribute."""
    if (mode is SplitMode.GROUPED) != bool(attribute):
        raise BadSplit("The mode GROUPED needs group_attribute; other modes take none.")


def parted(split: Split, result: Parted) -> tuple[Split, SplitCompleted]:
    """Return the READY split with the result of its job."""
    done = replace(split, state=State.READY, progress=DONE, **vars(result))
    return done, SplitCompleted(done.parts[Part.TRAIN].digest, done.parts[Part.VALIDATION].digest)


def opened(split: Split, part: Part, reader: str, purpose: str) -> tuple[Split, str]:
    """The split with one more reading, and the digest of the part; a reading names its reader and its purpose."""
    if not split.state.readable:
        raise PartSealed(f"{split.name} is {split.state}; its parts can be read once it is READY.")
    if not reader or not purpose:
        raise BadReading(
            "Set `reader` (an artifact digest or a resource name) and `purpose` (why the part is read)."
        )
    return replace(split, reading_count=split.reading_count + 1), split.parts[part].readable_digest
