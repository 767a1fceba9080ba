"""Labeling's tables."""

from sqlalchemy import Boolean, Column, String, Table, false

from ratoon.service.events import service_metadata
from ratoon.storage.store import resource_table
from ratoon_labeling.adapters import upgrades
from ratoon_labeling.domain.annotations import Annotation
from ratoon_labeling.domain.guidelines import Guideline, GuidelineVersion
from ratoon_labeling.domain.intake import Intake
from ratoon_labeling.domain.label_sets import LabelSet
from ratoon_labeling.domain.queues import Queue
from ratoon_labeling.domain.refills import Refill
from ratoon_labeling.domain.tasks import Task

METADATA = service_metadata()
_WITH_TASK = ([upgrades.add_task_v2], upgrades.mirror_labels_v1)
RESOURCES: dict[type, Table] = {
    Guideline: resource_table(METADATA, "guidelines", *_WITH_TASK),
    GuidelineVersion: resource_table(METADATA, "guideline_versions"),
    Annotation: resource_table(METADATA, "annotations"),
    Task: resource_table(METADATA, "tasks", *_WITH_TASK),
    LabelSet: resource_table(METADATA, "label_sets", *_WITH_TASK),
    Queue: resource_table(METADATA, "queues"),
    Refill: resource_table(METADATA, "refills"),
    Intake: resource_table(METADATA, "intakes"),
}
# Whether an annotation came with a dataset version.
RESOURCES[Annotation].append_column(Column("imported", Boolean, nullable=False, server_default=false()))
RECORDINGS = Table("recordings", METADATA, Column("label_set", String(512), primary_key=True))
"""The label sets and refills whose annotations and tasks are stored."""

ERASED_RECORDS = Table(
    "erased_records",
    METADATA,
    Column("project", String(80), primary_key=True),
    Column("record_id", String(64), primary_key=True),
    Column("time", String(40), nullable=False),
)
"""Records that were erased, and when: their annotations and tasks in older label sets are not stored."""
