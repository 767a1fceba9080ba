"""Secret files that a service declares as `ratoon.secrets`, in addition to its own key."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ratoon.runtime.services import load_optional, service_names


@dataclass(frozen=True)
class SecretFile:
    """A file in the directory of a service's keys. Services that declare the same name share one content."""

    name: str
    create: Callable[[], bytes]
    public_name: str = ""
    """Name of the file of its public half, which all services get; empty: it has none."""
    public_half: Callable[[bytes], bytes] = bytes
    """Return the public half; FailedPrecondition if the content is unsuitable."""


def secret_files(service: str) -> Sequence[SecretFile]:
    """Return the secret files that a service declares."""
    declared: Sequence[SecretFile] | None = load_optional("ratoon.secrets", service)
    return declared or ()


def sharers(name: str) -> list[str]:
    """Return the services that declare a secret file of this name."""
    return [service for service in service_names() if name in {each.name for each in secret_files(service)}]
