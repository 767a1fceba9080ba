"""Profiles of training data: `python -m ratoon_flywheel.worker` computes them, the artifact store holds them."""

import json
import logging
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from ratoon.jobs.v1.flywheel_jobs_pb2 import ProfileResult, ProfileSpec
from ratoon.jobs.v1.job_pb2 import JobEnvironment
from ratoon.operations.job_messages import from_json, spec_json
from ratoon.operations.jobs import Jobs, JobState
from ratoon.process.errors import FailedPrecondition, InvalidArgument, NotFound
from ratoon.service import tasks
from ratoon.storage.artifacts import ArtifactStore
from ratoon_flywheel.application.ports import Lineage, Profile
from ratoon_flywheel.domain.signals.drift import Baseline, Feature, Histograms, Reference
from ratoon_flywheel.domain.signals.features import EDITION, TextFeatures, features_to_json
from ratoon_flywheel.domain.signals.monitor import BaselineState

_LOG = logging.getLogger(__name__)
WORKER = "ratoon_flywheel.worker"
_JOBS = uuid.UUID("7c5e0f52-0c44-4e43-9a6b-8f0c2f8a5f61")
_STATES = {
    JobState.ABSENT: BaselineState.ABSENT,
    JobState.RUNNING: BaselineState.WORKING,
    JobState.SUCCEEDED: BaselineState.READY,
    JobState.FAILED: BaselineState.FAILED,
    JobState.LOST: BaselineState.FAILED,
}


class JobBaselines:
    """One job a version, the same for each request; ready profiles are cached in memory."""

    def __init__(self, jobs: Jobs, artifacts: ArtifactStore, lineage: Lineage) -> None:
        self._jobs, self._artifacts, self._lineage = jobs, artifacts, lineage
        self._ready: dict[Profile, Baseline] = {}
        self._unknown: set[Profile] = set()

    def state(self, profile: Profile) -> BaselineState:
        """Where it stands."""
        if profile in self._ready:
            return BaselineState.READY
        if profile in self._unknown:
            return BaselineState.FAILED
        return _STATES[self._jobs.observe(_job(profile)).state]

    def start(self, profile: Profile) -> None:
        """Start its job, unless that was started before; it fails if the training part of the version is unknown."""
        try:
            digest = self._lineage.training_part(profile.version)
        except (FailedPrecondition, InvalidArgument, NotFound) as error:
            _LOG.warning("drift cannot be measured: %s", error)
            self._unknown.add(profile)
            return
        self._start(profile, ProfileSpec(train_digest=digest, max_chars=profile.max_chars))

    def start_traffic(self, profile: Profile, documents: Sequence[TextFeatures]) -> None:
        """Start the job of a profile of traffic, unless that was started before."""
        digest = self._artifacts.put_bytes(features_to_json(documents))
        self._start(profile, ProfileSpec(features_digest=digest))

    def _start(self, profile: Profile, spec: ProfileSpec) -> None:
        if profile.task is not None:
            spec.task_spec.CopyFrom(tasks.message_of(profile.task))
        spec.slices.extend(profile.slices)
        environment = JobEnvironment(artifacts=self._artifacts.url)
        self._jobs.start(_job(profile), WORKER, spec_json(environment, spec))

    def forget(self, profile: Profile) -> None:
        """Allow a failed profile to be computed again."""
        self._unknown.discard(profile)
        self._jobs.forget(_job(profile))

    def load(self, profile: Profile) -> Baseline:
        """One that is ready."""
        if profile not in self._ready:
            result = from_json(ProfileResult, self._jobs.observe(_job(profile)).result)
            self._ready[profile] = _baseline(json.loads(self._artifacts.read(result.baseline_digest)))
        return self._ready[profile]


def _job(profile: Profile) -> str:
    of_traffic = " promotion" if profile.reference is Reference.PROMOTION else ""
    slices = f" by {json.dumps(profile.slices)}" if profile.slices else ""
    return str(uuid.uuid5(_JOBS, f"{profile.version} {profile.max_chars} {EDITION}{of_traffic}{slices}"))


def _baseline(fields: Mapping[str, Any]) -> Baseline:
    counts = {Feature(name): bins for name, bins in fields["counts"].items()}
    return Baseline(
        Histograms(counts, int(fields["size"])),
        _bands(fields["null_bands"]),
        _bands(fields.get("js_bands", {})),
        _bands(fields.get("psi_bands", {})),
        tuple(fields.get("edges", ())),
        {name: _baseline(part) for name, part in fields.get("slices", {}).items()},
        *(_bands(fields.get(name, {})) for name in ("tails", "js_tails", "psi_tails")),
    )


def _bands(by_feature: Mapping[str, Sequence[float]]) -> dict[Feature, tuple[float, ...]]:
    return {Feature(name): tuple(values) for name, values in by_feature.items()}
