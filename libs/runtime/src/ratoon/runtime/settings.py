"""Environment variables of every service. Only a `__main__` reads them; all other code receives the settings.

On one machine a single directory, the state, determines all other paths; on a cluster each path is set separately.
"""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Literal, Self

from pydantic import AliasChoices, Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from ratoon.runtime import services

_LONGEST_SOCKET_PATH = 100


class ProcessSettings(BaseSettings):
    """Settings of every process that serves gRPC: paths, addresses, identity."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    service: str = Field(description="Name of the service; do not change it.")
    state: Path = Field(Path(".ratoon"), description="Directory of the complete state of this installation.")
    artifacts_url: str = Field(
        "", description="fsspec URL of the artifact store; empty: a directory in the state directory."
    )
    listen: str = Field(
        "", description="gRPC address: `unix:///…` or `host:port`; empty: a socket in the state directory."
    )
    keys: Path = Field(
        Path(), description="Directory of service keys and `public.json`; empty: in the state directory."
    )
    tls: Path | None = Field(
        None,
        description="Directory with `tls.crt`, `tls.key` and `ca.crt` for mutual TLS on `host:port`; empty: no TLS.",
    )
    metrics: str = Field(
        "", description="`host:port` of `/metrics`, `/live` and `/ready`; empty: not served."
    )
    otlp: str = Field(
        "",
        description="OTLP/HTTP endpoint for spans, such as `http://collector:4318`; empty: no export.",
    )
    trace_ratio: float = Field(
        1.0,
        ge=0,
        le=1,
        description="Sampling ratio of traces that begin here; others follow the decision of the caller.",
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
        "", description="SQLAlchemy URL of the service's database; empty: SQLite in the state directory."
    )
    events: str = Field(
        "",
        description="Event log: `kafka://host:port`; empty: the embedded log in the state directory.",
    )
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT", description="Security protocol of the Kafka connection."
    )
    kafka_ca: Path | None = Field(
        None,
        description="PEM file of the CA of Kafka's certificate; empty: the CAs of the system.",
    )
    kafka_sasl_mechanism: str = Field(
        "SCRAM-SHA-512", description="SASL mechanism, if the protocol is SASL_PLAINTEXT or SASL_SSL."
    )
    kafka_username: str = Field("", description="SASL user name.")
    kafka_password: SecretStr = Field(SecretStr(""), description="SASL password.")
    peers: dict[str, str] = Field(
        {},
        description="JSON object of service name to gRPC address; default: the sockets in the state directory.",
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
        "",
        description="On Kubernetes: namespace of the objects that the service creates; empty: its own namespace.",
    )
    owner: str = Field(
        "",
        description="On Kubernetes: Deployment that owns these objects; empty: `ratoon-<service>`.",
    )
    kubeconfig: str = Field(
        "",
        description="kubeconfig file, if the service runs outside the cluster; empty: in-cluster configuration.",
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


def old_names(settings: type[ProcessSettings]) -> dict[str, str]:
    """Return the present names of renamed settings by their old names, which are read for one release."""
    prefix = settings.model_config.get("env_prefix", "")
    aliases = {name: field.validation_alias for name, field in settings.model_fields.items()}
    return {
        str(old).removeprefix(prefix).lower(): name
        for name, alias in aliases.items()
        if isinstance(alias, AliasChoices)
        for old in alias.choices[1:]
    }


def run_folder(state: Path) -> Path:
    """Return the socket directory: `run` in the state, or a short one of our own when that path is too long for one."""
    folder = state.absolute() / "run"
    if len(str(folder)) <= _LONGEST_SOCKET_PATH - 20:
        return folder
    mark = hashlib.sha256(str(folder).encode()).hexdigest()[:12]
    return Path("/tmp") / f"ratoon-{os.getuid()}-{mark}"


def socket_address(state: Path, service: str) -> str:
    """The Unix socket of a service of this machine, as a gRPC address."""
    return f"unix://{run_folder(state)}/{service}.sock"
