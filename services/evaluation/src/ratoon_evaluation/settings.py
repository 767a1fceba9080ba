"""Settings of evaluation, from environment variables."""

from pydantic import Field, field_validator
from pydantic_settings import SettingsConfigDict

from ratoon.runtime.settings import ServiceSettings
from ratoon.service.compute import device_rates
from ratoon.tasks.compute import Accelerator


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
    hourly_costs: str = Field(
        "",
        description="Cost of a device an hour, for the price of a million answers in reports: for example "
        "`cpu=0.20,cuda=2.90`. A device `cpu` is a machine without accelerators.",
    )
    currency: str = Field(
        "",
        description="Currency of the hourly costs as an ISO 4217 code, for example `EUR`.",
        pattern="^([A-Z]{3})?$",
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

    @field_validator("hourly_costs")
    @classmethod
    def _are_rates(cls, rates: str) -> str:
        device_rates(rates)
        return rates

    @property
    def costs(self) -> dict[Accelerator, float]:
        """What a device costs an hour."""
        return device_rates(self.hourly_costs)
