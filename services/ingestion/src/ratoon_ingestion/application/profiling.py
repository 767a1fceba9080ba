"""Profiles: creation, the job behind them, their reports and deletion."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

from ratoon.operations.job_machine import step
from ratoon.operations.job_procedure import JobProcedure, JobRunner
from ratoon.operations.operations import Operations
from ratoon.process.clock import Clock
from ratoon.storage.names import checked_id, matched, parent_of
from ratoon.storage.store import Store, Transaction
from ratoon_ingestion.application.handlers import DATASET, VERSION, check_no_erasure
from ratoon_ingestion.application.ports import Record, Records
from ratoon_ingestion.application.procedures import POLL_INTERVAL_S
from ratoon_ingestion.application.sealing import Seals, sealed_digests, unsealed
from ratoon_ingestion.domain.datasets import Dataset, DatasetVersion
from ratoon_ingestion.domain.errors import BadProfile, NotReady, ResourceInUse
from ratoon_ingestion.domain.profiles import (
    Profile,
    Profiled,
    check_profile,
    check_reported,
    profiled,
)

PROFILE = f"{DATASET}/profiles/*"


@dataclass(frozen=True)
class CreateProfile:
    """Create this profile, whose name is still `parent` (a dataset)."""

    profile: Profile
    profile_id: str
    request_id: str = ""


@dataclass(frozen=True)
class ProfileJob:
    """A profile, and the digests of what it reads."""

    profile: Profile
    version_digest: str
    sealed_parts: tuple[str, ...]


class Reports(Protocol):
    """Stored reports of profiles."""

    def read(self, digest: str) -> bytes:
        """Return a report as JSON."""
        ...


Profiles = JobRunner[ProfileJob, Profiled]


def create_profile(command: CreateProfile, store: Store, operations: Operations, clock: Clock) -> Profile:
    """Create a profile of a readable version; the work starts with the commit."""
    parent = command.profile.name
    matched(parent, DATASET, "parent")
    now = clock.now()
    name = f"{parent}/profiles/{checked_id(command.profile_id, 'profile_id')}"
    profile = replace(command.profile, name=name, create_time=now, update_time=now)
    check_profile(profile)
    matched(profile.dataset_version, VERSION, "dataset_version")
    if parent_of(profile.dataset_version) != parent:
        raise BadProfile(f"{profile.dataset_version} does not belong to {parent}.")
    with store.write() as tx:
        check_no_erasure(tx, parent)
        tx.get(Dataset, parent)
        version = tx.get(DatasetVersion, profile.dataset_version)
        if not version.state.readable:
            raise NotReady(f"{version.name} is {version.state}; it can be profiled once it is READY.")
        profile, new = tx.create(profile, command.request_id)
        if new:
            operations.begin(tx, profile)
    return profile


def profile_procedure(store: Store, jobs: Profiles) -> JobProcedure[Profile, ProfileJob, Profiled]:
    """Return the procedure behind CreateProfile."""
    return JobProcedure(
        Profile,
        "profile",
        jobs,
        partial(profile_job, store),
        partial(step, complete=profiled),
        POLL_INTERVAL_S,
    )


def profile_job(store: Store, profile: Profile) -> ProfileJob:
    """Return the input of a profile."""
    with store.read() as tx:
        version = tx.get(DatasetVersion, profile.dataset_version)
        return ProfileJob(profile, version.readable_digest, sealed_digests(tx, profile.name))


def stored_report(name: str, store: Store, reports: Reports) -> tuple[Profile, bytes]:
    """Return a profile with its report."""
    matched(name, PROFILE)
    with store.read() as tx:
        profile = tx.get(Profile, name)
    check_reported(profile)
    return profile, reports.read(profile.report)


def shown_records(
    profile: Profile, record_ids: Iterable[str], records: Records, seals: Seals
) -> Mapping[str, Record]:
    """Return the records that a report may show: those that are neither erased nor sealed by now."""
    with seals.store.read() as tx:
        version = tx.get(DatasetVersion, profile.dataset_version)
    matches = records.records_of(version.readable_digest, sorted(set(record_ids)))
    return {record.record_id: record for record in unsealed(profile.name, matches, seals)}


def delete_profile(profile: Profile, tx: Transaction) -> None:
    """Delete a profile that has ended; ResourceInUse in any other state."""
    check_no_erasure(tx, profile.name)
    if not profile.state.ended:
        raise ResourceInUse(f"{profile.name} is in progress. Cancel it, or wait for its end.")
    tx.retire(profile)
