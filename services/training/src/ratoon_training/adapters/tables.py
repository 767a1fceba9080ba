"""Training's tables."""

from sqlalchemy import Table

from ratoon.service.events import service_metadata
from ratoon.storage.store import resource_table
from ratoon_training.domain.compressions import Compression
from ratoon_training.domain.model_exports import ModelExport
from ratoon_training.domain.runs import TrainingRun
from ratoon_training.domain.sweeps import Sweep

METADATA = service_metadata()
RESOURCES: dict[type, Table] = {
    TrainingRun: resource_table(METADATA, "training_runs"),
    Sweep: resource_table(METADATA, "sweeps"),
    Compression: resource_table(METADATA, "compressions"),
    ModelExport: resource_table(METADATA, "model_exports"),
}
