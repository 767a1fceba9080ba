"""Serving's tables."""

from sqlalchemy import Table

from ratoon.chassis.events import room_metadata
from ratoon.chassis.store import resource_table
from ratoon_serving.domain.deployment import Deployment
from ratoon_serving.domain.engine import Engine
from ratoon_serving.domain.rollout import Rollout
from ratoon_serving.domain.routes import RouteTable

METADATA = room_metadata()
RESOURCES: dict[type, Table] = {
    Deployment: resource_table(METADATA, "deployments"),
    Engine: resource_table(METADATA, "engines"),
    Rollout: resource_table(METADATA, "rollouts"),
    RouteTable: resource_table(METADATA, "route_tables"),
}
