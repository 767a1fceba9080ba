"""What serving can be told by environment variables."""

import os
from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from ratoon.chassis.settings import ClusterSettings, run_folder


class Settings(ClusterSettings):
    """`RATOON_SERVING_…`."""

    model_config = SettingsConfigDict(env_prefix="RATOON_SERVING_", frozen=True, extra="ignore")

    service: str = Field("serving", description="The room's name; not for you to change.")
    threads: int = Field(
        max(1, os.cpu_count() or 1), ge=1, description="How many threads an engine computes with on a CPU."
    )
    kv_cache_mib: int = Field(256, ge=16, description="Memory of an engine's key-value cache, in MiB.")
    max_model_len: int = Field(
        2048, ge=64, description="The longest sequence that an engine serves, in tokens."
    )

    engines: Literal["local", "kubernetes"] = Field(
        "local", description="Where engines run: `local`, processes of this machine, or `kubernetes`, pods."
    )
    engine_templates: Path = Field(
        Path("/etc/ratoon/engines"), description="On Kubernetes: the folder of templates, `<pool>.yaml` each."
    )
    engine_pool: str = Field(
        "cpu", description="On Kubernetes: the pool whose template engines are made from."
    )
    engine_start_s: float = Field(
        900.0,
        gt=0,
        description="On Kubernetes: how long a pod may take until its engine answers, in seconds.",
    )
    engine_room_s: float = Field(
        60.0,
        gt=0,
        description="On Kubernetes: how long a second engine waits for a node, where going on in place is safe.",
    )
    idle_s: float = Field(
        600.0,
        gt=0,
        le=1800,
        description="After how long without a request an engine may be scaled to none, in seconds.",
    )
    replica_requests_per_s: float = Field(
        0.0, ge=0, description="Requests a second that one replica bears, as a measure for scaling; 0: none."
    )

    @property
    def public_key(self) -> Path:
        """The public half of the key that signs model manifests."""
        return self.keys / "model-signing.pub"

    @property
    def sockets(self) -> Path:
        """Where the engines' sockets are."""
        return run_folder(self.state)
