"""What the gateway can be told by environment variables."""

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from ratoon.chassis.settings import RoomSettings
from ratoon_gateway.domain.fields import RequestLimits
from ratoon_gateway.domain.limits import Limits


class Settings(RoomSettings):
    """`RATOON_GATEWAY_…`."""

    model_config = SettingsConfigDict(env_prefix="RATOON_GATEWAY_", frozen=True, extra="ignore")

    kept = ("segments",)

    service: str = Field("gateway", description="The room's name; not for you to change.")
    host: str = Field("127.0.0.1", description="Where HTTP callers are served.")
    port: int = Field(8080, ge=0, le=65535, description="The port of HTTP callers; 0: any free one.")
    grpc: str = Field(
        "",
        description="Where gRPC callers are served, `host:port`; empty: the port after HTTP's; `off`: nowhere.",
    )
    most_body_bytes: int = Field(8 << 20, description="The largest completion request, in bytes.")
    most_blob_bytes: int = Field(16 << 30, description="The largest file that can be uploaded, in bytes.")
    most_open_per_key: int = Field(
        4096,
        ge=1,
        description="How many completions one API key may have open at once, unless it has its own limit.",
    )
    requests_per_minute: int = Field(
        0,
        ge=0,
        description="How many completions one API key may ask for in a minute, likewise; 0: no limit.",
    )
    tokens_per_minute: int = Field(
        0, ge=0, description="How many tokens one API key may use in a minute, likewise; 0: no limit."
    )
    tokens_per_day: int = Field(
        0, ge=0, description="How many tokens one API key may use in a day of UTC, likewise; 0: no limit."
    )
    max_choices: int = Field(
        128, ge=1, description="How many answers one completion request may ask for, over all of its prompts."
    )
    max_answer_tokens: int = Field(
        131_072,
        ge=1,
        description="How many tokens the answers of one request may have together, where it asks for several.",
    )
    engine_slots: int = Field(
        0,
        ge=0,
        description="How many answers an engine computes at once; 0: as its route states. One API key may fill them "
        "but for one in eight; what does not fit waits, and the key with least in flight goes first.",
    )
    turn_s: float = Field(
        120.0, gt=0, description="Seconds that a request may wait for its turn at an engine."
    )
    allowed_origins: str = Field(
        "",
        description="Origins whose pages may call from a browser (CORS), `https://app.example`, separated by commas; "
        "`*`: any; empty: none.",
    )
    most_connections: int = Field(
        10_000,
        ge=1,
        description="How many HTTP connections may be open at once; at the bound the one that waits longest for its "
        "caller is closed.",
    )
    head_s: float = Field(
        10.0,
        gt=0,
        description="Seconds in which the head of a request (request line, headers) must come whole.",
    )
    request_s: float = Field(
        30.0,
        gt=0,
        description="Seconds after which a caller is cut off who stops in the middle of a request.",
    )
    body_s: float = Field(
        60.0,
        gt=0,
        description="Seconds after which the body of a request must have come at `body_bytes_per_s` on average.",
    )
    body_bytes_per_s: float = Field(
        1024.0,
        ge=0,
        description="Bytes a second that the body of a request must have on average; 0: no bound.",
    )
    idle_s: float = Field(
        620.0,
        gt=0,
        description="Seconds that an idle HTTP connection stays open: longer than the pools of clients and of load "
        "balancers keep one.",
    )
    leave_s: float = Field(
        5.0,
        ge=0,
        description="Seconds that callers have to leave idle connections when the gateway stops, part of `drain_s`.",
    )
    stall_s: float = Field(
        30.0, gt=0, description="Seconds after which a caller is cut off who reads nothing of what was sent."
    )
    answer_s: float = Field(1800.0, gt=0, description="Seconds that a streamed answer may last.")
    most_held: int = Field(4096, description="How many requests may wait for an engine at once.")
    silence_s: float = Field(
        120.0, description="Seconds after which an engine that sends nothing is given up."
    )
    drain_s: int = Field(30, description="Seconds that open requests have to end when the gateway stops.")

    @property
    def request_limits(self) -> RequestLimits:
        """What one completion request may ask for."""
        return RequestLimits(self.max_choices, self.max_answer_tokens)

    @property
    def limits(self) -> Limits:
        """What a key may use that has no limits of its own."""
        return Limits(
            self.requests_per_minute, self.tokens_per_minute, self.most_open_per_key, self.tokens_per_day
        )

    @property
    def origins(self) -> list[str]:
        """The origins whose pages may call."""
        return [origin.strip() for origin in self.allowed_origins.split(",") if origin.strip()]

    @property
    def grpc_address(self) -> str:
        """Where gRPC callers are served; empty: nowhere."""
        if self.grpc == "off":
            return ""
        return self.grpc or f"{self.host}:{self.port + 1 if self.port else 0}"
