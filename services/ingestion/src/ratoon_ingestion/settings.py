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
    record_secret: SecretStr = Field(
        SecretStr(""),
        description="64 hex digits from which record ids are derived; empty: made once in the state folder.",
    )
