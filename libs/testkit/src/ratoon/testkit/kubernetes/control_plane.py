"""A Kubernetes without nodes: etcd, the API server, its controllers and the scheduler, on one address of this machine.

Everything that an API server decides is real here: validation, admission, access, owners and their garbage, quotas,
scheduling. Nothing runs a pod; `fakes` makes nodes that pretend to, `node` makes one that does.
"""

import json
import secrets
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from ratoon.testkit.kubernetes.api import Api, CommandFailed
from ratoon.testkit.kubernetes.processes import Processes
from ratoon.testkit.ports import server_ports

SERVICES = "10.96.0.0/16"
"""Addresses of Services."""
JSON = dict[str, Any]
_START_S = 120.0
_REQUEST_S = 60.0
_FAST = {"kube-api-qps": "500", "kube-api-burst": "1000"}
"""Requests a second of a controller or scheduler, which by default wait for each other after the first few."""
_ACCOUNTS = {
    "admin": ("admin", "system:masters"),
    "controllers": ("system:kube-controller-manager", ""),
    "scheduler": ("system:kube-scheduler", ""),
    "proxy": ("system:kube-proxy", ""),
}
"""Accounts with a token: kubeconfig's name → (user, groups)."""


class ControlPlane(Api):
    """The API of one cluster, in a directory of its own."""

    def __init__(self, folder: Path, address: str = "127.0.0.1") -> None:
        """`address` is where the API server listens, and the only one that its certificate names."""
        super().__init__(folder, folder / "admin.kubeconfig")
        self.address = address
        self.processes = Processes(folder)
        self._ports = server_ports(3)
        self.url = f"https://{address}:{self._ports[2]}"
        """Of the API server."""
        self.certificate = folder / "pki" / "apiserver.crt"
        """Certificate that clients trust."""
        self._tokens = {name: secrets.token_hex(24) for name in _ACCOUNTS}

    def start(self) -> None:
        """Start everything and wait until the API answers: about five seconds."""
        self._write_keys()
        self._start_etcd()
        self.start_apiserver()
        for name, token in self._tokens.items():
            self.write_kubeconfig(name, token)
        self._start_controllers()
        self._start_scheduler()
        self.processes.wait("kube-controller-manager", self._has_default_account, _START_S)

    def start_apiserver(self) -> None:
        """Start the API server on the state that etcd has, and wait until it is ready."""
        self.processes.start("kube-apiserver", self._apiserver())
        self.processes.wait("kube-apiserver", self._ready, _START_S)

    def stop_apiserver(self) -> None:
        """Take the API away; etcd and everything else go on."""
        self.processes.stop("kube-apiserver")

    def close(self) -> None:
        """End everything. Its state goes with it, so that no watch is waited for."""
        self.processes.close(grace_s=1.0)

    def add_account(self, name: str, user: str, group: str) -> Path:
        """The kubeconfig of a further user with a token; takes effect when the API server starts."""
        token = secrets.token_hex(24)
        self._add_token(token, name, user, group)
        return self.write_kubeconfig(name, token)

    def account(self, namespace: str, name: str) -> Path:
        """The kubeconfig of a ServiceAccount, by a token that the API issues for an hour."""
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token"
        token = self.request("POST", path, {"spec": {"expirationSeconds": 3600}})["status"]["token"]
        return self.write_kubeconfig(f"{namespace}-{name}", token, namespace)

    def request(self, method: str, path: str, body: JSON | None = None, user: str = "") -> JSON:
        """Send a request as an administrator, or as another user; CommandFailed with the API's refusal.

        It takes a hundredth of the processor time of kubectl, which reads all kinds of the API first.
        """
        headers = {"authorization": f"Bearer {self._tokens['admin']}", "content-type": "application/json"}
        headers |= {"impersonate-user": user} if user else {}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}{path}", data, headers, method=method)
        context = ssl.create_default_context(cafile=str(self.certificate))
        try:
            with urllib.request.urlopen(request, timeout=_REQUEST_S, context=context) as answer:
                answered: JSON = json.load(answer)
                return answered
        except urllib.error.HTTPError as refused:
            raise CommandFailed(refused.read().decode(errors="replace")) from refused

    def write_kubeconfig(self, name: str, token: str, namespace: str = "default") -> Path:
        """Return a kubeconfig with this token."""
        cluster = {"server": self.url, "certificate-authority": str(self.certificate)}
        written = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "ratoon", "cluster": cluster}],
            "users": [{"name": name, "user": {"token": token}}],
            "contexts": [
                {"name": name, "context": {"cluster": "ratoon", "user": name, "namespace": namespace}}
            ],
            "current-context": name,
        }
        path = self.folder / f"{name}.kubeconfig"
        path.touch(mode=0o600)
        path.write_text(json.dumps(written))
        return path

    def _write_keys(self) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        pem = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )
        path = self.folder / "accounts.key"
        path.touch(mode=0o600)
        path.write_bytes(pem)
        for name, (user, group) in _ACCOUNTS.items():
            self._add_token(self._tokens[name], name, user, group)

    def _add_token(self, token: str, name: str, user: str, group: str) -> None:
        path = self.folder / "tokens.csv"
        path.touch(mode=0o600)
        with path.open("a") as file:
            file.write(f'{token},{user},{name},"{group}"\n')

    def _start_etcd(self) -> None:
        client, peer = (f"http://127.0.0.1:{port}" for port in self._ports[:2])
        options = {
            "name": "test",
            "data-dir": self.folder / "etcd",
            "listen-client-urls": client,
            "advertise-client-urls": client,
            "listen-peer-urls": peer,
            "initial-advertise-peer-urls": peer,
            "initial-cluster": f"test={peer}",
            "unsafe-no-fsync": "true",
            "log-level": "warn",
        }
        self.processes.start("etcd", [self.programs / "etcd", *_flags(options)])
        self.processes.wait("etcd", lambda: _answers(f"{client}/health"), _START_S)

    def _apiserver(self) -> list[object]:
        options = {
            "etcd-servers": f"http://127.0.0.1:{self._ports[0]}",
            "bind-address": self.address,
            "advertise-address": self.address,
            "secure-port": self._ports[2],
            "cert-dir": self.certificate.parent,
            "service-cluster-ip-range": SERVICES,
            "service-account-issuer": "https://kubernetes.default.svc",
            "service-account-key-file": self.folder / "accounts.key",
            "service-account-signing-key-file": self.folder / "accounts.key",
            "token-auth-file": self.folder / "tokens.csv",
            "authorization-mode": "Node,RBAC",
            "allow-privileged": "true",
            "enable-admission-plugins": "NodeRestriction",
            "kubelet-preferred-address-types": "InternalIP",
            "endpoint-reconciler-type": "none" if self.address.startswith("127.") else "lease",
            "profiling": "false",
        }
        return [self.programs / "kube-apiserver", *_flags(options)]

    def _start_controllers(self) -> None:
        options = {
            "kubeconfig": self.folder / "controllers.kubeconfig",
            "root-ca-file": self.certificate,
            "service-account-private-key-file": self.folder / "accounts.key",
            "use-service-account-credentials": "true",
            "secure-port": "0",
            "leader-elect": "false",
            "node-monitor-grace-period": "100s",  # an API that is away for a minute makes no node lost
            "profiling": "false",
            **_FAST,
        }
        command = [self.programs / "kube-controller-manager", *_flags(options)]
        self.processes.start("kube-controller-manager", command)

    def _start_scheduler(self) -> None:
        options = {
            "kubeconfig": self.folder / "scheduler.kubeconfig",
            "secure-port": "0",
            "leader-elect": "false",
            "profiling": "false",
            **_FAST,
        }
        self.processes.start("kube-scheduler", [self.programs / "kube-scheduler", *_flags(options)])

    def _ready(self) -> bool:
        return self.certificate.exists() and _answers(f"{self.url}/readyz", self.certificate)

    def _has_default_account(self) -> bool:
        try:
            self.request("GET", "/api/v1/namespaces/default/serviceaccounts/default")
        except CommandFailed:
            return False
        return True


@contextmanager
def running_control_plane() -> Iterator[ControlPlane]:
    """A control plane on loopback until the block ends."""
    with TemporaryDirectory(prefix="ratoon-kubernetes-", ignore_cleanup_errors=True) as folder:
        plane = ControlPlane(Path(folder))
        try:
            plane.start()
            yield plane
        finally:
            plane.close()


def _flags(options: dict[str, object]) -> list[str]:
    return [f"--{name}={value}" for name, value in options.items()]


def _answers(url: str, certificate: Path | None = None) -> bool:
    context = ssl.create_default_context(cafile=str(certificate)) if certificate else None
    try:
        with urllib.request.urlopen(url, timeout=2.0, context=context) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
