"""Settings of training from environment variables."""

import sys
from dataclasses import replace
from pathlib import Path

from pydantic import Field, field_validator
from pydantic_settings import SettingsConfigDict

from ratoon.runtime.settings import ClusterSettings
from ratoon.service.compute import device_rates
from ratoon.tasks.compute import Accelerator
from ratoon_training.domain.predictions import Prices


class Settings(ClusterSettings):
    """`RATOON_TRAINING_…`."""

    model_config = SettingsConfigDict(env_prefix="RATOON_TRAINING_", frozen=True, extra="ignore")

    service: str = Field("training", description="Name of the service; do not change it.")
    failed_run_days: float = Field(
        90.0, ge=0, description="Days to keep training runs that failed or were cancelled; 0: for ever."
    )
    endpoints: dict[str, str] = Field(
        {},
        description="JSON object of base URLs of OpenAI-compatible endpoints that may be teachers, each with the "
        "environment variable of its API key where runs are prepared, or an empty text. They get prompts of records.",
    )
    idle_s: float = Field(
        300.0, description="Seconds that an idle driver keeps its Ray and its workers for the next run."
    )
    checkpoint_every_s: float = Field(
        5.0, description="Seconds between two checkpoints of a run; 0: after every step."
    )
    memory_bytes: int = Field(
        0,
        description="Memory that the plans of runs may use; 0: the free memory of this machine, or "
        "the memory of a cluster's pods.",
    )
    memory_limit_bytes: int = Field(
        0,
        description="Maximum data of a worker, in bytes; beyond it, the worker counts as out of "
        "memory; 0: no limit.",
    )
    workers: Path | None = Field(
        None,
        description="On Kubernetes: directory that defines the pods of workers; empty: workers run on "
        "this machine.",
    )
    hourly_costs: str = Field(
        "",
        description="Cost of a device an hour, for estimates of runs and budgets of sweeps: for example "
        "`cpu=0.20,cuda=2.90`. A device `cpu` is a worker without accelerators.",
    )
    prices: Path | None = Field(
        None,
        description='JSON file of prices: `{"currency": "EUR", "hourly_costs": {"cpu": 0.2}, "watts": '
        '{"cpu": 60}}`. Its hourly costs replace those of `hourly_costs`; watts give the energy of runs where nothing '
        "measures it.",
    )
    machine_families: Path | None = Field(
        None, description="JSON file of machine families that replaces the one of Ratoon."
    )

    llama_cpp: Path | None = Field(
        None,
        description="Directory of llama.cpp's converter and library, as `scripts/llama-cpp` makes it, for exports as "
        "GGUF; empty: `.tools/llama-cpp` next to the environment.",
    )

    @property
    def llama_cpp_folder(self) -> Path:
        """Return the directory of llama.cpp."""
        return self.llama_cpp or Path(sys.prefix).parent / ".tools" / "llama-cpp"

    @field_validator("hourly_costs")
    @classmethod
    def _are_rates(cls, rates: str) -> str:
        device_rates(rates)
        return rates

    @field_validator("prices")
    @classmethod
    def _are_prices(cls, prices: Path | None) -> Path | None:
        if prices is not None:
            Prices.parse(prices.read_text())
        return prices

    @property
    def price_list(self) -> Prices:
        """Prices of the file, else the hourly costs alone."""
        stated = Prices() if self.prices is None else Prices.parse(self.prices.read_text())
        return replace(stated, hourly_costs={**device_rates(self.hourly_costs), **stated.hourly_costs})

    @property
    def costs(self) -> dict[Accelerator, float]:
        """What a device costs an hour."""
        return dict(self.price_list.hourly_costs)
