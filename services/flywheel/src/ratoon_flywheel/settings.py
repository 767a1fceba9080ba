"""Settings of the flywheel, from environment variables."""

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from ratoon.runtime.settings import ServiceSettings


class Settings(ServiceSettings):
    """`RATOON_FLYWHEEL_…`."""

    model_config = SettingsConfigDict(env_prefix="RATOON_FLYWHEEL_", frozen=True, extra="ignore")

    service: str = Field("flywheel", description="Name of the service; do not change it.")
    drift_window: int = Field(
        1000, description="Number of distinct texts on which drift is measured; the newest are used.", ge=50
    )
    drift_max_chars: int = Field(
        1000,
        description="Number of characters of a text that drift detection reads; if a project's model "
        "receives fewer, that number is used.",
        ge=1,
    )
    pipeline_run_days: float = Field(
        365.0,
        ge=0,
        description="Days to keep ended pipeline runs; the newest 100 of a project stay. 0: for ever.",
    )
