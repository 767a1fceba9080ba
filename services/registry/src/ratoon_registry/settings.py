"""What the registry can be told by environment variables."""

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from ratoon.chassis.settings import RoomSettings


class Settings(RoomSettings):
    """`RATOON_REGISTRY_…`."""

    model_config = SettingsConfigDict(env_prefix="RATOON_REGISTRY_", frozen=True, extra="ignore")

    service: str = Field("registry", description="The room's name; not for you to change.")
    golden_count: int = Field(16, description="How many golden prompts are recorded for each version.")
    lanes: int = Field(
        2,
        ge=1,
        description="How many verifications of different projects run at once; a further one opens after a short wait.",
    )
    job_time_limit_s: float = Field(
        1800.0,
        ge=0,
        description="Seconds after which a verification is ended and fails; 0: never. Waiting does not count.",
    )
    job_memory_share: float = Field(
        0.7,
        ge=0,
        le=1,
        description="Share of the memory of the machine or container beyond which a job is ended; 0: no bound.",
    )
