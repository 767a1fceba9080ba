"""What serving can be told by environment variables."""

import os
from pathlib import Path

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from ratoon.chassis.settings import RoomSettings, run_folder


class Settings(RoomSettings):
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

    @property
    def public_key(self) -> Path:
        """The public half of the key that signs model manifests."""
        return self.keys / "model-signing.pub"

    @property
    def sockets(self) -> Path:
        """Where the engines' sockets are."""
        return run_folder(self.state)
