"""What training can be told by environment variables."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from ratoon.chassis.settings import ClusterSettings


class Settings(ClusterSettings):
    """`RATOON_TRAINING_…`."""

    model_config = SettingsConfigDict(env_prefix="RATOON_TRAINING_", frozen=True, extra="ignore")

    service: str = Field("training", description="The room's name; not for you to change.")
    idle_s: float = Field(
        300.0, description="Seconds that an idle driver keeps its Ray and its workers for the next run."
    )
    checkpoint_every_s: float = Field(
        5.0, description="Seconds between two checkpoints of a run; 0: after every step."
    )
    memory_bytes: int = Field(
        0, description="Memory that runs may plan with; 0: what is free here, or what a cluster's pods hold."
    )
    memory_limit_bytes: int = Field(
        0, description="Bytes of data that a worker may hold before it counts as out of memory; 0: no limit."
    )
    workers: Path | None = Field(
        None,
        description="On Kubernetes: a folder that says which pods workers compute in; empty: this machine.",
    )
    machine_families: Path | None = Field(
        None, description="A JSON file of machine families in place of the one that comes with Ratoon."
    )
