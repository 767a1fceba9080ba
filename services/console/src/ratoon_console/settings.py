"""What the console can be told by environment variables."""

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """`RATOON_CONSOLE_…`."""

    model_config = SettingsConfigDict(env_prefix="RATOON_CONSOLE_", frozen=True, extra="ignore")

    gateway: str = Field("http://127.0.0.1:8080", description="Where the public HTTP API is.")
    host: str = Field("127.0.0.1", description="Where the console listens.")
    port: int = Field(8090, ge=0, le=65535, description="Its port; 0: any free one.")
    session_hours: float = Field(12.0, gt=0, description="Hours after which a log-in ends.")
    refresh_s: float = Field(
        4.0, gt=0, description="Seconds after which an open page looks for what no watch tells it."
    )
    timeout_s: float = Field(20.0, gt=0, description="Seconds that the API has for an answer.")
