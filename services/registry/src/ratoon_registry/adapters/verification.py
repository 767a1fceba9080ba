"""Verification as a job: `python -m ratoon_registry.worker`. The registry signs its result here."""

from dataclasses import dataclass, field
from functools import partial

from ratoon.jobs.v1.job_pb2 import JobEnvironment
from ratoon.jobs.v1.registry_jobs_pb2 import VerificationResult
from ratoon.operations.job_messages import JSON, from_json, spec_json
from ratoon.operations.job_procedure import WorkerJobs
from ratoon.operations.jobs import Jobs
from ratoon.service.compute import JobDevices
from ratoon.service.parity import link_of_message
from ratoon.storage.artifacts import ArtifactStore
from ratoon.tasks.compute import Compute
from ratoon_registry import mapping
from ratoon_registry.adapters.certificates import StoredCertificates
from ratoon_registry.adapters.seals import Sealer
from ratoon_registry.domain.versions import ModelVersion, Verified

WORKER = "ratoon_registry.worker"


@dataclass(frozen=True)
class VerificationJobs(WorkerJobs[ModelVersion, Verified]):
    """Jobs that reload and record models."""

    artifacts: ArtifactStore = field(kw_only=True)
    devices: JobDevices = field(kw_only=True)

    def check_named(self, artifact_digest: str) -> None:
        """InvalidArgument with the entry's name unless every file of the tree is in the store as the tree states."""
        self.artifacts.check_tree(artifact_digest)

    def check_devices(self, compute: Compute) -> None:
        """FailedPrecondition if jobs run on this machine and it lacks the accelerator."""
        self.devices.check(compute)


def verification_jobs(
    jobs: Jobs,
    artifacts: ArtifactStore,
    sealer: Sealer,
    environment: JobEnvironment,
    golden_count: int,
    devices: JobDevices,
) -> VerificationJobs:
    """Return the jobs; their results are signed with the registry's key."""
    return VerificationJobs(
        jobs,
        WORKER,
        partial(_spec, environment, golden_count),
        partial(_signed, artifacts, sealer),
        artifacts=artifacts,
        devices=devices,
    )


def _spec(environment: JobEnvironment, golden_count: int, version: ModelVersion) -> JSON:
    own = JobEnvironment(tenant="/".join(version.name.split("/")[:2]))
    own.MergeFrom(environment)
    return spec_json(own, mapping.verification_spec(version, golden_count))


def _signed(artifacts: ArtifactStore, sealer: Sealer, written: JSON) -> Verified:
    """Return the result with the registry's own signatures in place of the job's."""
    result = from_json(VerificationResult, written)
    for name in ("signature_digest", "base_signature_digest"):
        if digest := getattr(result, name):
            setattr(result, name, artifacts.put_bytes(sealer.sealed(artifacts.read(digest))))
    links = [link_of_message(each) for each in result.parity_links]
    certificate = StoredCertificates(artifacts, sealer).sealed(result.artifact_digest, links) if links else ""
    return mapping.verified(result, certificate)
