"""Specs and results of verification jobs, as this release and the one before write and read them."""

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from ratoon.jobs.v1.job_pb2 import JobEnvironment
from ratoon.jobs.v1.registry_jobs_pb2 import VerificationSpec
from ratoon.operations.job_messages import from_json
from ratoon.operations.jobs import JobState, JobStatus
from ratoon.registry.v1 import registry_service_pb2
from ratoon.service.compute import JobDevices
from ratoon.tasks.compute import Accelerator, Compute, Dtype
from ratoon_registry import mapping
from ratoon_registry.adapters.verification import verification_jobs
from ratoon_registry.domain.generation import Generation, PromptLimits
from ratoon_registry.domain.versions import ModelVersion, Verified

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
NAME = "projects/p/models/m/versions/v1.0"
VERSION = ModelVersion(NAME, NOW, NOW, "a" * 64, "b" * 64, changelog="First.", scores={"new.macro_f1": 0.9})
ENVIRONMENT = JobEnvironment(artifacts="file:///a", warm="/w", lanes=2, time_limit_s=60.0, memory_share=0.5)
SPEC_OF_0_1 = {
    "artifacts": "file:///a",
    "artifact_digest": "a" * 64,
    "golden_source_digest": "b" * 64,
    "golden_count": 8,
    "warm": "/w",
    "tenant": "projects/p",
    "lanes": 2,
    "time_limit_s": 60.0,
    "memory_share": 0.5,
    "card": {"name": NAME, "changelog": "First.", "scores": {"new.macro_f1": 0.9}},
}
RESULT_OF_0_1 = {
    "artifact_digest": "c" * 64,
    "signature_digest": "5" * 64,
    "golden_digest": "d" * 64,
    "parameter_count": 8_000_000_000,
    "size_bytes": 16_000_000_000,
    "size_class": "LARGE",
    "base_artifact_digest": "",
    "base_signature_digest": "",
    "generation": {"temperature": 0.0, "top_p": None, "top_k": 20, "min_p": None,
                   "repetition_penalty": None, "max_tokens": None},
    "prompt": {"max_characters": 2000, "max_tokens": 0, "context_tokens": 8192},
    "notice": "",
}  # fmt: skip


@dataclass
class FakeJobs:
    """The jobs of a worker, all of which have ended with one result."""

    result: dict[str, Any]
    spec: dict[str, Any] | None = None

    def start(self, job_id: str, module: str, spec: dict[str, Any]) -> None:
        self.spec = spec

    def observe(self, job_id: str) -> JobStatus:
        return JobStatus(JobState.SUCCEEDED, result=self.result)


class FakeArtifacts:
    """A store whose blobs are named by their content."""

    def read(self, digest: str) -> bytes:
        return digest.encode()

    def put_bytes(self, content: bytes) -> str:
        return content.decode()


class FakeSealer:
    """A key that marks what it signed."""

    def sealed(self, content: bytes) -> bytes:
        return b"signed " + content

    def envelope(self, payload: bytes, payload_type: str) -> bytes:
        return b"signed " + payload


def jobs_of(jobs: FakeJobs):
    devices = JobDevices(is_local=False)
    return verification_jobs(jobs, FakeArtifacts(), FakeSealer(), ENVIRONMENT, 8, devices)


def test_a_worker_of_the_release_before_reads_the_spec():
    jobs = FakeJobs({})
    jobs_of(jobs).start("id", VERSION)
    assert jobs.spec == SPEC_OF_0_1 | {
        "threads": 0,
        "dtypes": [],
        "reference_digest": "",
    }


def test_a_worker_reads_a_spec_of_the_release_before():
    assert from_json(VerificationSpec, SPEC_OF_0_1) == mapping.verification_spec(VERSION, 8)


def test_devices_and_number_formats_reach_the_worker_as_they_were_requested():
    request = registry_service_pb2.CreateModelVersionRequest(parent="projects/p/models/m")
    named = request.model_version
    named.verification_compute.accelerator = named.verification_compute.ACCELERATOR_CUDA
    named.verification_compute.dtype = named.verification_compute.DTYPE_BFLOAT16
    named.serving_dtypes.extend([named.verification_compute.DTYPE_FLOAT16] * 2)
    command = mapping.create_version(request)
    assert command.compute == Compute(Accelerator.CUDA, Dtype.BFLOAT16)
    assert command.serving_dtypes == (Dtype.FLOAT16,)
    version = replace(VERSION, compute=command.compute, serving_dtypes=command.serving_dtypes)
    assert mapping.version(version).serving_dtypes == [named.verification_compute.DTYPE_FLOAT16]
    spec = mapping.verification_spec(version, 8)
    assert (spec.compute, spec.dtypes) == (
        named.verification_compute,
        mapping.version(version).serving_dtypes,
    )


def test_a_result_of_the_release_before_is_read_and_signed():
    assert jobs_of(FakeJobs(RESULT_OF_0_1)).observe("id").result == Verified(
        artifact_digest="c" * 64,
        signature_digest="signed " + "5" * 64,
        golden_digest="d" * 64,
        parameter_count=8_000_000_000,
        size_bytes=16_000_000_000,
        generation=Generation(temperature=0.0, top_k=20),
        prompt=PromptLimits(2000, 0, 8192),
    )


def test_links_of_a_result_become_a_signed_certificate():
    link = {
        "step": "STEP_TRAIN",
        "verdict": "VERDICT_WITHIN",
        "format": "float32",
        "runtime": "transformers 5.0.0",
        "artifact_digest": "c" * 64,
        "comparison": {"prompts": 3, "places": 24, "equal_places": 24},
    }
    result = jobs_of(FakeJobs({**RESULT_OF_0_1, "parity_links": [link]})).observe("id").result
    signed, _, statement = result.parity_digest.partition(" ")
    (subject,) = json.loads(statement)["subject"]
    (written,) = json.loads(statement)["predicate"]["links"]
    assert (signed, subject["digest"]["sha256"]) == ("signed", "c" * 64)
    assert (written["step"], written["comparison"]["places"]) == ("TRAIN", 24)
