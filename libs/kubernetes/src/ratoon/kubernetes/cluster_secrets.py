"""Secrets of a namespace through the Kubernetes API, and a rehearsal of them that changes nothing."""

from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import Protocol

from kubernetes import config
from kubernetes.client import ApiException, CoreV1Api, V1ObjectMeta, V1Secret
from kubernetes.config.config_exception import ConfigException

Content = Mapping[str, bytes]


class SecretReader(Protocol):
    """Read access to Secrets."""

    def get(self, name: str) -> Content | None:
        """Return the content of a Secret; None when there is none."""
        ...


class DryRun:
    """A cluster that is only read: created Secrets stay in memory."""

    def __init__(self, cluster: SecretReader) -> None:
        self._cluster = cluster
        self._created: dict[str, dict[str, bytes]] = {}

    def get(self, name: str) -> Content | None:
        """Return the content that a Secret has, or would have."""
        return self._created.get(name) or self._cluster.get(name)

    def create(self, name: str, _kind: str, content: Content) -> bool:
        """Note it."""
        self._created[name] = dict(content)
        return True

    def add(self, name: str, content: Content) -> None:
        """Note it."""
        self._created[name] = {**(self.get(name) or {}), **content}

    def delete_labelled(self) -> list[str]:
        """Nothing."""
        return []


class KubernetesSecrets:
    """The Secrets of a namespace through the API, of the cluster that this runs in or that a kubeconfig names."""

    def __init__(self, namespace: str, labels: dict[str, str]) -> None:
        try:
            config.load_incluster_config()  # type: ignore[no-untyped-call]
        except ConfigException:
            config.load_kube_config()  # type: ignore[no-untyped-call]
        self._api = CoreV1Api()
        self._namespace, self._labels = namespace, labels

    def get(self, name: str) -> Content | None:
        """Return the content of a Secret; None when there is none."""
        try:
            secret = self._api.read_namespaced_secret(name, self._namespace)
        except ApiException as error:
            if error.status == 404:
                return None
            raise
        return {key: b64decode(value) for key, value in (secret.data or {}).items()}

    def create(self, name: str, kind: str, content: Content) -> bool:
        """Make a Secret; False when there is one of this name by now."""
        metadata = V1ObjectMeta(name=name, labels=self._labels)
        body = V1Secret(type=kind, metadata=metadata, data=_encoded(content))
        try:
            self._api.create_namespaced_secret(self._namespace, body)
        except ApiException as error:
            if error.status == 409:
                return False
            raise
        return True

    def add(self, name: str, content: Content) -> None:
        """Put further values into a Secret, or others in their place."""
        self._api.patch_namespaced_secret(name, self._namespace, {"data": _encoded(content)})

    def delete_labelled(self) -> list[str]:
        """Delete what has the installation's labels; the names."""
        selector = ",".join(f"{key}={value}" for key, value in self._labels.items())
        secrets = self._api.list_namespaced_secret(self._namespace, label_selector=selector)
        names = [str(each.metadata.name) for each in secrets.items if each.metadata]
        for name in names:
            self._api.delete_namespaced_secret(name, self._namespace)
        return names


def _encoded(content: Content) -> dict[str, str]:
    return {key: b64encode(value).decode() for key, value in content.items()}
