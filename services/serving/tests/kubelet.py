"""Fake kubelet: it runs the engines of a real API's pods as mock engines, each at a loopback address.

The API server, its controllers and scheduler are real; nodes, containers and networks are not. This kubelet writes the
status of pods: their container runs, was restarted, or ended.
"""

import asyncio
import base64
import itertools
import json
import os
import threading
import time
import uuid
from contextlib import AsyncExitStack
from datetime import UTC, datetime

import uvloop
from kubernetes import client, config

from ratoon.testkit.engine import Faults, MockEngine, Pace

_NODE = "pretended"
_PORT = 19_100
_OWN_SUBNET = 10 + os.getpid() % 240
"""Second byte of the addresses, so that two runs of the tests do not collide."""
_numbers = itertools.count(2)


class Kubelet:
    """Runs the pods of one namespace on one node, until it is stopped."""

    def __init__(self, kubeconfig: str, namespace: str, golden, max_pods: int = 20) -> None:
        api = config.new_client_from_config(kubeconfig)
        self._core, self._namespace, self._golden = client.CoreV1Api(api), namespace, golden
        self.node = f"{_NODE}-{namespace}"
        self.max_pods = max_pods
        self.engines: dict[str, MockEngine] = {}
        """By pod's name."""
        self.addresses: dict[str, str] = {}
        self.broken: set[str] = set()
        """Versions whose container ends at once."""
        self.paused = False
        self._lock = threading.Lock()
        self._stacks: dict[str, AsyncExitStack] = {}
        self._loop, self._stopping = uvloop.new_event_loop(), threading.Event()
        self._pods = threading.Thread(target=self._loop.run_forever, daemon=True, name="pods")
        self._pods.start()
        self._thread = threading.Thread(target=self._run, daemon=True, name="kubelet")

    def start(self) -> None:
        taint = {"key": "ratoon.dev/test", "value": self._namespace, "effect": "NoSchedule"}
        meta = {"name": self.node, "labels": {"ratoon.dev/test": self._namespace}}
        self._core.create_node({"metadata": meta, "spec": {"taints": [taint]}})
        self.beat()
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join()
        for name in list(self.engines):
            self._end(name)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._pods.join(10)
        self._loop.close()
        self._core.delete_node(self.node)

    def restart(self, pod: str) -> None:
        """The engine's process dies, and the kubelet starts its container again, at the same address."""
        with self._lock:
            self._end(pod)
            self._begin(_answer(self._core.read_namespaced_pod, pod, self._namespace), restarts=1)

    def crash(self, pod: str) -> None:
        """The engine's process dies, and its status stays until the kubelet continues."""
        with self._lock:
            self.paused = True
            self._end(pod)

    def _run(self) -> None:
        beaten = time.monotonic()
        while not self._stopping.wait(0.1):
            try:
                if time.monotonic() - beaten > 5:
                    self.beat()
                    beaten = time.monotonic()
                if not self.paused:
                    with self._lock:
                        self._reconcile()
            except Exception as error:  # the API may be away, as a test wants it
                self._last = error

    def _reconcile(self) -> None:
        for pod in _answer(self._core.list_namespaced_pod, self._namespace)["items"]:
            name = pod["metadata"]["name"]
            if "deletionTimestamp" in pod["metadata"]:
                self._end(name)
                _answer(self._core.delete_namespaced_pod, name, self._namespace, grace_period_seconds=0)
            elif pod["spec"].get("nodeName") == self.node and name not in self.engines:
                self._begin(pod)

    def _begin(self, pod, restarts: int = 0) -> None:
        name = pod["metadata"]["name"]
        volume = next(volume for volume in pod["spec"]["volumes"] if volume["name"] == "engine")
        secret = _answer(self._core.read_namespaced_secret, volume["secret"]["secretName"], self._namespace)
        settings = json.loads(base64.b64decode(secret["data"]["engine.json"]))
        if settings["version"] in self.broken:
            ended = {"terminated": {"exitCode": 1, "reason": "Error", "message": "no such model"}}
            self._report(pod, "", ended, restarts, started=False)
            self.engines[name] = MockEngine("broken")
            return
        engine = MockEngine(
            settings["version"],
            secret=settings["secret"],
            pace=Pace(tokens=4),
            golden=self._golden,
            status={"artifact_digest": settings["artifact_digest"], "load_id": uuid.uuid4().hex},
        )
        engine.accepting = False
        address = self.addresses.setdefault(name, f"127.{_OWN_SUBNET}.{next(_numbers)}.1")
        self.engines[name] = engine
        stack = self._stacks[name] = AsyncExitStack()
        asyncio.run_coroutine_threadsafe(
            stack.enter_async_context(engine.serve_tcp(_PORT, address)), self._loop
        ).result(10)
        self._report(pod, address, {"running": {"startedAt": _now()}}, restarts, started=True)

    def _end(self, name: str) -> None:
        engine = self.engines.pop(name, None)
        if engine is not None:
            engine.faults = Faults(refuse=True)
        if stack := self._stacks.pop(name, None):
            asyncio.run_coroutine_threadsafe(stack.aclose(), self._loop).result(10)

    def _report(self, pod, address: str, state, restarts: int, *, started: bool) -> None:
        own = {
            "name": "engine",
            "image": "mock",
            "imageID": "mock",
            "restartCount": restarts,
            "ready": started,
            "started": started,
            "state": state,
        }
        addresses = {"podIP": address, "podIPs": [{"ip": address}]} if address else {}
        conditions = [{"type": kind, "status": str(started)} for kind in ("Ready", "ContainersReady")]
        status = {"phase": "Running", **addresses, "containerStatuses": [own], "conditions": conditions}
        changed = {"status": status}
        _answer(self._core.patch_namespaced_pod_status, pod["metadata"]["name"], self._namespace, changed)

    def beat(self) -> None:
        capacity = {"cpu": "64", "memory": "64Gi", "pods": str(self.max_pods)}
        ready = {"type": "Ready", "status": "True", "reason": "Pretended", "lastHeartbeatTime": _now()}
        status = {"capacity": capacity, "allocatable": capacity, "conditions": [ready]}
        _answer(self._core.patch_node_status, self.node, {"status": status})


def _answer(call, *arguments, **options):
    """Return the API's answer as JSON: the client's objects take many times as long."""
    return json.loads(call(*arguments, **options, _preload_content=False).data)


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
