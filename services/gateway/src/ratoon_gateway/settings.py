"""Settings of the gateway, from environment variables."""

from pathlib import Path

from pydantic import AliasChoices, Field, SecretStr
from pydantic_settings import SettingsConfigDict

from ratoon.runtime.settings import ServiceSettings
from ratoon_gateway.domain.fields import RequestLimits
from ratoon_gateway.domain.limits import Limits


class Settings(ServiceSettings):
    """`RATOON_GATEWAY_…`."""

    model_config = SettingsConfigDict(env_prefix="RATOON_GATEWAY_", frozen=True, extra="ignore")

    backup_paths = ("segments",)

    service: str = Field("gateway", description="Name of the service; do not change it.")
    host: str = Field("127.0.0.1", description="Address on which the HTTP server listens.")
    port: int = Field(8080, ge=0, le=65535, description="Port of the HTTP server; 0: any free port.")
    grpc: str = Field(
        "",
        description="Address of the gRPC server, `host:port`; empty: the port after that of HTTP; `off`: "
        "no gRPC server.",
    )
    max_body_bytes: int = Field(
        8 << 20,
        validation_alias=AliasChoices("RATOON_GATEWAY_MAX_BODY_BYTES", "RATOON_GATEWAY_MOST_BODY_BYTES"),
        description="Maximum size of a completion request, in bytes.",
    )
    max_blob_bytes: int = Field(
        16 << 30,
        validation_alias=AliasChoices("RATOON_GATEWAY_MAX_BLOB_BYTES", "RATOON_GATEWAY_MOST_BLOB_BYTES"),
        description="Maximum size of an uploaded file, in bytes.",
    )
    max_open_per_key: int = Field(
        4096,
        validation_alias=AliasChoices("RATOON_GATEWAY_MAX_OPEN_PER_KEY", "RATOON_GATEWAY_MOST_OPEN_PER_KEY"),
        ge=1,
        description="Maximum number of open completions of one API key, unless the key has its own limit.",
    )
    requests_per_minute: int = Field(
        0,
        ge=0,
        description="Maximum number of completions that one API key may request in a minute, unless the "
        "key has its own limit; 0: no limit.",
    )
    tokens_per_minute: int = Field(
        0,
        ge=0,
        description="Maximum number of tokens that one API key may use in a minute, unless the "
        "key has its own limit; 0: no limit.",
    )
    tokens_per_day: int = Field(
        0,
        ge=0,
        description="Maximum number of tokens that one API key may use in a day (UTC), unless "
        "the key has its own limit; 0: no limit.",
    )
    max_choices: int = Field(
        128, ge=1, description="Maximum number of answers of one completion request, over all of its prompts."
    )
    max_answer_tokens: int = Field(
        131_072,
        ge=1,
        description="Maximum number of tokens of all answers of one request together, if it asks for "
        "several.",
    )
    engine_slots: int = Field(
        0,
        ge=0,
        description="Number of answers that an engine computes at once; 0: as its route states. One API "
        "key may use all but one eighth of them; requests beyond that wait in a queue, and "
        "the key with the fewest requests in progress goes first.",
    )
    turn_s: float = Field(
        120.0, gt=0, description="Seconds that a request may wait in the fair queue of an engine."
    )
    webhook_secrets: Path | None = Field(
        None,
        description="File with the secrets of webhooks, one `PROJECT whsec_…` a line; it is read again when it "
        "changes. Empty: `webhook.secrets` in the directory of keys.",
    )
    webhook_secret_lines: SecretStr = Field(
        SecretStr(""),
        description="Secrets of webhooks in addition to those of the file, in the same lines: for a variable from a "
        "Kubernetes Secret.",
    )
    webhooks_per_minute: int = Field(
        60, ge=0, description="Maximum number of webhooks of one project in a minute; 0: no limit."
    )
    allowed_origins: str = Field(
        "",
        description="Origins whose pages may call the API from a browser (CORS), such as "
        "`https://app.example`, separated by commas; `*`: any; empty: none.",
    )
    max_connections: int = Field(
        10_000,
        validation_alias=AliasChoices("RATOON_GATEWAY_MAX_CONNECTIONS", "RATOON_GATEWAY_MOST_CONNECTIONS"),
        ge=1,
        description="Maximum number of open HTTP connections; beyond it, the connection that has waited "
        "longest for its client is closed.",
    )
    head_s: float = Field(
        10.0,
        gt=0,
        description="Seconds within which the head of a request (request line, headers) must arrive.",
    )
    request_s: float = Field(
        30.0,
        gt=0,
        description="Seconds after which a client that stops in the middle of a request is disconnected.",
    )
    body_s: float = Field(
        60.0,
        gt=0,
        description="Seconds after which the body of a request must have arrived at `body_bytes_per_s` "
        "on average.",
    )
    body_bytes_per_s: float = Field(
        1024.0,
        ge=0,
        description="Minimum average rate of the body of a request, in bytes a second; 0: no limit.",
    )
    idle_s: float = Field(
        620.0,
        gt=0,
        description="Seconds that an idle HTTP connection stays open: longer than the connection pools "
        "of clients and load balancers keep one.",
    )
    leave_s: float = Field(
        5.0,
        ge=0,
        description="Seconds for clients to close idle connections when the gateway stops, as part of "
        "`drain_s`.",
    )
    stall_s: float = Field(
        30.0,
        gt=0,
        description="Seconds after which a client that does not read its response is disconnected.",
    )
    answer_s: float = Field(1800.0, gt=0, description="Maximum duration of a streamed answer, in seconds.")
    max_held: int = Field(
        4096,
        validation_alias=AliasChoices("RATOON_GATEWAY_MAX_HELD", "RATOON_GATEWAY_MOST_HELD"),
        description="Maximum number of requests that wait for an engine at once.",
    )
    shadow_share: float = Field(
        0.0,
        ge=0,
        le=1,
        description="Share of answered requests that another version of the deployment answers too, while one serves: "
        "during the canary steps and the bake of a rollout. Its answers are stored for comparison and never sent.",
    )
    captured_metadata: str = Field(
        "",
        description="Names of `metadata` of requests, separated by commas, whose values are captured with the traffic: "
        "drift can be measured for each value. Empty: none is.",
    )
    silence_s: float = Field(
        120.0, description="Seconds without data after which a request to an engine fails."
    )
    drain_s: int = Field(30, description="Seconds for open requests to end when the gateway stops.")

    @property
    def request_limits(self) -> RequestLimits:
        """Return the limits of one completion request."""
        return RequestLimits(self.max_choices, self.max_answer_tokens)

    @property
    def limits(self) -> Limits:
        """Return the limits of keys without limits of their own."""
        return Limits(
            self.requests_per_minute, self.tokens_per_minute, self.max_open_per_key, self.tokens_per_day
        )

    @property
    def captured_names(self) -> list[str]:
        """The names of the metadata that are captured."""
        return [name.strip() for name in self.captured_metadata.split(",") if name.strip()]

    @property
    def origins(self) -> list[str]:
        """The origins whose pages may call."""
        return [origin.strip() for origin in self.allowed_origins.split(",") if origin.strip()]

    @property
    def grpc_address(self) -> str:
        """Return the address for gRPC callers; empty: none."""
        if self.grpc == "off":
            return ""
        return self.grpc or f"{self.host}:{self.port + 1 if self.port else 0}"
