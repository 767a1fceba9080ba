"""Specs and results of jobs, as this release and the one before write and read them; tenants and limits."""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ratoon.ingestion.v1.source_pb2 import PreviewedRecord, RejectedItem, Source, SourcePreview
from ratoon.jobs.v1 import ingestion_jobs_pb2 as pb
from ratoon.jobs.v1.job_pb2 import JobEnvironment
from ratoon.operations.job_messages import to_json
from ratoon.operations.jobs import JobProgress, JobState, JobStatus
from ratoon_ingestion.adapters import local_jobs
from ratoon_ingestion.adapters.local_jobs import Execution, IngestionJobs, ingestion_jobs
from ratoon_ingestion.adapters.record_keys import RecordKeys
from ratoon_ingestion.application.ports import CurationJob, ErasureJob, PreviewJob, SplitJob
from ratoon_ingestion.domain import sources
from ratoon_ingestion.domain.assignment import Part, Ratios, SplitMode
from ratoon_ingestion.domain.curation import CurationConfig
from ratoon_ingestion.domain.datasets import Curated, DatasetVersion
from ratoon_ingestion.domain.erasures import Erasure, Placement, Plan, Redaction, Rewritten, Trace
from ratoon_ingestion.domain.pii import Mask
from ratoon_ingestion.domain.sources import Columns, Format
from ratoon_ingestion.domain.splits import Parted, PartSummary, Replay, Split
from ratoon_ingestion.domain.work import Progress
from ratoon_ingestion.worker.readers import SourceSpec
from ratoon_ingestion.worker.spec import config_of, erasure_json, preview_json, read_spec, source_of

NOW = datetime(2026, 1, 1, tzinfo=UTC)
VERSION, SPLIT, SOURCE = (
    "projects/p/datasets/d/versions/v1",
    "projects/p/datasets/d/splits/s",
    "projects/p/sources/s",
)
RECORD = "0" * 64
CONFIG = CurationConfig(min_chars=7, languages=("en",), masks=(Mask.EMAIL,), keep_code=True)
COLUMNS = Columns(text="body", attributes=("folder",), named=("text",))
ENVIRONMENT = JobEnvironment(artifacts="store", warm="/w", lanes=3, time_limit_s=60.0, memory_share=0.5)

COMMON_OF_0_1 = {"artifacts": "store", "warm": "/w", "tenant": "p", "lanes": 3}
LIMITS_OF_0_1 = {"time_limit_s": 60.0, "memory_share": 0.5}
SOURCE_OF_0_1 = {
    "name": SOURCE,
    "digest": "a" * 64,
    "format": "JSONL",
    "licence": "CC0",
    "labels_by_folder": {"junk": "spam"},
    "columns": {
        "text": "body", "label": "label", "id": "id", "time": "time", "attributes": ["folder"], "named": ["text"],
    },
    "encoding": "gb18030",
}  # fmt: skip
CURATION_OF_0_1 = COMMON_OF_0_1 | LIMITS_OF_0_1 | {
    "task": "curate",
    "version": VERSION,
    "sources": [SOURCE_OF_0_1],
    "curation": {
        "min_chars": 7, "languages": ["en"], "exact_duplicates": True, "near_duplicate_threshold": 0.8,
        "masks": ["email"], "max_replaced_share": 0.05, "keep_code": True,
    },
    "processes": 2,
    "barred": [RECORD],
}  # fmt: skip
SPLIT_OF_0_1 = COMMON_OF_0_1 | LIMITS_OF_0_1 | {
    "task": "split",
    "dataset_version": "b" * 64,
    "label_set": "c" * 64,
    "mode": "TIME",
    "ratios": {"train": 0.5, "validation": 0.25, "test": 0.25},
    "seed": 2**40,
    "earlier_tests": ["d" * 64],
    "threshold": 0.8,
    "replay": {"train": "e" * 64, "count": 5},
}  # fmt: skip
ERASURE_OF_0_1 = COMMON_OF_0_1 | {
    "task": "erase",
    "record_ids": [RECORD],
    "sources": [SOURCE_OF_0_1],
    "versions": [{"name": VERSION, "digest": "b" * 64, "sources": [SOURCE]}],
    "parts": [{"split": SPLIT, "part": "TRAIN", "digest": "f" * 64}],
}
PREVIEW_OF_0_1 = COMMON_OF_0_1 | LIMITS_OF_0_1 | {
    "task": "preview",
    "warm": "/w-preview",
    "source": SOURCE_OF_0_1,
    "file_name": "mails.jsonl",
    "detect": True,
    "record_count": 5,
    "barred": [RECORD],
}  # fmt: skip


@dataclass
class FakeJobs:
    """The jobs of a worker, all of which have ended with one result."""

    result: dict[str, Any] = field(default_factory=dict)
    specs: dict[str, dict[str, Any]] = field(default_factory=dict)

    def start(self, job_id: str, module: str, spec: dict[str, Any]) -> None:
        self.specs[job_id] = json.loads(json.dumps(spec))

    def observe(self, job_id: str) -> JobStatus:
        return JobStatus(JobState.SUCCEEDED, JobProgress(0.5, remaining_s=3.0), self.result)


def jobs_of(fake: FakeJobs, folder: Path) -> IngestionJobs:
    return ingestion_jobs(
        fake, RecordKeys(folder / "record.key", "ab" * 32), ENVIRONMENT, Execution("pool", 2)
    )


@pytest.fixture
def specs(tmp_path: Path) -> dict[str, dict[str, Any]]:
    fake = FakeJobs()
    jobs = jobs_of(fake, tmp_path)
    source = sources.Source(
        SOURCE, NOW, NOW, Format.JSONL, "a" * 64, "mails.jsonl", "CC0", {"junk": "spam"}, COLUMNS, "gb18030"
    )
    version = DatasetVersion(VERSION, NOW, NOW, (SOURCE,), CONFIG, artifact_digest="b" * 64)
    split = Split(
        SPLIT, NOW, NOW, VERSION, "c" * 64, SplitMode.TIME, Ratios(0.5, 0.25, 0.25), 2**40, Replay(SPLIT, 5),
        parts={Part.TRAIN: PartSummary("f" * 64, 1)},
    )  # fmt: skip
    erasure = Erasure("projects/p/erasures/e", NOW, NOW, record_ids=(RECORD,), purpose="asked for")
    jobs.curations.start("curate", CurationJob(version, (source,), (RECORD,)))
    jobs.splits.start("split", SplitJob(split, "b" * 64, 0.8, ("d" * 64,), "e" * 64))
    jobs.erasures.start("erase", ErasureJob(erasure, (source,), (version,), (split,)))
    jobs.previews.start("preview", PreviewJob(source, True, 5, (RECORD,)))
    return fake.specs


@pytest.mark.parametrize(
    ("job", "older"),
    [
        ("curate", CURATION_OF_0_1),
        ("split", SPLIT_OF_0_1),
        ("erase", ERASURE_OF_0_1),
        ("preview", PREVIEW_OF_0_1),
    ],
)
def test_a_worker_of_the_release_before_reads_a_spec(specs, job, older):
    spec = specs[job]
    added = {"excluded", "record_key", "code_version", "group_attribute", "shared_attachments"}
    assert {name: value for name, value in spec.items() if name not in added} == older
    assert ("record_key" in spec) == (job != "split")


@pytest.mark.parametrize(
    ("job", "kind", "older"),
    [
        ("curate", pb.CurationSpec, CURATION_OF_0_1),
        ("split", pb.SplitSpec, SPLIT_OF_0_1),
        ("erase", pb.ErasureSpec, ERASURE_OF_0_1),
        ("preview", pb.PreviewSpec, PREVIEW_OF_0_1),
    ],
)
def test_a_worker_reads_a_spec_of_either_release(specs, job, kind, older):
    unknown = {name: specs[job][name] for name in ("record_key", "code_version") if name in specs[job]}
    assert read_spec(kind, specs[job]) == read_spec(kind, older | unknown)


def test_an_erasure_has_no_limits(specs):
    limits = [[spec.get(name) for name in ("time_limit_s", "memory_share")] for spec in specs.values()]
    assert limits == [[60.0, 0.5], [60.0, 0.5], [None, None], [60.0, 0.5]]


def test_a_worker_gets_the_values_of_the_domain(specs):
    curation = read_spec(pb.CurationSpec, specs["curate"])
    assert config_of(curation.curation) == CONFIG
    assert list(curation.excluded) == [RECORD]
    assert source_of(curation.sources[0]) == SourceSpec(
        SOURCE, "a" * 64, Format.JSONL, "CC0", {"junk": "spam"}, COLUMNS, "gb18030"
    )


def test_a_curation_without_masks_has_none():
    assert config_of(pb.CurationSettings(min_chars=1)).masks == ()


def observed(result: dict[str, Any], folder: Path, kind: str) -> Any:
    return getattr(jobs_of(FakeJobs(result), folder), kind).observe("id").result


def test_the_result_of_a_curation_is_read(tmp_path):
    result = {
        "artifact_digest": "a" * 64,
        "merkle_root": "b" * 64,
        "items": 10,
        "records": 8,
        "rejected": 2,
        "profile": {"items": 10, "chars": {"mean": 1.5}, "received": {"first": None}, "sample": ["é"]},
    }
    profile_json = '{"chars": {"mean": 1.5}, "items": 10, "received": {"first": null}, "sample": ["é"]}'
    assert observed(result, tmp_path, "curations") == Curated("a" * 64, "b" * 64, 10, 8, 2, profile_json)
    message = pb.CurationResult(**{**result, "profile": None})
    message.profile.update(result["profile"])
    assert to_json(message) == {**result, "step_reports": [], "index": ""}


def test_the_result_of_a_split_is_read(tmp_path):
    parts = {"TRAIN": 3, "VALIDATION": 2, "TEST": 1}
    result = {
        "parts": {
            part: {"digest": part, "records": count, "classes": {"ham": count}}
            for part, count in parts.items()
        },
        "replayed": 4,
        "withheld": {"NO_LABEL": 2},
    }
    summaries = {Part(part): PartSummary(part, count, {"ham": count}) for part, count in parts.items()}
    assert observed(result, tmp_path, "splits") == Parted(summaries, {"NO_LABEL": 2}, 4)


ERASED = pb.ErasureResult(
    versions={VERSION: pb.ErasureResult.Replacement(digest="b" * 64, erased_count=1)},
    parts=[pb.ErasureResult.ReplacedPart(split=SPLIT, part="TRAIN", digest="c" * 64, erased_count=1)],
    sources={SOURCE: "d" * 64},
    blobs=["e" * 64],
    text_digests=["f" * 64],
    traces=[
        pb.ErasureResult.Trace(
            record_id=RECORD,
            versions=[VERSION],
            parts=[pb.ErasureResult.Place(split=SPLIT, part="TRAIN")],
        )
    ],
)
ERASED_OF_0_1 = {
    "versions": {VERSION: {"digest": "b" * 64, "erased_count": 1}},
    "splits": {SPLIT: {"TRAIN": {"digest": "c" * 64, "erased_count": 1}}},
    "sources": {SOURCE: "d" * 64},
    "unread_sources": [],
    "blobs": ["e" * 64],
    "text_digests": ["f" * 64],
    "traces": [{"record_id": RECORD, "versions": [VERSION], "placements": [[SPLIT, "TRAIN"]]}],
}


@pytest.mark.parametrize("result", [ERASED_OF_0_1, erasure_json(ERASED)], ids=["older", "newer"])
def test_the_result_of_an_erasure_is_read(tmp_path, result):
    assert observed(result, tmp_path, "erasures") == Redaction(
        Plan(
            versions={VERSION: Rewritten("b" * 64, 1)},
            splits={SPLIT: {Part.TRAIN: Rewritten("c" * 64, 1)}},
            sources={SOURCE: "d" * 64},
            blobs=("e" * 64,),
            text_digests=("f" * 64,),
        ),
        (Trace(RECORD, (VERSION,), (Placement(SPLIT, Part.TRAIN),)),),
    )


def test_a_service_of_the_release_before_reads_the_result_of_an_erasure():
    written = erasure_json(ERASED)
    assert {name: written[name] for name in ERASED_OF_0_1 if name != "traces"} == {
        name: value for name, value in ERASED_OF_0_1.items() if name != "traces"
    }
    assert written["traces"][0].items() >= ERASED_OF_0_1["traces"][0].items()


def test_the_preview_of_either_release_is_read(tmp_path):
    preview = SourcePreview(
        format=Source.FORMAT_CSV,
        encoding="utf-8",
        records=[
            PreviewedRecord(source_path="line-1", text="t", chars=1, received_time=NOW),
            PreviewedRecord(source_path="line-2", text="u", chars=1),
        ],
        label_counts={"ham": 2},
        rejections=[RejectedItem(source_path="line-3", step="read", reason="BAD_ROW", detail="d")],
        size_bytes=2**40,
    )
    written = preview_json(preview)
    assert written["format"] == "CSV"
    assert observed(written, tmp_path, "previews") == preview
    older = written | {
        "records": [
            written["records"][0] | {"received_time": "2026-01-01T00:00:00+00:00"},
            written["records"][1] | {"received_time": ""},
        ]
    }
    assert observed(older, tmp_path, "previews") == preview
    assert local_jobs.preview(preview_json(SourcePreview(problem="?"))) == SourcePreview(problem="?")


def test_progress_has_the_remaining_time(tmp_path):
    jobs = jobs_of(FakeJobs(), tmp_path)
    assert jobs.splits.observe("id").progress == Progress(0.5, remaining_seconds=3.0)
