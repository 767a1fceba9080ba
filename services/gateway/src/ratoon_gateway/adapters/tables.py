"""The gateway's tables."""

from sqlalchemy import BigInteger, Column, String, Table

from ratoon.chassis.events import room_metadata
from ratoon.chassis.store import resource_table
from ratoon_gateway.domain.keys import ApiKey

METADATA = room_metadata()
RESOURCES: dict[type, Table] = {ApiKey: resource_table(METADATA, "api_keys")}
USAGE = Table(
    "api_key_usage",
    METADATA,
    Column("name", String(512), primary_key=True),
    Column("requests", BigInteger, nullable=False),
    Column("prompt_tokens", BigInteger, nullable=False),
    Column("completion_tokens", BigInteger, nullable=False),
    Column("last_use", String(40)),
)
