"""Settings of evaluation, from environment variables."""

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from ratoon.runtime.settings import ServiceSettings


class Settings(ServiceSettings):
    """`RATOON_EVALUATION_…`."""

    model_config = SettingsConfigDict(env_prefix="RATOON_EVALUATION_", frozen=True, extra="ignore")

    service: str = Field("evaluation", description="Name of the service; do not change it.")
    failed_run_days: float = Field(
        90.0, ge=0, description="Days to keep evaluation runs that failed or were cancelled; 0: for ever."
    )
    resamples: int = Field(
        4000, ge=100, description="Number of bootstrap resamples for each confidence interval."
    )
    threads: int = Field(
        0, ge=0, description="Number of cores that scoring may use; 0: chosen from the model's size."
    )
    judge_endpoints: dict[str, str] = Field(
        {},
        description="JSON object of base URLs that judges may have, each with the environment variable of its API key "
        "where evaluations are scored, or an empty text. They are sent texts of sealed test parts.",
    )
    job_time_limit_s: float = Field(
        14_400.0,
        ge=0,
        description="Seconds after which an evaluation is stopped and fails; 0: never. Time in the queue "
        "does not count.",
    )
    job_memory_share: float = Field(
        0.7,
        ge=0,
        le=1,
        description="Share of the memory of the machine or container above which a job is stopped; 0: no "
        "limit.",
    )
