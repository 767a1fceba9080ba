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
    job_time_limit_s: float = Field(
        14_400.0,
        ge=0,
        description="Seconds after which an evaluation is ended and fails; 0: never. Waiting does not count.",
    )
    job_memory_share: float = Field(
        0.7,
        ge=0,
        le=1,
        description="Share of the memory of the machine or container beyond which a job is ended; 0: no bound.",
    )
