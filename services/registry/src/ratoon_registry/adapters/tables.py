"""The registry's tables."""

from sqlalchemy import Table

from ratoon.service.events import service_metadata
from ratoon.storage.store import resource_table
from ratoon_registry.domain.models import Alias, AliasChange, Model
from ratoon_registry.domain.versions import ModelVersion

METADATA = service_metadata()
RESOURCES: dict[type, Table] = {
    Model: resource_table(METADATA, "models"),
    ModelVersion: resource_table(METADATA, "model_versions"),
    Alias: resource_table(METADATA, "aliases"),
    AliasChange: resource_table(METADATA, "alias_changes"),
}
