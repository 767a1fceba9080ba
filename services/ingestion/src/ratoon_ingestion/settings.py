"""What ingestion can be told by environment variables."""

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from ratoon.chassis.settings import RoomSettings


class Settings(RoomSettings):
    """`RATOON_INGESTION_…`."""

    model_config = SettingsConfigDict(env_prefix="RATOON_INGESTION_", frozen=True, extra="ignore")

    kept = ("record.key",)

    service: str = Field("ingestion", description="The room's name; not for you to change.")
    processes: int = Field(2, ge=1, description="How many processes curate one dataset version.")
    lanes: int = Field(
        2,
        ge=1,
        description="How many jobs of different projects run at once; a further one opens after a few seconds' wait.",
    )
    job_time_limit_s: float = Field(
        7200.0,
        ge=0,
        description="Seconds after which a curation or split is ended and fails; 0: never. Waiting does not count.",
    )
    job_memory_share: float = Field(
        0.5,
        ge=0,
        le=1,
        description="Share of the memory of the machine or container beyond which a job is ended; 0: no bound.",
    )
    record_secret: SecretStr = Field(
        SecretStr(""),
        description="64 hex digits from which record ids are derived; empty: made once in the state folder.",
    )
