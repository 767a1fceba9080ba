"""The calls to a Kubernetes API that services make, in one namespace. It knows no kind of object.

Objects are plain JSON. What the API does not answer, or answers with an error of its own, is Unavailable; a concurrent
change is Aborted; a missing object is None.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import urllib3

from kubernetes import client, config
from kubernetes.client.exceptions import ApiException
from ratoon.process.errors import Aborted, Unavailable

JSON = dict[str, Any]

_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_TIMEOUT = (3.0, 10.0)
"""Seconds to connect and to wait for an answer."""
_WATCH_S = 300
_MERGE = "application/merge-patch+json"


class TooOld(Exception):
    """The API no longer knows the changes since the version that was named."""


class Cluster:
    """One namespace of a cluster; `manager` is what the API notes as who changed something."""

    def __init__(self, api: client.ApiClient, namespace: str, manager: str) -> None:
        self.namespace, self._manager = namespace, manager
        self._core, self._apps = client.CoreV1Api(api), client.AppsV1Api(api)

    def deployment(self, name: str) -> JSON | None:
        """A Deployment, or None."""
        with _translated(f"read the Deployment {name}"):
            return _json(self._apps.read_namespaced_deployment, name, self.namespace)

    def create_deployment(self, body: JSON) -> JSON | None:
        """Make a Deployment; None when one of this name is there."""
        with _translated(f"create the Deployment {body['metadata']['name']}"):
            return _json(
                self._apps.create_namespaced_deployment, self.namespace, body, field_manager=self._manager
            )

    def patch_deployment(self, name: str, body: JSON) -> JSON | None:
        """Merge this into a Deployment; Aborted when it names a `resourceVersion` that is no longer the latest."""
        with _translated(f"change the Deployment {name}"):
            call = self._apps.patch_namespaced_deployment
            return _json(call, name, self.namespace, body, _content_type=_MERGE, field_manager=self._manager)

    def delete_deployment(self, name: str, uid: str, resource_version: str = "") -> None:
        """End a Deployment and its pods, if it is still the one that was seen (and as it was); else Aborted."""
        preconditions = {"uid": uid, **({"resourceVersion": resource_version} if resource_version else {})}
        body = {"propagationPolicy": "Background", "preconditions": preconditions}
        with _translated(f"delete the Deployment {name}"):
            _json(self._apps.delete_namespaced_deployment, name, self.namespace, body=body)

    def delete_pod(self, name: str, uid: str) -> None:
        """End a pod, if it is still the one that was seen."""
        with _translated(f"delete the pod {name}"):
            body = {"preconditions": {"uid": uid}}
            _json(self._core.delete_namespaced_pod, name, self.namespace, body=body)

    def put_secret(self, body: JSON) -> None:
        """Make a Secret, or give the one of this name this content."""
        name = body["metadata"]["name"]
        with _translated(f"create the Secret {name}"):
            if _json(self._core.create_namespaced_secret, self.namespace, body) is not None:
                return
        with _translated(f"change the Secret {name}"):
            call = self._core.patch_namespaced_secret
            _json(call, name, self.namespace, body, _content_type=_MERGE, field_manager=self._manager)

    def delete_secret(self, name: str) -> None:
        """End a Secret; none there is no error."""
        with _translated(f"delete the Secret {name}"):
            _json(self._core.delete_namespaced_secret, name, self.namespace)

    def create_event(self, body: JSON) -> None:
        """Report an event of an object."""
        with _translated("report an event"):
            _json(self._core.create_namespaced_event, self.namespace, body)

    def deployments(self, selector: str) -> "Listing":
        """The Deployments with these labels."""
        return Listing(self._apps.list_namespaced_deployment, self.namespace, selector)

    def pods(self, selector: str) -> "Listing":
        """The pods with these labels."""
        return Listing(self._core.list_namespaced_pod, self.namespace, selector)


class Listing:
    """Objects of one kind with certain labels: as they are, and what becomes of them."""

    def __init__(self, call: Callable[..., Any], namespace: str, selector: str) -> None:
        self._call, self._options = call, {"namespace": namespace, "label_selector": selector}

    def all(self) -> tuple[list[JSON], str]:
        """Every object, and the version of the whole that they are of."""
        with _translated("list what runs"):
            answer = _json(self._call, **self._options) or {}
            return answer.get("items") or [], answer["metadata"]["resourceVersion"]
        raise AssertionError("unreachable")

    @contextmanager
    def changes(self, version: str) -> Iterator[Iterator[JSON]]:
        """Yield the watch events from this version on, for some minutes; the end is no error. TooOld."""
        watching = {"watch": True, "allow_watch_bookmarks": True, "timeout_seconds": _WATCH_S}
        timeout = (_TIMEOUT[0], _WATCH_S + _TIMEOUT[1])
        with _translated("watch what runs"):
            response = self._call(
                **self._options,
                **watching,
                resource_version=version,
                _preload_content=False,
                _request_timeout=timeout,
            )
            try:
                yield (json.loads(line) for line in response)
            finally:
                response.close()


def connect(manager: str, kubeconfig: str = "", namespace: str = "") -> Cluster:
    """Cluster that this pod runs in, or that of a kubeconfig; the namespace defaults to that of this pod."""
    configuration: Any = client.Configuration()
    load: Callable[..., None] = config.load_kube_config if kubeconfig else config.load_incluster_config
    load(**({"config_file": kubeconfig} if kubeconfig else {}), client_configuration=configuration)
    configuration.retries = False
    named = namespace or (_ACCOUNT / "namespace").read_text().strip()
    return Cluster(client.ApiClient(configuration), named, manager)


def _json(call: Callable[..., Any], *arguments: Any, **named: Any) -> JSON | None:
    """The object that a call answers; None where it is not there, or where one of its name is there already."""
    try:
        response = call(*arguments, **named, _preload_content=False, _request_timeout=_TIMEOUT)
    except ApiException as error:
        if error.status == 404 or _reason(error) == "AlreadyExists":
            return None
        raise
    answer: JSON = json.loads(response.data)
    return answer


@contextmanager
def _translated(what: str) -> Iterator[None]:
    try:
        yield
    except ApiException as error:
        raise _refusal(what, error) from error
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise Unavailable(
            f"The Kubernetes API did not answer, to {what}: {error}.", reason="KUBERNETES_AWAY"
        ) from error


def _refusal(what: str, error: ApiException) -> Exception:
    message = f"Kubernetes refused to {what} ({error.status}): {_message(error)}"
    if error.status == 410:
        return TooOld(message)
    if error.status == 409:
        return Aborted(message, reason="FENCED")
    if error.status == 403 and "exceeded quota" not in message:
        # An API server that has just come up forbids for a moment what it allows: it is tried again, as its absence is.
        mend = "If that stays so, give this service's ServiceAccount the rights that docs/operations/install.md names."
        return Unavailable(f"{message} {mend}", reason="KUBERNETES_FORBIDS")
    return Unavailable(message, reason="KUBERNETES_REFUSED")


def _reason(error: ApiException) -> str:
    return str(_body(error).get("reason", ""))


def _message(error: ApiException) -> str:
    return str(_body(error).get("message") or error.reason)


def _body(error: ApiException) -> JSON:
    try:
        body = json.loads(error.body or "{}")
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}
