"""Settings of ingestion."""

from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from ratoon.runtime.settings import ServiceSettings


class Settings(ServiceSettings):
    """`RATOON_INGESTION_…`."""

    model_config = SettingsConfigDict(env_prefix="RATOON_INGESTION_", frozen=True, extra="ignore")

    backup_paths = ("record.key",)

    service: str = Field("ingestion", description="Name of the service; do not change it.")
    executor: Literal["pool", "ray"] = Field(
        "pool",
        description="Where dataset versions are curated: `pool`, processes of one machine; `ray`, the Ray cluster of "
        "`RATOON_RAY_ADDRESS` in the environment of job workers. The records are the same.",
    )
    processes: int = Field(
        2,
        ge=1,
        description="Number of processes that curate one dataset version, or of CPUs of Ray without an address.",
    )
    lanes: int = Field(
        2,
        ge=1,
        description="Maximum number of jobs of different projects that run at once; a further job starts "
        "after a wait of a few seconds.",
    )
    job_time_limit_s: float = Field(
        7200.0,
        ge=0,
        description="Seconds after which a curation or split is stopped and fails; 0: never. Time in the "
        "queue does not count.",
    )
    job_memory_share: float = Field(
        0.5,
        ge=0,
        le=1,
        description="Share of the memory of the machine or container above which a job is stopped; 0: no "
        "limit.",
    )
    connection_endpoints: dict[str, str] = Field(
        {},
        description="JSON object of addresses that connections may read, with all below them, each with the "
        "environment variable of its credentials where data are read, or an empty text. `{project}` stands for the "
        "ID of the project. Databases need their whole URL. Empty: connections are off.",
    )
    record_secret: SecretStr = Field(
        SecretStr(""),
        description="64 hex digits from which record ids are derived; empty: generated once in the state "
        "directory.",
    )
    embedding_model: str = Field(
        "",
        description="Directory of a sentence-embedding model (BERT-like, safetensors) on the machines of the jobs, for "
        "the step `semantic_duplicates`. Empty: the step is refused.",
    )
    append_daily_bytes: int = Field(
        1 << 30,
        ge=0,
        description="Maximum number of bytes that a project may append to its streams on one day (UTC); 0: any number.",
    )
    append_id_days: int = Field(
        30,
        ge=1,
        description="Days for which the ID of an appended record is kept, so that a retry does not store it again.",
    )
    crawl_contact: str = Field(
        "",
        max_length=200,
        pattern=r"^[!-~]*$",
        description="Web or mail address at which owners of web sites reach the operator; the crawler sends it with "
        "each request. Empty: the crawler is off.",
    )
    crawl_user_agent: str = Field(
        "ratoon-crawler",
        pattern=r"^[A-Za-z_-]{1,64}$",
        description="Name of the crawler, for which it looks in `robots.txt`.",
    )
    crawl_private_hosts: tuple[str, ...] = Field(
        (),
        description="JSON list of hosts, with a port or without, that the crawler may visit although their addresses "
        "are private.",
    )
