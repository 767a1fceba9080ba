"""A node that runs pods, on this machine: containerd, kubelet, kube-proxy and cluster DNS next to a control plane.

It lives in namespaces of its own (`scripts/cluster run`): addresses, routes, packet filters, mounts and processes are
gone when they end. Images outlive it, in a cache. The network enforces no NetworkPolicy.

`KUBECONFIG` names another cluster instead, which has its images from where its own values say.
"""

import contextlib
import fcntl
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from ratoon.testkit.kubernetes import tools
from ratoon.testkit.kubernetes.api import Api, CommandFailed
from ratoon.testkit.kubernetes.control_plane import ControlPlane
from ratoon.testkit.kubernetes.images import PAUSE, Images
from ratoon.testkit.kubernetes.processes import Processes

ADDRESS = "10.200.0.1"
"""Of the node, on an interface that leads nowhere."""
PODS = "10.244.0.0/16"
NAME = "node-1"
NAMESPACES = "RATOON_CLUSTER_NAMESPACES"
"""Set by `scripts/cluster run`: this process has namespaces of its own."""
KUBECONFIG = "KUBECONFIG"
CLAIMS = 16
"""Number of volumes for claims."""
_READY_S = 90.0
_PROGRAMS = ("containerd", "ctr", "runc", "iptables", "conntrack", "ip")
_CGROUPS = Path("/sys/fs/cgroup")
_CNI = Path("/usr/lib/cni")


def missing() -> str:
    """Return what this machine or process lacks for a node, as a sentence; empty when nothing, or when one is given."""
    if os.environ.get(KUBECONFIG):
        return tools.missing()
    if os.geteuid() != 0:
        return "A node needs root"
    if lacking := [name for name in _PROGRAMS if shutil.which(name) is None]:
        return (
            f"A node needs {', '.join(lacking)}: scripts/packages containerd runc iptables conntrack iproute2"
        )
    if not (_CNI / "ptp").exists():
        return "A node needs CNI plugins: scripts/packages containernetworking-plugins"
    if not os.environ.get(NAMESPACES):
        return "A node needs namespaces of its own: scripts/cluster run …"
    return tools.missing()


class Node:
    """One node of a control plane; both live in the directory of the control plane."""

    def __init__(self, plane: ControlPlane, cache: Path) -> None:
        """`cache` keeps containerd's images; no other node may use it meanwhile."""
        self._plane, self._cache = plane, cache
        self.folder = plane.folder / NAME
        self.folder.mkdir()
        self.processes = Processes(self.folder)
        self._socket = self.folder / "containerd.sock"
        self.images = Images(["ctr", "--address", self._socket], cache / "imported")

    def start(self) -> None:
        """Start everything, and wait until the API calls the node ready."""
        self.start_containerd()
        self.images.add_pause(self._plane.programs / "pause")
        self._start_dns()
        self._start_proxy()
        self.start_kubelet()
        self._make_volumes()

    def start_containerd(self) -> None:
        """Start containerd alone."""
        (self.folder / "containerd.toml").write_text(_containerd(self.folder, self._cache))
        cni = self.folder / "cni"
        cni.mkdir(exist_ok=True)
        (cni / "10-ratoon.conflist").write_text(json.dumps(_CNI_CONFIGURATION))
        command = ["containerd", "--config", self.folder / "containerd.toml"]
        self.processes.start("containerd", command)
        self.processes.wait("containerd", self._has_containerd, _READY_S)

    def start_kubelet(self) -> None:
        """Start the kubelet, and wait until the API calls the node ready."""
        configuration = self.folder / "kubelet.json"
        configuration.write_text(json.dumps(_kubelet(self.folder)))
        (self.folder / "resolv.conf").write_text(f"nameserver {ADDRESS}\n")
        options = {
            "config": configuration,
            "kubeconfig": self._plane.folder / "node.kubeconfig",
            "hostname-override": NAME,
            "node-ip": ADDRESS,
            "root-dir": self.folder / "kubelet",
            "cert-dir": self.folder / "pki",
        }
        program = self._plane.programs / "kubelet"
        self.processes.start("kubelet", [program, *(f"--{name}={value}" for name, value in options.items())])
        self.processes.wait("kubelet", self._is_ready, _READY_S)

    def stop_kubelet(self) -> None:
        """The node is lost to the cluster; its pods run on, unattended."""
        self.processes.stop("kubelet")

    def kill(self, pod: str, namespace: str) -> None:
        """End every process of a pod at once, without asking anybody."""
        uid = self._plane.kubectl("get", "pod", pod, "-n", namespace, "-o", "jsonpath={.metadata.uid}")
        killed = [_kill_all(file) for file in _cgroup_files() if f"pod{uid}" in file.parts]
        assert any(killed), f"{pod} has no process to kill"

    def close(self) -> None:
        """End everything that ran here, pods included."""
        for name in ("kubelet", "kube-proxy", "coredns"):
            self.processes.stop(name)
        until = time.monotonic() + 10.0
        while time.monotonic() < until and any(_kill_all(file) for file in _cgroup_files()):
            time.sleep(0.2)
        self.processes.close()
        _remove_cgroups()

    def _start_dns(self) -> None:
        (self.folder / "Corefile").write_text(
            f"cluster.local {{\n bind {ADDRESS}\n errors\n kubernetes cluster.local {{\n"
            f"  kubeconfig {self._plane.kubeconfig}\n  ttl 2\n }}\n}}\n"
        )
        command = [tools.companions() / "coredns", "-conf", self.folder / "Corefile"]
        self.processes.start("coredns", command)

    def _start_proxy(self) -> None:
        options = {
            "kubeconfig": self._plane.folder / "proxy.kubeconfig",
            "hostname-override": NAME,
            "proxy-mode": "iptables",
            "cluster-cidr": PODS,
            "conntrack-max-per-core": "0",
            "nodeport-addresses": "127.0.0.0/8",
            "metrics-bind-address": "127.0.0.1:10249",
            "healthz-bind-address": "127.0.0.1:10256",
        }
        program = self._plane.programs / "kube-proxy"
        self.processes.start(
            "kube-proxy", [program, *(f"--{name}={value}" for name, value in options.items())]
        )

    def _make_volumes(self) -> None:
        """Local volumes of the default storage class, for claims of up to 20 GiB."""
        manifests: list[object] = [_STORAGE_CLASS]
        for number in range(CLAIMS):
            path = self.folder / "volumes" / str(number)
            path.mkdir(parents=True)
            manifests.append(_volume(f"{NAME}-{number}", path))
        listed = json.dumps({"apiVersion": "v1", "kind": "List", "items": manifests})
        self._plane.kubectl("apply", "-f", "-", stdin=listed)

    def _has_containerd(self) -> bool:
        command = ["ctr", "--address", str(self._socket), "--connect-timeout", "1s", "version"]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0

    def _is_ready(self) -> bool:
        path = "jsonpath={.status.conditions[?(@.type=='Ready')].status}"
        with contextlib.suppress(CommandFailed):
            return self._plane.kubectl("get", "node", NAME, "-o", path) == "True"
        return False


@dataclass(frozen=True)
class Cluster:
    """A cluster that exists already, and continues when the tests have ended."""

    plane: Api

    @property
    def address(self) -> str:
        """Return the address of ports of its first node."""
        path = "jsonpath={.items[0].status.addresses[?(@.type=='InternalIP')].address}"
        return self.plane.kubectl("get", "nodes", "-o", path)

    def kill(self, pod: str, namespace: str) -> None:
        """End a pod at once, as far as the API does that."""
        self.plane.kubectl("delete", "pod", pod, "-n", namespace, "--grace-period=0", "--force")


@dataclass(frozen=True)
class OwnCluster(Cluster):
    """A control plane, and the node that runs its pods: ours to break."""

    plane: ControlPlane
    node: Node

    @property
    def address(self) -> str:
        """This machine."""
        return "127.0.0.1"

    def kill(self, pod: str, namespace: str) -> None:
        """End every process of a pod at once, without asking anybody."""
        self.node.kill(pod, namespace)


@contextmanager
def running_cluster() -> Iterator[Cluster]:
    """The cluster that `KUBECONFIG` names, else one of our own until the block ends."""
    if path := os.environ.get(KUBECONFIG):
        with TemporaryDirectory(prefix="ratoon-cluster-") as folder:
            yield Cluster(Api(Path(folder), Path(path)))
        return
    with own_cluster() as cluster:
        yield cluster


@contextmanager
def own_cluster() -> Iterator[OwnCluster]:
    """A control plane and a node until the block ends; other processes wait."""
    cache = Path(os.environ.get("RATOON_CACHE") or Path.home() / ".cache" / "ratoon") / "containerd"
    cache.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        alone = stack.enter_context((cache / "lock").open("w"))
        fcntl.flock(alone, fcntl.LOCK_EX)
        folder = Path(
            stack.enter_context(TemporaryDirectory(prefix="ratoon-cluster-", ignore_cleanup_errors=True))
        )
        _remove_cgroups()
        _make_network()
        plane = ControlPlane(folder, ADDRESS)
        stack.callback(_unmount_below, folder)
        stack.callback(plane.close)
        plane.add_account("node", f"system:node:{NAME}", "system:nodes")
        plane.start()
        node = Node(plane, cache)
        stack.callback(node.close)
        node.start()
        yield OwnCluster(plane, node)


def _make_network() -> None:
    """An interface for the node's address, and a way out of it that leads nowhere."""
    for command in (
        "ip link add ratoon0 type veth peer name ratoon1",
        f"ip address add {ADDRESS}/24 dev ratoon0",
        "ip link set ratoon0 up",
        "ip link set ratoon1 up",
        "ip route add default dev ratoon0",
    ):
        subprocess.run(command.split(), check=True)
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")


def _cgroup_files() -> Iterator[Path]:
    """Yield the files that list the processes of pods, in cgroup v1 or v2; groups that go meanwhile are left out."""
    for root in (_CGROUPS / "pids/kubepods", _CGROUPS / "kubepods"):
        for folder, _, _ in os.walk(root):
            yield Path(folder, "cgroup.procs")


def _kill_all(file: Path) -> bool:
    """Kill each process that a cgroup lists; whether there was one."""
    with contextlib.suppress(OSError):
        pids = [int(word) for word in file.read_text().split() if word != "0"]  # 0: of another namespace
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return bool(pids)
    return False


def _remove_cgroups() -> None:
    """Remove the groups that pods had; those that still have a process stay."""
    for root in (*_CGROUPS.glob("*/kubepods"), _CGROUPS / "kubepods"):
        for folder, _, _ in os.walk(root, topdown=False):
            with contextlib.suppress(OSError):
                Path(folder).rmdir()


def _unmount_below(folder: Path) -> None:
    """Detach what is mounted in a directory, so that removing it removes nothing else."""
    mounts = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    for each in sorted((path for path in mounts if path.startswith(f"{folder}/")), reverse=True):
        subprocess.run(["umount", "--lazy", each], check=False)


_CNI_CONFIGURATION = {
    "cniVersion": "0.4.0",
    "name": "ratoon",
    "plugins": [
        {
            "type": "ptp",
            "ipMasq": False,
            "ipam": {"type": "host-local", "ranges": [[{"subnet": PODS}]], "routes": [{"dst": "0.0.0.0/0"}]},
        },
        {"type": "portmap", "capabilities": {"portMappings": True}},
    ],
}
_STORAGE_CLASS = {
    "apiVersion": "storage.k8s.io/v1",
    "kind": "StorageClass",
    "metadata": {"name": "local", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
    "provisioner": "kubernetes.io/no-provisioner",
    "volumeBindingMode": "WaitForFirstConsumer",
}


def _volume(name: str, path: Path) -> dict[str, object]:
    on_node = {"key": "kubernetes.io/hostname", "operator": "In", "values": [NAME]}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name},
        "spec": {
            "capacity": {"storage": "20Gi"},
            "accessModes": ["ReadWriteOnce"],
            "persistentVolumeReclaimPolicy": "Retain",
            "storageClassName": "local",
            "local": {"path": str(path)},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [on_node]}]}},
        },
    }


def _containerd(folder: Path, cache: Path) -> str:
    return f"""version = 2
root = "{cache / "root"}"
state = "{folder / "containerd"}"
[grpc]
address = "{folder / "containerd.sock"}"
[plugins."io.containerd.internal.v1.opt"]
path = "{folder / "opt"}"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{PAUSE}"
restrict_oom_score_adj = true
disable_apparmor = true
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "{_CNI}"
conf_dir = "{folder / "cni"}"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
SystemdCgroup = false
"""


def _kubelet(folder: Path) -> dict[str, object]:
    # A client that reaches the kubelet is already in this cluster's own network, so it needs no authentication.
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": ADDRESS,
        "authentication": {"anonymous": {"enabled": True}, "webhook": {"enabled": False}},
        "authorization": {"mode": "AlwaysAllow"},
        "cgroupDriver": "cgroupfs",
        "clusterDNS": [ADDRESS],
        "clusterDomain": "cluster.local",
        "containerRuntimeEndpoint": f"unix://{folder / 'containerd.sock'}",
        "enforceNodeAllocatable": [],
        "evictionHard": {},
        "failCgroupV1": False,
        "failSwapOn": False,
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        "nodeStatusUpdateFrequency": "4s",
        "podLogsDir": str(folder / "pod-logs"),
        "readOnlyPort": 0,
        "resolvConf": str(folder / "resolv.conf"),
        "serializeImagePulls": False,
    }
