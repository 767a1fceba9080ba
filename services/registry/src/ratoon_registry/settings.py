"""What the registry can be told by environment variables."""

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from ratoon.chassis.settings import RoomSettings


class Settings(RoomSettings):
    """`RATOON_REGISTRY_…`."""

    model_config = SettingsConfigDict(env_prefix="RATOON_REGISTRY_", frozen=True, extra="ignore")

    service: str = Field("registry", description="The room's name; not for you to change.")
    golden_count: int = Field(16, description="How many golden prompts are recorded for each version.")
