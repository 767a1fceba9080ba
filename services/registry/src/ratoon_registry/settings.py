"""Settings of the registry."""

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from ratoon.runtime.settings import ServiceSettings


class Settings(ServiceSettings):
    """`RATOON_REGISTRY_…`."""

    model_config = SettingsConfigDict(env_prefix="RATOON_REGISTRY_", frozen=True, extra="ignore")

    service: str = Field("registry", description="Name of the service; do not change it.")
    golden_count: int = Field(16, description="Number of golden prompts recorded for each version.")
    lanes: int = Field(
        2,
        ge=1,
        description="Maximum number of verifications of different projects that run at once; a further "
        "one starts after a short wait.",
    )
    job_time_limit_s: float = Field(
        1800.0,
        ge=0,
        description="Seconds after which a verification is stopped and fails; 0: never. Time in the "
        "queue does not count.",
    )
    job_memory_share: float = Field(
        0.7,
        ge=0,
        le=1,
        description="Share of the memory of the machine or container above which a job is stopped; 0: no "
        "limit.",
    )
