"""Settings of serving, from environment variables."""

import os
from pathlib import Path
from typing import Literal

from pydantic import AliasChoices, Field
from pydantic_settings import SettingsConfigDict

from ratoon.runtime.settings import ClusterSettings, run_folder


class Settings(ClusterSettings):
    """`RATOON_SERVING_…`."""

    model_config = SettingsConfigDict(env_prefix="RATOON_SERVING_", frozen=True, extra="ignore")

    service: str = Field("serving", description="Name of the service; do not change it.")
    threads: int = Field(
        max(1, os.cpu_count() or 1), ge=1, description="Number of threads of an engine on a CPU."
    )
    kv_cache_mib: int = Field(256, ge=16, description="Memory of an engine's key-value cache, in MiB.")
    max_model_len: int = Field(
        2048, ge=64, description="Maximum length of a sequence that an engine serves, in tokens."
    )

    shared_adapters: int = Field(
        1,
        ge=1,
        le=64,
        description="Maximum number of deployments, of all projects of this machine, whose adapters of one base "
        "model share one engine; 1: each deployment has an engine of its own. On Kubernetes it is always 1.",
    )

    engines: Literal["local", "kubernetes"] = Field(
        "local",
        description="Where engines run: `local`, as processes of this machine, or `kubernetes`, as pods.",
    )
    engine_templates: Path = Field(
        Path("/etc/ratoon/engines"),
        description="On Kubernetes: directory of the pool templates, one `<pool>.yaml` each.",
    )
    engine_pool: str = Field("cpu", description="On Kubernetes: pool whose template defines the engines.")
    engine_start_s: float = Field(
        900.0,
        gt=0,
        description="On Kubernetes: seconds within which an engine must answer after its pod was created.",
    )
    engine_hang_s: float = Field(
        60.0,
        gt=0,
        le=300,
        description="Seconds without an answer after which a ready engine counts as lost and is replaced.",
    )
    placement_timeout_s: float = Field(
        60.0,
        gt=0,
        validation_alias=AliasChoices("RATOON_SERVING_PLACEMENT_TIMEOUT_S", "RATOON_SERVING_ENGINE_ROOM_S"),
        description="On Kubernetes: seconds that a second engine waits for a node if an in-place rollout "
        "is safe instead.",
    )
    idle_s: float = Field(
        600.0,
        gt=0,
        le=1800,
        description="Seconds without a request after which an engine may be scaled to zero.",
    )
    replica_requests_per_s: float = Field(
        0.0,
        ge=0,
        description="Requests a second that one replica serves, as the target for scaling; 0: no target.",
    )

    rollout_days: float = Field(
        90.0, ge=0, description="Days to keep ended rollouts and stopped engines; 0: for ever."
    )

    @property
    def public_key(self) -> Path:
        """Return the path of the public key that verifies model manifests."""
        return self.keys / "model-signing.pub"

    @property
    def sockets(self) -> Path:
        """Return the directory of the engines' sockets."""
        return run_folder(self.state)
