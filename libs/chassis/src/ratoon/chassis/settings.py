"""Environment variables of every service. Only a `__main__` reads them; all other code receives the settings.

On one machine a single directory, the state, determines all other paths; on a cluster each path is set separately.
"""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Literal, Self

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from ratoon.chassis import services

_LONGEST_SOCKET_PATH = 100


class ProcessSettings(BaseSettings):
    """Settings of every process that serves gRPC: paths, addresses, identity."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore")

    service: str = Field(description="The service's name; not for you to change.")
    state: Path = Field(Path(".ratoon"), description="The folder that holds all state of this installation.")
    artifacts_url: str = Field(
        "", description="fsspec URL of the artifact store; empty: a folder in the state folder."
    )
    listen: str = Field(
        "", description="Where gRPC listens: `unix:///…` or `host:port`; empty: a socket in the state folder."
    )
    keys: Path = Field(
        Path(), description="The folder of service keys and `public.json`; empty: in the state folder."
    )
    tls: Path | None = Field(
        None,
        description="A folder with `tls.crt`, `tls.key` and `ca.crt`: gRPC on `host:port` is mutual TLS; empty: plain.",
    )
    metrics: str = Field(
        "", description="`host:port` where `/metrics`, `/live` and `/ready` are served; empty: nowhere."
    )
    otlp: str = Field(
        "",
        description="OTLP/HTTP endpoint that spans are sent to, `http://collector:4318`; empty: none are kept.",
    )
    trace_ratio: float = Field(
        1.0,
        ge=0,
        le=1,
        description="The share of traces that are kept of those that begin here; others are kept as their caller does.",
    )

    @model_validator(mode="before")
    @classmethod
    def _complete(cls, values: dict[str, object]) -> dict[str, object]:
        """Fill what was left empty from the state directory."""
        service = str(values.get("service") or cls.model_fields["service"].default)
        state = Path(str(values.get("state") or ".ratoon")).absolute()
        places = {
            "database_url": f"sqlite:///{state}/{service}/{service}.db",
            "artifacts_url": f"{state}/artifacts",
            "listen": socket_address(state, service),
            "keys": state / "keys",
        }
        filled = {key: values.get(key) or value for key, value in places.items()}
        return {**values, "state": state, "tls": values.get("tls") or None, **filled}

    @property
    def folder(self) -> Path:
        """The process's own directory in the state."""
        return self.state / self.service


class ServiceSettings(ProcessSettings):
    """The settings that all services share; each `Settings` adds its own under its prefix `RATOON_<NAME>_`."""

    backup_paths: ClassVar[Sequence[str]] = ()
    """Paths in the service's own directory that a backup holds in addition to its database; small files only."""

    database_url: str = Field(
        "", description="SQLAlchemy URL of the service's database; empty: SQLite in the state folder."
    )
    events: str = Field(
        "",
        description="The event log: `kafka://host:port` or empty for the embedded one in the state folder.",
    )
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT", description="How Kafka is spoken to."
    )
    kafka_ca: Path | None = Field(
        None,
        description="PEM file of the authority that Kafka's certificate is checked against; empty: the system's.",
    )
    kafka_sasl_mechanism: str = Field(
        "SCRAM-SHA-512", description="How we prove to Kafka who we are, where the protocol is SASL's."
    )
    kafka_username: str = Field("", description="Our name at Kafka.")
    kafka_password: SecretStr = Field(SecretStr(""), description="Our password at Kafka.")
    peers: dict[str, str] = Field(
        {},
        description="JSON of service name to gRPC address; services not named are found in the state folder.",
    )
    jobs: str = Field(
        "",
        description="Job workers for heavy work, `host:port` separated by commas; empty: processes of this machine.",
    )

    @model_validator(mode="after")
    def _peers_are_known(self) -> Self:
        unknown = set(self.peers) - set(services.service_names())
        if unknown:
            raise ValueError(f"peers names no such services: {', '.join(sorted(unknown))}")
        return self

    @property
    def warm_folder(self) -> Path:
        """Socket directory of the service's warm worker process."""
        return run_folder(self.state) / f"{self.service}-warm"

    @property
    def model_loading_folder(self) -> Path:
        """Socket directory of the one warm process that loads models by transformers, for all services."""
        return run_folder(self.state) / "models-warm"

    def peer(self, service: str) -> str:
        """The gRPC address of another service."""
        return self.peers.get(service) or socket_address(self.state, service)


class ClusterSettings(ServiceSettings):
    """The settings of services that create objects of a Kubernetes cluster."""

    namespace: str = Field(
        "", description="On Kubernetes: where the service makes its objects; empty: in its own namespace."
    )
    owner: str = Field(
        "",
        description="On Kubernetes: the service's own Deployment, which owns them; empty: `ratoon-<service>`.",
    )
    kubeconfig: str = Field(
        "", description="A kubeconfig file, where the service runs outside of the cluster; empty: inside."
    )

    @property
    def deployment(self) -> str:
        """The name of the service's own Deployment."""
        return self.owner or f"ratoon-{self.service}"


def settings_of(service: str) -> ServiceSettings:
    """Return a service's settings from the environment."""
    return settings_class(service)()


def settings_class(service: str) -> type[ServiceSettings]:
    """Return the class of the settings of an installed service; LookupError if there is no such service."""
    registered: type[ServiceSettings] = services.load("ratoon.settings", service)
    return registered


def run_folder(state: Path) -> Path:
    """Where the sockets are: `run` in the state, or a short directory of our own when that path is too long for one."""
    folder = state.absolute() / "run"
    if len(str(folder)) <= _LONGEST_SOCKET_PATH - 20:
        return folder
    mark = hashlib.sha256(str(folder).encode()).hexdigest()[:12]
    return Path("/tmp") / f"ratoon-{os.getuid()}-{mark}"


def socket_address(state: Path, service: str) -> str:
    """The Unix socket of a service of this machine, as a gRPC address."""
    return f"unix://{run_folder(state)}/{service}.sock"
