"""A small Kubernetes API in this process: enough of it for serving's adapter, where no real one can be started.

Objects with labels, versions and preconditions; lists and watches; a controller that makes the pods of Deployments
and a scheduler that knows one node's number of pods. What a real API server validates, admits and forbids, it does
not: `tests/cluster` asks a real one.
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
    """Serves on a loopback port until it is stopped; it may be taken away and come back with its state."""

    def __init__(self, folder: Path) -> None:
        self.lock = threading.RLock()
        self.objects: dict[tuple[str, str], dict] = {}
        self.calls: list[str] = []
        """Method and kind of each request, watches included."""
        self.meddles = False
        """Whether a controller writes each Deployment's status before any second change of it can be made."""
        self._met: set[str] = set()
        self._versions = itertools.count(1)
        self._watchers: list[tuple[str, dict, queue.Queue]] = []
        self._server: ThreadingHTTPServer | None = None
        self._port = 0
        self.kubeconfig = folder / "small.kubeconfig"
        self.start()
        cluster = {"name": "c", "cluster": {"server": f"http://127.0.0.1:{self._port}"}}
        context = {"name": "x", "context": {"cluster": "c", "user": "u"}}
        told = {"clusters": [cluster], "users": [{"name": "u", "user": {}}], "contexts": [context]}
        head = {"apiVersion": "v1", "kind": "Config", "current-context": "x"}
        self.kubeconfig.write_text(json.dumps({**head, **told}))

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

    # What the verbs do.

    def create(self, kind: str, body: dict) -> tuple[int, dict]:
        name = body["metadata"]["name"]
        with self.lock:
            if (kind, name) in self.objects:
                return 409, _status(409, "AlreadyExists", f"{kind} {name!r} already exists")
            meta = {**body["metadata"], "uid": str(uuid.uuid4()), "creationTimestamp": _now()}
            made = {"kind": KINDS[kind], **body, "metadata": meta}
            for key, text in made.pop("stringData", {}).items():
                made.setdefault("data", {})[key] = _encoded(text)
            self._put(kind, made, "ADDED")
            self._control()
            return 201, self.objects[kind, name]

    def patch(self, kind: str, name: str, body: dict) -> tuple[int, dict]:
        with self.lock:
            there = self.objects.get((kind, name))
            if there is None:
                return 404, _status(404, "NotFound", name)
            there = self._meddled(kind, there)
            wanted = body.get("metadata", {}).get("resourceVersion", there["metadata"]["resourceVersion"])
            if wanted != there["metadata"]["resourceVersion"]:
                return 409, _status(409, "Conflict", "the object has been modified")
            changed = _merged(there, body)
            for key, text in changed.pop("stringData", {}).items():
                changed.setdefault("data", {})[key] = _encoded(text)
            self._put(kind, changed, "MODIFIED")
            self._control()
            return 200, self.objects[kind, name]

    def delete(self, kind: str, name: str, options: dict, grace: str) -> tuple[int, dict]:
        with self.lock:
            there = self.objects.get((kind, name))
            if there is None:
                return 404, _status(404, "NotFound", name)
            there = self._meddled(kind, there)
            for key, value in (options.get("preconditions") or {}).items():
                if there["metadata"][key] != value:
                    return 409, _status(409, "Conflict", f"{key} is another")
            if kind == "pods" and grace != "0":
                meta = {**there["metadata"], "deletionTimestamp": _now()}
                self._put(kind, {**there, "metadata": meta}, "MODIFIED")
            else:
                del self.objects[kind, name]
                there["metadata"]["resourceVersion"] = str(next(self._versions))
                self._tell(kind, "DELETED", there)
            self._control()
            return 200, there

    def _meddled(self, kind: str, there: dict) -> dict:
        """The object as its controller has left it just before it is changed: every other time it is another one."""
        name = there["metadata"]["name"]
        if kind != "deployments" or not self.meddles:
            return there
        if name in self._met:
            self._met.remove(name)
            return there
        self._met.add(name)
        self._put(kind, {**there, "status": {"seen": len(self.calls)}}, "MODIFIED")
        return self.objects[kind, name]

    def watch(self, kind: str, selector: dict) -> queue.Queue:
        events: queue.Queue = queue.Queue()
        with self.lock:
            self._watchers.append((kind, selector, events))
        return events

    def listed(self, kind: str, selector: dict) -> dict:
        with self.lock:
            found = [o for (k, _), o in self.objects.items() if k == kind and _selected(o, selector)]
            return {"metadata": {"resourceVersion": str(next(self._versions))}, "items": found}

    # What controllers do.

    def _control(self) -> None:
        """Pods as Deployments want them, each on the node while that has room."""
        for there in [o for (kind, _), o in self.objects.items() if kind == "deployments"]:
            own = [p for p in self._pods(there) if "deletionTimestamp" not in p["metadata"]]
            wanted = int(there["spec"].get("replicas", 1))
            for _ in range(wanted - len(own)):
                self._make_pod(there)
            for pod in own[wanted:]:
                self.delete("pods", pod["metadata"]["name"], {}, "")
        self._orphans()
        self._schedule()

    def _pods(self, there: dict) -> list[dict]:
        uid = there["metadata"]["uid"]
        return [o for (kind, _), o in self.objects.items() if kind == "pods" and o["owner"] == uid]

    def _make_pod(self, there: dict) -> None:
        made = there["spec"]["template"]
        name = f"{there['metadata']['name']}-{uuid.uuid4().hex[:5]}"
        meta = {**made["metadata"], "name": name, "uid": str(uuid.uuid4()), "creationTimestamp": _now()}
        pod = {"kind": "Pod", "metadata": meta, "spec": made["spec"], "owner": there["metadata"]["uid"]}
        self._put("pods", {**pod, "status": {"phase": "Pending"}}, "ADDED")

    def _orphans(self) -> None:
        """What was owned by a Deployment that is gone goes as well."""
        uids = {o["metadata"]["uid"] for (kind, _), o in self.objects.items() if kind == "deployments"}
        for (kind, name), there in list(self.objects.items()):
            owners = [owner["uid"] for owner in there["metadata"].get("ownerReferences", ())]
            owners += [there["owner"]] if kind == "pods" else []
            if owners and not set(owners) & uids and "deletionTimestamp" not in there["metadata"]:
                self.delete(kind, name, {}, "")

    def _schedule(self) -> None:
        nodes = [o for (kind, _), o in self.objects.items() if kind == "nodes"]
        for there in [o for (kind, _), o in self.objects.items() if kind == "pods"]:
            if "nodeName" in there["spec"] or not nodes:
                continue
            taken = sum("nodeName" in o["spec"] for (kind, _), o in self.objects.items() if kind == "pods")
            if taken < int(nodes[0].get("status", {}).get("allocatable", {}).get("pods", 0)):
                spec = {**there["spec"], "nodeName": nodes[0]["metadata"]["name"]}
                self._put("pods", {**there, "spec": spec}, "MODIFIED")
            elif not there["status"].get("conditions"):
                why = {
                    "type": "PodScheduled",
                    "status": "False",
                    "message": "0/1 nodes are available: Too many pods.",
                }
                self._put("pods", {**there, "status": {"phase": "Pending", "conditions": [why]}}, "MODIFIED")

    def _put(self, kind: str, told: dict, what: str) -> None:
        meta = {**told["metadata"], "resourceVersion": str(next(self._versions))}
        told = {**told, "metadata": meta}
        self.objects[kind, meta["name"]] = told
        self._tell(kind, what, told)

    def _tell(self, kind: str, what: str, told: dict) -> None:
        for wanted, selector, events in self._watchers:
            if wanted == kind and _selected(told, selector):
                events.put({"type": what, "object": told})


class _Handler(BaseHTTPRequestHandler):
    """Paths of namespaced resources, and of nodes."""

    api: SmallApi
    protocol_version = "HTTP/1.1"

    def log_message(self, *_given) -> None:
        return

    def do_GET(self) -> None:
        kind, name, asked = self._asked()
        selector = dict(pair.split("=") for pair in asked.get("labelSelector", [""])[0].split(",") if pair)
        if "watch" in asked:
            self._watch(kind, selector)
        elif name:
            found = self.api.objects.get((kind, name))
            self._answer(*((200, found) if found else (404, _status(404, "NotFound", name))))
        else:
            self._answer(200, self.api.listed(kind, selector))

    def do_POST(self) -> None:
        kind, *_ = self._asked()
        self._answer(*self.api.create(kind, self._body()))

    def do_PATCH(self) -> None:
        kind, name, _ = self._asked()
        self._answer(*self.api.patch(kind, name, self._body()))

    def do_DELETE(self) -> None:
        kind, name, asked = self._asked()
        options = self._body()
        grace = asked.get("gracePeriodSeconds", [str(options.get("gracePeriodSeconds", ""))])[0]
        self._answer(*self.api.delete(kind, name, options, grace))

    def _asked(self) -> tuple[str, str, dict]:
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


def _selected(told: dict, selector: dict) -> bool:
    labels = told["metadata"].get("labels", {})
    return all(labels.get(key) == value for key, value in selector.items())


def _merged(there: dict, change: dict) -> dict:
    merged = dict(there)
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
