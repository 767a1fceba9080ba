"""Serving's tables."""

from sqlalchemy import Column, Float, Integer, String, Table, Text

from ratoon.service.events import service_metadata
from ratoon.storage.store import resource_table
from ratoon_serving.adapters import upgrades
from ratoon_serving.domain.deployment import Deployment
from ratoon_serving.domain.engine import Engine, EngineState
from ratoon_serving.domain.rollouts.rollout import Rollout
from ratoon_serving.domain.routes import RouteTable

METADATA = service_metadata()
RESOURCES: dict[type, Table] = {
    Deployment: resource_table(
        METADATA, "deployments", [upgrades.copy_deployment_v2], upgrades.mirror_deployment_v1
    ),
    Engine: resource_table(
        METADATA,
        "engines",
        [upgrades.copy_engine_v2],
        upgrades.mirror_engine_v1,
        ended=EngineState.ABSENT.value,
    ),
    Rollout: resource_table(METADATA, "rollouts", [upgrades.copy_rollout_v2], upgrades.mirror_rollout_v1),
    RouteTable: resource_table(METADATA, "route_tables"),
}

TRAFFIC = Table(
    "traffic_windows",
    METADATA,
    Column("engine", String(512), primary_key=True),
    Column("gateway", String(200), primary_key=True),
    Column("start", Float, primary_key=True),
    Column("end", Float, nullable=False, index=True),
    Column("requests", Integer, nullable=False),
    Column("errors", Integer, nullable=False),
    Column("cut", Integer, nullable=False),
    Column("p50_s", Float, nullable=False),
    Column("callers", Text, nullable=False, server_default="[]"),
)
"""Times are seconds since 1970; callers are a JSON list of caller, requests, errors, cut and median."""
VOTES = Table(
    "vote_windows",
    METADATA,
    Column("version", String(512), primary_key=True),
    Column("start", Float, primary_key=True),
    Column("end", Float, nullable=False, index=True),
    Column("positive", Integer, nullable=False),
    Column("negative", Integer, nullable=False),
    Column("callers", Text, nullable=False, server_default="[]"),
)
"""Callers are a JSON list of caller, positive and negative votes."""
