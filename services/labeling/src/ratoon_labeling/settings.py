"""Settings of labeling, from environment variables."""

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from ratoon.runtime.settings import ServiceSettings


class Settings(ServiceSettings):
    """`RATOON_LABELING_…`."""

    model_config = SettingsConfigDict(env_prefix="RATOON_LABELING_", frozen=True, extra="ignore")

    endpoints: dict[str, str] = Field(
        {},
        description="JSON object of base URLs of OpenAI-compatible endpoints that may propose answers, each with the "
        "environment variable of its API key where refills are drawn, or an empty text. They get texts of records.",
    )
    service: str = Field("labeling", description="Name of the service; do not change it.")
