"""The secrets of an installation on Kubernetes: what is missing is made, what is there is never changed.

`python -m ratoon.kubernetes.secrets make` reads a plan from `RATOON_SECRETS_PLAN` and makes keys, certificates and
passwords as Secrets; `--dry-run` only says which. `remove` deletes what has the plan's labels. The file of public keys
alone is added to, when a service is new. Nothing secret is logged.
"""

import argparse
import json
import logging
import secrets
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from pydantic import Field, TypeAdapter, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from ratoon.kubernetes.cluster_secrets import DryRun, KubernetesSecrets
from ratoon.process.errors import FailedPrecondition, InvalidArgument, RatoonError
from ratoon.runtime import logs
from ratoon.runtime.secret_files import SecretFile, secret_files, sharers
from ratoon.security.authority import Pair, issue, make_authority
from ratoon.security.identity import pem_of, public_text_of

_LOG = logging.getLogger(__name__)
_OPAQUE, _TLS = "Opaque", "kubernetes.io/tls"
_PASSWORD_BYTES = 24
_PUBLIC = "public.json"
Content = Mapping[str, bytes]


@dataclass(frozen=True)
class Plan:
    """Secrets that an installation needs. `name` begins their names, `labels` mark them."""

    namespace: str
    name: str
    labels: dict[str, str]
    services: list[str] = field(default_factory=list)
    keys: bool = True
    """True if services' keys, the public ones and the operator's API key are made here."""
    certificates: dict[str, list[str]] = field(default_factory=dict)
    """DNS names by part."""
    passwords: dict[str, list[str]] = field(default_factory=dict)
    """Names of random values by the Secret's whole name."""


class Cluster(Protocol):
    """The Secrets of one namespace."""

    def get(self, name: str) -> Content | None:
        """Return the content of a Secret; None when there is none."""
        ...

    def create(self, name: str, kind: str, content: Content) -> bool:
        """Make a Secret; False when there is one of this name by now."""
        ...

    def add(self, name: str, content: Content) -> None:
        """Put further values into a Secret, or others in their place."""
        ...

    def delete_labelled(self) -> list[str]:
        """Delete what has the installation's labels; the names."""
        ...


class Maker:
    """Makes what a plan asks for and a cluster lacks."""

    def __init__(self, plan: Plan, cluster: Cluster) -> None:
        self._plan, self._cluster = plan, cluster
        self.created: list[str] = []
        """Names of the Secrets that were missing."""
        self._contents: dict[str, bytes] = {}
        """Content of secret files by name, so that services share it in a rehearsal too."""

    def make(self) -> None:
        """Make everything; a second time makes nothing. FailedPrecondition when a given Secret lacks a value."""
        if self._plan.keys:
            self._make_keys()
            self._ensure(f"{self._plan.name}-operator", _operator)
        if self._plan.certificates:
            self._make_certificates()
        for name, values in self._plan.passwords.items():
            self._ensure(name, partial(_passwords, values))

    def _make_keys(self) -> None:
        halves: dict[str, str] = {}
        public: dict[str, bytes] = {}
        for service in self._plan.services:
            held = self._ensure(self._keys_of(service), partial(self._new_keys, service))
            halves[service] = _public_half(_valued(held, self._keys_of(service), f"{service}.key"))
            for file in (each for each in secret_files(service) if each.public_name):
                content = _valued(held, self._keys_of(service), file.name)
                public[file.public_name] = file.public_half(content)
        self._publish({_PUBLIC: json.dumps(halves, indent=1).encode(), **public}, halves)

    def _publish(self, content: dict[str, bytes], halves: dict[str, str]) -> None:
        """Make the Secret of public keys, or add the services that are new to it."""
        name = f"{self._plan.name}-public-keys"
        held = self._ensure(name, lambda: content)
        known: dict[str, str] = json.loads(_valued(held, name, _PUBLIC))
        if set(halves) - set(known):
            self._cluster.add(name, {_PUBLIC: json.dumps({**halves, **known}, indent=1).encode()})
            self.created.append(f"{name} ({', '.join(sorted(set(halves) - set(known)))})")

    def _make_certificates(self) -> None:
        name = f"{self._plan.name}-authority"
        held = self._ensure(name, partial(_authority, self._plan.name))
        authority = Pair(_valued(held, name, "tls.crt"), _valued(held, name, "tls.key"))
        for part, dns_names in self._plan.certificates.items():
            secret = f"{self._plan.name}-{part}-tls"
            self._ensure(secret, partial(_certificate, authority, dns_names), _TLS)

    def _new_keys(self, service: str) -> Content:
        """Return the content of a service's Secret of keys: its new key, and the secret files that it declares."""
        key = pem_of(Ed25519PrivateKey.generate())
        return {f"{service}.key": key, **{file.name: self._shared(file) for file in secret_files(service)}}

    def _shared(self, file: SecretFile) -> bytes:
        """Return a secret file as a service that declares it has it, else a new one."""
        if file.name not in self._contents:
            held = (self._cluster.get(self._keys_of(service)) or {} for service in sharers(file.name))
            existing = (content[file.name] for content in held if file.name in content)
            self._contents[file.name] = next(existing, None) or file.create()
        return self._contents[file.name]

    def _keys_of(self, service: str) -> str:
        return f"{self._plan.name}-{service}-keys"

    def _ensure(self, name: str, content: Callable[[], Content], kind: str = _OPAQUE) -> Content:
        """Return the content of the Secret; a missing one is created."""
        held = self._cluster.get(name)
        if held is not None:
            return held
        new = content()
        if self._cluster.create(name, kind, new):
            self.created.append(name)
            return new
        return self._cluster.get(name) or new


class SecretsSettings(BaseSettings):
    """`RATOON_SECRETS_…`."""

    model_config = SettingsConfigDict(env_prefix="RATOON_SECRETS_", frozen=True, extra="ignore")

    plan: str = Field("", description="What to make, a JSON object with the fields of `Plan`.")


def plan_of(text: str) -> Plan:
    """The plan in a JSON object; InvalidArgument says what is wrong with it."""
    try:
        plan = TypeAdapter(Plan).validate_json(text)
    except ValidationError as error:
        raise InvalidArgument(f"RATOON_SECRETS_PLAN is no plan: {error}", reason="BAD_PLAN") from None
    if not plan.labels:
        raise InvalidArgument("The plan has no labels: nothing could be found again.", reason="BAD_PLAN")
    return plan


def main(arguments: list[str]) -> int:
    """Make or remove; the exit status."""
    parser = argparse.ArgumentParser(prog="ratoon-secrets", description="The secrets of an installation.")
    parser.add_argument("action", choices=("make", "remove"))
    parser.add_argument("--dry-run", action="store_true", help="only say what would be made")
    options = parser.parse_args(arguments)
    logs.configure("secrets")
    try:
        plan = plan_of(SecretsSettings().plan)
        _do(options.action, plan, KubernetesSecrets(plan.namespace, plan.labels), rehearse=options.dry_run)
    except RatoonError as error:
        _LOG.error("%s", error)
        return 1
    return 0


def _do(action: str, plan: Plan, cluster: Cluster, *, rehearse: bool) -> None:
    if action == "remove":
        _LOG.info("removed: %s", ", ".join(cluster.delete_labelled()) or "nothing")
        return
    maker = Maker(plan, DryRun(cluster) if rehearse else cluster)
    maker.make()
    _LOG.info(
        "%s: %s", "missing" if rehearse else "made", ", ".join(maker.created) or "nothing, all is there"
    )


def _public_half(key: bytes) -> str:
    private = load_pem_private_key(key, password=None)
    if not isinstance(private, Ed25519PrivateKey):
        raise FailedPrecondition("A service's key is no Ed25519 key.", reason="KEY_UNSUITABLE")
    return public_text_of(private)


def _authority(name: str) -> Content:
    pair = make_authority(name)
    return {"tls.crt": pair.certificate, "tls.key": pair.key}


def _certificate(authority: Pair, dns_names: list[str]) -> Content:
    pair = issue(authority, dns_names)
    return {"tls.crt": pair.certificate, "tls.key": pair.key, "ca.crt": authority.certificate}


def _valued(content: Content, name: str, value: str) -> bytes:
    if value not in content:
        raise FailedPrecondition(
            f"The Secret {name} is there, but has no {value}: add it.", reason="KEY_MISSING"
        )
    return content[value]


def _operator() -> Content:
    """An API key as the gateway reads it: `rtn_<selector>_<proof>`, 256 random bits of proof."""
    return {"operator.key": f"rtn_{secrets.token_hex(8)}_{secrets.token_urlsafe(32)}".encode()}


def _passwords(values: list[str]) -> Content:
    return {value: secrets.token_hex(_PASSWORD_BYTES).encode() for value in values}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
