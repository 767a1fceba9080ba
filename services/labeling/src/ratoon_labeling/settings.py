"""Settings of labeling, from environment variables."""

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from ratoon.runtime.settings import ServiceSettings


class Settings(ServiceSettings):
    """`RATOON_LABELING_…`."""

    model_config = SettingsConfigDict(env_prefix="RATOON_LABELING_", frozen=True, extra="ignore")

    service: str = Field("labeling", description="Name of the service; do not change it.")
