"""The gateway's tables."""

from sqlalchemy import BigInteger, Column, Index, String, Table

from ratoon.service.events import service_metadata
from ratoon.storage.store import resource_table
from ratoon_gateway.domain.keys import ApiKey
from ratoon_gateway.domain.safety import SafetyFilter

METADATA = service_metadata()
RESOURCES: dict[type, Table] = {
    ApiKey: resource_table(METADATA, "api_keys"),
    SafetyFilter: resource_table(METADATA, "safety_filters"),
}
USAGE = Table(
    "api_key_usage",
    METADATA,
    Column("name", String(512), primary_key=True),
    Column("requests", BigInteger, nullable=False),
    Column("prompt_tokens", BigInteger, nullable=False),
    Column("completion_tokens", BigInteger, nullable=False),
    Column("last_use", String(40)),
)
DAYS = Table(
    "api_key_days",
    METADATA,
    Column("name", String(512), primary_key=True),
    Column("day", String(10), primary_key=True),
    Column("requests", BigInteger, nullable=False),
    Column("prompt_tokens", BigInteger, nullable=False),
    Column("completion_tokens", BigInteger, nullable=False),
    Index("ix_api_key_days_day", "day"),
)
"""Usage of each key on each day of UTC, `2026-11-22`."""
