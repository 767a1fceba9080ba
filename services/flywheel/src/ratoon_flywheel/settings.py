"""Settings of the flywheel, from environment variables."""

from pydantic import Field, field_validator
from pydantic_settings import SettingsConfigDict

from ratoon.runtime.settings import ServiceSettings
from ratoon.service.compute import device_rates
from ratoon_flywheel.domain.pipelines.budget import Rates
from ratoon_flywheel.domain.pipelines.external_events import WAIT

_MAX_SLICES = 4
"""Attributes: a profile takes its time for each."""


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
    drift_slices: str = Field(
        "",
        description="At most 4 attributes, separated by commas, whose values are measured for themselves: attributes "
        "of records, and metadata of requests that the gateway captures (`RATOON_GATEWAY_CAPTURED_METADATA`).",
    )
    embedding_model: str = Field(
        "",
        description="Directory of a sentence-embedding model (BERT-like, safetensors) on the machines of the jobs: "
        "drift of embeddings is measured with it. Empty: it is not.",
    )
    embedding_interval_s: float = Field(
        900.0,
        ge=1,
        description="Minimum time between two embeddings of the newest texts of a version, in seconds.",
    )
    pipeline_run_days: float = Field(
        365.0,
        ge=0,
        description="Days to keep ended pipeline runs; the newest 100 of a project stay. 0: for ever.",
    )
    external_event_days: float = Field(
        60.0,
        ge=0,
        description="Days to keep external events, more than the 7 that they may wait; 0: for ever. An event that is "
        "deleted is not accepted again.",
    )
    currency: str = Field(
        "",
        description="Currency of the hourly costs as an ISO 4217 code, for example `EUR`.",
        pattern="^([A-Z]{3})?$",
    )
    hourly_costs: str = Field(
        "",
        description="Cost of a device an hour, for budgets of projects: for example `cpu=0.20,cuda=2.90`. A device "
        "`cpu` is a machine without accelerators.",
    )
    watts: str = Field(
        "",
        description="Power of a device with its share of the machine in watts, for budgets of projects: for example "
        "`cpu=60,cuda=700`.",
    )
    event_topics: str = Field(
        "",
        description="Topics with CloudEvents of other systems, separated by commas: any policy may expect their "
        "events. Empty: none.",
    )
    event_topics_log: str = Field(
        "",
        description="Event log of these topics: `kafka://host:port`, with the Kafka settings of the service; empty: "
        "the event log of the installation.",
    )

    @field_validator("external_event_days")
    @classmethod
    def _outlasts_the_wait(cls, days: float) -> float:
        if 0 < days <= WAIT.days:
            raise ValueError(f"must be more than {WAIT.days}, or 0")
        return days

    @field_validator("hourly_costs", "watts")
    @classmethod
    def _are_rates(cls, rates: str) -> str:
        device_rates(rates)
        return rates

    @field_validator("drift_slices")
    @classmethod
    def _has_few_slices(cls, names: str) -> str:
        if len(_names(names)) > _MAX_SLICES or "=" in names:
            raise ValueError(f"must be at most {_MAX_SLICES} names without =")
        return names

    @property
    def rates(self) -> Rates:
        """What devices cost and draw."""
        return Rates(self.currency, device_rates(self.hourly_costs), device_rates(self.watts))

    @property
    def drift_attributes(self) -> list[str]:
        """The attributes by whose values drift is measured."""
        return _names(self.drift_slices)

    @property
    def external_topics(self) -> list[str]:
        """The topics with events of other systems."""
        return _names(self.event_topics)


def _names(separated: str) -> list[str]:
    return [name.strip() for name in separated.split(",") if name.strip()]
