"""Small Kubernetes API in this process: enough of it for serving's adapter, where no real one can be started.

Objects with labels, versions and preconditions; lists and watches; a controller that creates the pods of Deployments
and a scheduler that knows one node's number of pods. It neither validates nor authorises requests: `tests/cluster`
uses a real API server for that.
"""

import base64
import itertools
import json
import queue
import threading
import uuid
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

KINDS = {"deployments": "Deployment", "pods": "Pod", "secrets": "Secret", "events": "Event", "nodes": "Node"}


class SmallApi:
    """API on a loopback port; it can be stopped and started again with its state."""

    def __init__(self, folder: Path) -> None:
        self.lock = threading.RLock()
        self.objects: dict[tuple[str, str], dict] = {}
        self.calls: list[str] = []
        """Method and kind of each request, watches included."""
        self.meddles = False
        """True if a controller writes the status of a Deployment before every other change of it."""
        self._met: set[str] = set()
        self._versions = itertools.count(1)
        self._watchers: list[tuple[str, dict, queue.Queue]] = []
        self._server: ThreadingHTTPServer | None = None
        self._port = 0
        self.kubeconfig = folder / "small.kubeconfig"
        self.start()
        cluster = {"name": "c", "cluster": {"server": f"http://127.0.0.1:{self._port}"}}
        context = {"name": "x", "context": {"cluster": "c", "user": "u"}}
        config = {"clusters": [cluster], "users": [{"name": "u", "user": {}}], "contexts": [context]}
        head = {"apiVersion": "v1", "kind": "Config", "current-context": "x"}
        self.kubeconfig.write_text(json.dumps({**head, **config}))

    def start(self) -> None:
        handler = type("Handler", (_Handler,), {"api": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", self._port), handler)
        self._server.daemon_threads = True
        self._port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        with self.lock:
            for *_, events in self._watchers:
                events.put(None)
            self._watchers.clear()
        self._server.shutdown()
        self._server.server_close()

    # Verbs.

    def create(self, kind: str, body: dict) -> tuple[int, dict]:
        name = body["metadata"]["name"]
        with self.lock:
            if (kind, name) in self.objects:
                return 409, _status(409, "AlreadyExists", f"{kind} {name!r} already exists")
            meta = {**body["metadata"], "uid": str(uuid.uuid4()), "creationTimestamp": _now()}
            created = {"kind": KINDS[kind], **body, "metadata": meta}
            for key, text in created.pop("stringData", {}).items():
                created.setdefault("data", {})[key] = _encoded(text)
            self._put(kind, created, "ADDED")
            self._control()
            return 201, self.objects[kind, name]

    def patch(self, kind: str, name: str, body: dict) -> tuple[int, dict]:
        with self.lock:
            existing = self.objects.get((kind, name))
            if existing is None:
                return 404, _status(404, "NotFound", name)
            existing = self._meddled(kind, existing)
            expected = body.get("metadata", {}).get(
                "resourceVersion", existing["metadata"]["resourceVersion"]
            )
            if expected != existing["metadata"]["resourceVersion"]:
                return 409, _status(409, "Conflict", "the object has been modified")
            changed = _merged(existing, body)
            for key, text in changed.pop("stringData", {}).items():
                changed.setdefault("data", {})[key] = _encoded(text)
            self._put(kind, changed, "MODIFIED")
            self._control()
            return 200, self.objects[kind, name]

    def delete(self, kind: str, name: str, options: dict, grace: str) -> tuple[int, dict]:
        with self.lock:
            existing = self.objects.get((kind, name))
            if existing is None:
                return 404, _status(404, "NotFound", name)
            existing = self._meddled(kind, existing)
            for key, value in (options.get("preconditions") or {}).items():
                if existing["metadata"][key] != value:
                    return 409, _status(409, "Conflict", f"{key} is another")
            if kind == "pods" and grace != "0":
                meta = {**existing["metadata"], "deletionTimestamp": _now()}
                self._put(kind, {**existing, "metadata": meta}, "MODIFIED")
            else:
                del self.objects[kind, name]
                existing["metadata"]["resourceVersion"] = str(next(self._versions))
                self._notify(kind, "DELETED", existing)
            self._control()
            return 200, existing

    def _meddled(self, kind: str, existing: dict) -> dict:
        """Return the object as its controller left it just before a change: it changes it every other time."""
        name = existing["metadata"]["name"]
        if kind != "deployments" or not self.meddles:
            return existing
        if name in self._met:
            self._met.remove(name)
            return existing
        self._met.add(name)
        self._put(kind, {**existing, "status": {"seen": len(self.calls)}}, "MODIFIED")
        return self.objects[kind, name]

    def watch(self, kind: str, selector: dict) -> queue.Queue:
        events: queue.Queue = queue.Queue()
        with self.lock:
            self._watchers.append((kind, selector, events))
        return events

    def listed(self, kind: str, selector: dict) -> dict:
        with self.lock:
            items = [o for (k, _), o in self.objects.items() if k == kind and _selected(o, selector)]
            return {"metadata": {"resourceVersion": str(next(self._versions))}, "items": items}

    # Controllers.

    def _control(self) -> None:
        """Create and delete the pods of Deployments, and schedule them on the node while it has capacity."""
        for deployment in [o for (kind, _), o in self.objects.items() if kind == "deployments"]:
            own = [p for p in self._pods(deployment) if "deletionTimestamp" not in p["metadata"]]
            desired = int(deployment["spec"].get("replicas", 1))
            for _ in range(desired - len(own)):
                self._make_pod(deployment)
            for pod in own[desired:]:
                self.delete("pods", pod["metadata"]["name"], {}, "")
        self._orphans()
        self._schedule()

    def _pods(self, deployment: dict) -> list[dict]:
        uid = deployment["metadata"]["uid"]
        return [o for (kind, _), o in self.objects.items() if kind == "pods" and o["owner"] == uid]

    def _make_pod(self, deployment: dict) -> None:
        template = deployment["spec"]["template"]
        name = f"{deployment['metadata']['name']}-{uuid.uuid4().hex[:5]}"
        meta = {**template["metadata"], "name": name, "uid": str(uuid.uuid4()), "creationTimestamp": _now()}
        pod = {
            "kind": "Pod",
            "metadata": meta,
            "spec": template["spec"],
            "owner": deployment["metadata"]["uid"],
        }
        self._put("pods", {**pod, "status": {"phase": "Pending"}}, "ADDED")

    def _orphans(self) -> None:
        """Delete the objects whose owner, a Deployment, was deleted."""
        uids = {o["metadata"]["uid"] for (kind, _), o in self.objects.items() if kind == "deployments"}
        for (kind, name), owned in list(self.objects.items()):
            owners = [owner["uid"] for owner in owned["metadata"].get("ownerReferences", ())]
            owners += [owned["owner"]] if kind == "pods" else []
            if owners and not set(owners) & uids and "deletionTimestamp" not in owned["metadata"]:
                self.delete(kind, name, {}, "")

    def _schedule(self) -> None:
        nodes = [o for (kind, _), o in self.objects.items() if kind == "nodes"]
        for pod in [o for (kind, _), o in self.objects.items() if kind == "pods"]:
            if "nodeName" in pod["spec"] or not nodes:
                continue
            taken = sum("nodeName" in o["spec"] for (kind, _), o in self.objects.items() if kind == "pods")
            if taken < int(nodes[0].get("status", {}).get("allocatable", {}).get("pods", 0)):
                spec = {**pod["spec"], "nodeName": nodes[0]["metadata"]["name"]}
                self._put("pods", {**pod, "spec": spec}, "MODIFIED")
            elif not pod["status"].get("conditions"):
                condition = {
                    "type": "PodScheduled",
                    "status": "False",
                    "message": "0/1 nodes are available: Too many pods.",
                }
                self._put(
                    "pods", {**pod, "status": {"phase": "Pending", "conditions": [condition]}}, "MODIFIED"
                )

    def _put(self, kind: str, resource: dict, what: str) -> None:
        meta = {**resource["metadata"], "resourceVersion": str(next(self._versions))}
        resource = {**resource, "metadata": meta}
        self.objects[kind, meta["name"]] = resource
        self._notify(kind, what, resource)

    def _notify(self, kind: str, what: str, resource: dict) -> None:
        for watched, selector, events in self._watchers:
            if watched == kind and _selected(resource, selector):
                events.put({"type": what, "object": resource})


class _Handler(BaseHTTPRequestHandler):
    """Paths of namespaced resources, and of nodes."""

    api: SmallApi
    protocol_version = "HTTP/1.1"

    def log_message(self, *_arguments) -> None:
        return

    def do_GET(self) -> None:
        kind, name, query = self._target()
        selector = dict(pair.split("=") for pair in query.get("labelSelector", [""])[0].split(",") if pair)
        if "watch" in query:
            self._watch(kind, selector)
        elif name:
            existing = self.api.objects.get((kind, name))
            self._answer(*((200, existing) if existing else (404, _status(404, "NotFound", name))))
        else:
            self._answer(200, self.api.listed(kind, selector))

    def do_POST(self) -> None:
        kind, *_ = self._target()
        self._answer(*self.api.create(kind, self._body()))

    def do_PATCH(self) -> None:
        kind, name, _ = self._target()
        self._answer(*self.api.patch(kind, name, self._body()))

    def do_DELETE(self) -> None:
        kind, name, query = self._target()
        options = self._body()
        grace = query.get("gracePeriodSeconds", [str(options.get("gracePeriodSeconds", ""))])[0]
        self._answer(*self.api.delete(kind, name, options, grace))

    def _target(self) -> tuple[str, str, dict]:
        url = urlsplit(self.path)
        parts = [part for part in url.path.split("/") if part]
        at = next(place for place, part in enumerate(parts) if part in KINDS)
        self.api.calls.append(f"{self.command} {parts[at]}")
        return parts[at], parts[at + 1] if len(parts) > at + 1 else "", parse_qs(url.query)

    def _body(self) -> dict:
        return json.loads(self.rfile.read(int(self.headers.get("content-length") or 0)) or b"{}")

    def _answer(self, status: int, body: dict) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _watch(self, kind: str, selector: dict) -> None:
        events = self.api.watch(kind, selector)
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        while (event := events.get()) is not None:
            try:
                line = json.dumps(event).encode() + b"\n"
                self.wfile.write(b"%x\r\n%b\r\n" % (len(line), line))
                self.wfile.flush()
            except OSError:
                return
        self.close_connection = True


def _selected(resource: dict, selector: dict) -> bool:
    labels = resource["metadata"].get("labels", {})
    return all(labels.get(key) == value for key, value in selector.items())


def _merged(existing: dict, change: dict) -> dict:
    merged = dict(existing)
    for key, value in change.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = _merged(merged[key], value) if both else value
    return merged


def _status(code: int, reason: str, message: str) -> dict:
    return {"kind": "Status", "code": code, "reason": reason, "message": message}


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
