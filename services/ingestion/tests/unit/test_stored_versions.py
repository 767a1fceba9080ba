"""Stored dataset versions of the release before, whose curations had no list of steps and no reports."""

import json
from dataclasses import replace
from datetime import UTC, datetime

from ratoon.storage.bodies import BodyCodec
from ratoon.tasks.curation import Step
from ratoon_ingestion.domain.curation import CurationConfig, EarlierRecords
from ratoon_ingestion.domain.datasets import DatasetVersion, StepReport
from ratoon_ingestion.domain.pii import Mask
from ratoon_ingestion.domain.work import State

STORED = {
    "name": "projects/p/datasets/d/versions/v1",
    "create_time": "2026-06-01T12:00:00Z",
    "update_time": "2026-06-01T12:00:00Z",
    "sources": ["projects/p/sources/s"],
    "curation": {
        "min_chars": 7, "languages": ["en"], "exact_duplicates": True, "near_duplicate_threshold": 0.8,
        "masks": ["email"], "max_replaced_share": 0.05, "keep_code": False,
    },
    "state": "READY",
    "record_count": 5,
    "profile_json": "{}",
    "revision": 3,
}  # fmt: skip


def test_a_version_of_the_release_before_is_read():
    version = BodyCodec(DatasetVersion).load(json.dumps(STORED))
    assert version.curation == CurationConfig(7, ("en",), masks=(Mask.EMAIL,))
    assert (version.state, version.step_reports, version.index) == (State.READY, (), "")
    assert version.curation.earlier_versions is EarlierRecords.KEEP
    assert "steps" not in version.curation.stated()


def test_steps_and_reports_are_stored():
    now = datetime(2026, 6, 1, tzinfo=UTC)
    config = CurationConfig(steps=(Step("word_list", {"block": "casino"}), Step("language")))
    report = StepReport("word_list", 9, 0, {"BLOCKED_WORD": 2}, (), ("a" * 64,), 0.5)
    version = DatasetVersion(STORED["name"], now, now, (), config)
    version = replace(version, step_reports=(report,))
    assert BodyCodec(DatasetVersion).load(BodyCodec(DatasetVersion).dump(version)) == version
