"""What evaluation can be told by environment variables."""

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from ratoon.chassis.settings import RoomSettings


class Settings(RoomSettings):
    """`RATOON_EVALUATION_…`."""

    model_config = SettingsConfigDict(env_prefix="RATOON_EVALUATION_", frozen=True, extra="ignore")

    service: str = Field("evaluation", description="The room's name; not for you to change.")
    resamples: int = Field(4000, ge=100, description="Bootstrap resamples behind each confidence interval.")
    threads: int = Field(
        0, ge=0, description="Cores that scoring may use; 0: as many as the model's size is worth."
    )
