"""What the flywheel can be told by environment variables."""

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from ratoon.chassis.settings import RoomSettings


class Settings(RoomSettings):
    """`RATOON_FLYWHEEL_…`."""

    model_config = SettingsConfigDict(env_prefix="RATOON_FLYWHEEL_", frozen=True, extra="ignore")

    service: str = Field("flywheel", description="The room's name; not for you to change.")
    drift_window: int = Field(
        1000, description="How many distinct texts, the newest, drift is measured on.", ge=50
    )
    drift_max_chars: int = Field(
        1000,
        description="How many characters of a text drift looks at; a project whose model is shown fewer takes those.",
        ge=1,
    )
