"""The flywheel's tables."""

from sqlalchemy import (
    BigInteger,
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from ratoon.runtime.tracing import LENGTH
from ratoon.service.events import service_metadata
from ratoon.storage.store import resource_table
from ratoon_flywheel.adapters import upgrades
from ratoon_flywheel.domain.consent import Consent
from ratoon_flywheel.domain.pipelines.external_events import EventState, ExternalEvent
from ratoon_flywheel.domain.pipelines.policies import Policy
from ratoon_flywheel.domain.pipelines.runs import PipelineRun
from ratoon_flywheel.domain.projects import Project
from ratoon_flywheel.domain.signals.feedback import Feedback
from ratoon_flywheel.domain.signals.forgetting import Forgetting
from ratoon_flywheel.domain.signals.monitor import DriftReport, Monitor
from ratoon_flywheel.domain.signals.traffic import Presence, TrafficSegment

METADATA = service_metadata()
RESOURCES: dict[type, Table] = {
    Project: resource_table(METADATA, "projects", [upgrades.add_project_task_v2], upgrades.mirror_project_v1),
    Policy: resource_table(METADATA, "policies"),
    PipelineRun: resource_table(
        METADATA, "pipeline_runs", [upgrades.add_run_task_v2], upgrades.mirror_run_v1
    ),
    ExternalEvent: resource_table(METADATA, "external_events", ended=EventState.ENDED.value),
    Feedback: resource_table(METADATA, "feedback"),
    TrafficSegment: resource_table(METADATA, "traffic_segments"),
    DriftReport: resource_table(METADATA, "drift_reports"),
    Monitor: resource_table(METADATA, "monitors"),
    Forgetting: resource_table(METADATA, "forgettings"),
}

_NUMBER = BigInteger().with_variant(Integer, "sqlite")

ANSWERS = Table(
    "answers",
    METADATA,
    Column("number", _NUMBER, primary_key=True, autoincrement=True),
    Column("project", String(80), nullable=False),
    Column("answer_id", String(400), nullable=False),
    Column("segment", String(512), nullable=False),
    Column("deployment", String(512), nullable=False),
    Column("version", String(512), nullable=False),
    Column("time", BigInteger, nullable=False),
    Column("content_digest", String(64), nullable=False),
    Column("label", String(80), nullable=False),
    Column("length", SmallInteger, nullable=False),
    Column("language", String(20), nullable=False),
    Column("words", LargeBinary, nullable=False),
    Column("caller", String(16), nullable=True),
    Column("prompt_digest", String(64), nullable=False, server_default=""),
    Column("session", String(16), nullable=False, server_default=""),
    Column("reply_length", SmallInteger, nullable=True),
    Column("reply_language", String(20), nullable=True),
    Column("reply_words", LargeBinary, nullable=True),
    Column("answer_status", String(16), nullable=False, server_default=""),
    Column("slices", Text, nullable=True),
    Column("confidence", Float(53), nullable=True),
    UniqueConstraint("project", "answer_id"),
    Index("ix_answers_session", "project", "session"),
    Index("ix_answers_time", "project", "time"),
    Index("ix_answers_number", "project", "number"),
    sqlite_autoincrement=True,
)
"""Answers without their texts; `time` in microseconds since 1970, words as 32-bit hashes.
`caller` is NULL if the caller is unknown; features of the answer (`reply_…`) are NULL where drift does not use them;
`slices` is a JSON object of captured metadata, NULL without any; `confidence` is NULL if it is not known."""

FEEDBACK_LABELS = Table(
    "judgements",
    METADATA,
    Column("number", _NUMBER, primary_key=True, autoincrement=True),
    Column("project", String(80), nullable=False),
    Column("answer_id", String(400), nullable=False),
    Column("version", String(512), nullable=False),
    Column("time", BigInteger, nullable=False),
    Column("verdict", SmallInteger, nullable=False),
    Column("correction", String(80), nullable=False),
    Column("traceparent", String(LENGTH), nullable=False, server_default=""),
    Column("feedback", String(512), nullable=False, server_default=""),
    Column("consent", String(16), nullable=False, server_default=Consent.TRAINING.value),
    Column("is_session", SmallInteger, nullable=False, server_default="0"),
    Column("user_mark", String(16), nullable=False, server_default=""),
    UniqueConstraint("project", "answer_id"),
    Index("ix_judgements_correction", "project", "correction"),
    Index("ix_judgements_time", "project", "time"),
    Index("ix_judgements_number", "project", "number"),
    sqlite_autoincrement=True,
)
"""The latest feedback on each answer."""

SESSION_FEEDBACK = Table(
    "session_feedback",
    METADATA,
    Column("number", _NUMBER, primary_key=True, autoincrement=True),
    Column("project", String(80), nullable=False),
    Column("session", String(16), nullable=False),
    Column("time", BigInteger, nullable=False),
    Column("verdict", SmallInteger, nullable=False),
    Column("traceparent", String(LENGTH), nullable=False, server_default=""),
    Column("feedback", String(512), nullable=False),
    Column("consent", String(16), nullable=False),
    Column("user_mark", String(16), nullable=False),
    UniqueConstraint("project", "session"),
    Index("ix_session_feedback_time", "project", "time"),
    sqlite_autoincrement=True,
)
"""The latest feedback on each session, for answers whose segment arrives after it."""

PREFERENCES = Table(
    "preferences",
    METADATA,
    Column("number", _NUMBER, primary_key=True, autoincrement=True),
    Column("project", String(80), nullable=False),
    Column("answer_id", String(400), nullable=False),
    Column("rejected_answer_id", String(400), nullable=False),
    Column("time", BigInteger, nullable=False),
    Column("feedback", String(512), nullable=False),
    Column("consent", String(16), nullable=False),
    Column("user_mark", String(16), nullable=False),
    UniqueConstraint("project", "answer_id", "rejected_answer_id"),
    Index("ix_preferences_rejected", "project", "rejected_answer_id"),
    Index("ix_preferences_time", "project", "time"),
    sqlite_autoincrement=True,
)
"""The latest preference between two answers."""

OUTCOMES = Table(
    "outcomes",
    METADATA,
    Column("number", _NUMBER, primary_key=True, autoincrement=True),
    Column("project", String(80), nullable=False),
    Column("answer_id", String(400), nullable=False),
    Column("name", String(64), nullable=False),
    Column("value", Float(53), nullable=False),
    Column("time", BigInteger, nullable=False),
    Column("consent", String(16), nullable=False, server_default=Consent.NONE.value),
    UniqueConstraint("project", "answer_id", "name"),
    Index("ix_outcomes_number", "project", "number"),
    Index("ix_outcomes_time", "project", "time"),
    sqlite_autoincrement=True,
)
"""The latest value of each outcome of each answer."""

SHADOWS = Table(
    "shadow_answers",
    METADATA,
    Column("number", _NUMBER, primary_key=True, autoincrement=True),
    Column("project", String(80), nullable=False),
    Column("answer_id", String(400), nullable=False),
    Column("shadow_of", String(400), nullable=False),
    Column("segment", String(512), nullable=False),
    Column("deployment", String(512), nullable=False),
    Column("version", String(512), nullable=False),
    Column("live_version", String(512), nullable=False),
    Column("time", BigInteger, nullable=False),
    Column("label", String(80), nullable=False),
    Column("succeeded", SmallInteger, nullable=False),
    Column("latency_ms", Float(53), nullable=False),
    Column("live_latency_ms", Float(53), nullable=False),
    Column("tokens", Integer, nullable=False),
    Column("live_tokens", Integer, nullable=False),
    UniqueConstraint("project", "answer_id"),
    Index("ix_shadow_answers_number", "project", "number"),
    Index("ix_shadow_answers_of", "project", "shadow_of"),
    Index("ix_shadow_answers_time", "project", "time"),
    sqlite_autoincrement=True,
)
"""Answers that no caller got, of the version that did not answer; `shadow_of` is the answer that the caller got."""

UNREADABLE = text(f"presence = '{Presence.UNREADABLE.value}'")
"""Condition of noted texts whose row cannot be read; written out, because a partial index needs it so."""
NOTED_TEXTS = Table(
    "noted_texts",
    METADATA,
    Column("number", _NUMBER, primary_key=True, autoincrement=True),
    Column("project", String(80), nullable=False),
    Column("segment", String(512), nullable=False),
    Column("answer_id", String(400), nullable=False),
    Column("content_digest", String(64), nullable=False),
    Column("presence", String(20), nullable=False),
    Index("ix_noted_texts_digest", "project", "content_digest"),
    Index("ix_noted_texts_segment", "segment"),
    Index("ix_noted_texts_unreadable", "segment", sqlite_where=UNREADABLE, postgresql_where=UNREADABLE),
    sqlite_autoincrement=True,
)
"""Texts in segments that the index of answers does not have, so that an erasure finds them."""

CHILDREN = Table(
    "children",
    METADATA,
    Column("resource", String(512), primary_key=True),
    Column("run", String(512), nullable=False),
)
"""Which pipeline run waits for which resource of another service."""
