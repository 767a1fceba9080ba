"""Profiles: a statistical report on the records of a dataset version."""

from dataclasses import dataclass, field, replace
from datetime import datetime

from ratoon.operations.job_machine import Failure
from ratoon_ingestion.domain.errors import BadProfile, NotReady
from ratoon_ingestion.domain.work import DONE, Progress, State, Work

TOPICS = 8
MIN_TOPICS, MAX_TOPICS = 2, 50


@dataclass(frozen=True)
class Profile(Work):
    """What is described, and once it is READY the artifact of its report, which names records and holds no text."""

    name: str
    create_time: datetime
    update_time: datetime
    dataset_version: str
    label_set_digest: str = ""
    topics: int = TOPICS
    state: State = State.QUEUED
    progress: Progress = field(default_factory=Progress)
    failure: Failure = field(default_factory=Failure)
    report: str = ""
    """Artifact of the report. No project owns it: it names records that may be sealed later."""
    record_count: int = 0
    sealed_count: int = 0
    attempts: int = 0
    cancel_requested: bool = False
    revision: int = 0


@dataclass(frozen=True)
class Profiled:
    """Result of a profile's job: the fields of the READY profile."""

    report: str
    record_count: int
    sealed_count: int


@dataclass(frozen=True)
class ProfileCompleted:
    """The report is complete."""

    record_count: int


def check_profile(profile: Profile) -> None:
    """Raise BadProfile unless the number of topics is in its range."""
    if not MIN_TOPICS <= profile.topics <= MAX_TOPICS:
        raise BadProfile(f"topic_count is {profile.topics}; choose {MIN_TOPICS} to {MAX_TOPICS}.")


def profiled(profile: Profile, result: Profiled) -> tuple[Profile, ProfileCompleted]:
    """Return the READY profile with the result of its job."""
    done = replace(profile, state=State.READY, progress=DONE, **vars(result))
    return done, ProfileCompleted(done.record_count)


def check_reported(profile: Profile) -> None:
    """Raise NotReady unless there is a report."""
    if profile.state is not State.READY:
        raise NotReady(f"{profile.name} is {profile.state}; its report can be read once it is READY.")
