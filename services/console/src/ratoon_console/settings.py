"""Settings of the console."""

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """`RATOON_CONSOLE_…`."""

    model_config = SettingsConfigDict(env_prefix="RATOON_CONSOLE_", frozen=True, extra="ignore")

    gateway: str = Field("http://127.0.0.1:8080", description="Address of the public HTTP API.")
    host: str = Field("127.0.0.1", description="Host on which the console listens.")
    port: int = Field(
        8090, ge=0, le=65535, description="Port on which the console listens; 0 selects a free port."
    )
    session_hours: float = Field(12.0, gt=0, description="Hours after which a login session ends.")
    refresh_s: float = Field(
        4.0, gt=0, description="Seconds between refreshes of an open page, for changes that no watch reports."
    )
    timeout_s: float = Field(20.0, gt=0, description="Timeout of an API request in seconds.")
