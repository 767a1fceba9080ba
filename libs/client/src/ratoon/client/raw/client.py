"""Client of the public HTTP API: resources as JSON objects, resumable uploads, watches, chat, feedback."""

import hashlib
import json
import os
import time
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from ratoon.client.raw.errors import ApiError, OperationFailed, RatoonSdkError, Unreachable

JSON = dict[str, Any]
DEFAULT_URL = "http://127.0.0.1:8080"
ENDED_WELL = {"STATE_READY", "STATE_SUCCEEDED"}
ENDED_BADLY = {"STATE_FAILED", "STATE_CANCELLED", "STATE_REFUSED", "STATE_ROLLED_BACK", "STATE_REDACTED"}
_CHUNK = 4 << 20
_RECONNECTS = 30
_FEEDBACK_ATTEMPTS = 6


@dataclass(frozen=True)
class Answer:
    """Answer of a model: the text, the id for feedback, and the version that wrote it (`name@version`)."""

    text: str
    id: str
    version: str


class Client:
    """Client. `url` and `api_key` default to RATOON_URL and RATOON_API_KEY, then to the local installation."""

    def __init__(
        self, url: str = "", api_key: str = "", state: Path | None = None, timeout_s: float = 60.0
    ) -> None:
        state = state or Path(os.environ.get("RATOON_STATE", ".ratoon"))
        self.url = (url or os.environ.get("RATOON_URL") or _installed_url(state)).rstrip("/")
        self.api_key = api_key or os.environ.get("RATOON_API_KEY") or _operator_key(state)
        headers = {"authorization": f"Bearer {self.api_key}"} if self.api_key else {}
        self._http = httpx.Client(base_url=self.url, headers=headers, timeout=timeout_s)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def get(self, name: str, **query: object) -> JSON:
        """Get a resource by name, or send any GET request below /v1."""
        return self._call("GET", name, query=query)

    def post(self, name: str, body: Mapping[str, object] | None = None, **query: object) -> JSON:
        """Send a POST request below /v1: a create with a body, or a custom method (`…:cancel`)."""
        return self._call("POST", name, body or {}, query)

    def patch(self, name: str, body: Mapping[str, object], **query: object) -> JSON:
        """Update only the fields of a resource that are in `body`, which includes the etag of the resource as read."""
        return self._call("PATCH", name, body, query)

    def delete(self, name: str, **query: object) -> JSON:
        """Delete a resource; with `etag`, only if it has not changed since it was read."""
        return self._call("DELETE", name, query=query)

    def create(self, collection: str, body: Mapping[str, object], id: str = "", request_id: str = "") -> JSON:
        """Create a resource in a collection (`projects/p/datasets`). Retries with the same `request_id` are safe."""
        query: dict[str, object] = {"requestId": request_id or str(uuid.uuid4())}
        if id:
            query[id_field(collection)] = id
        return self._call("POST", collection, body, query)

    def list(self, collection: str, page_size: int = 500, **query: object) -> Iterator[JSON]:
        """Yield all resources of a collection, page by page; `query` may filter or order them."""
        token = ""
        while True:
            page = self.get(collection, pageSize=page_size, pageToken=token, **query)
            for value in page.values():
                if isinstance(value, list):
                    yield from value
            token = page.get("nextPageToken", "")
            if not token:
                return

    def watch(self, name: str) -> Iterator[JSON]:
        """Yield the state of a resource and each newer state until the final one. Resume if the stream breaks."""
        last_event_id, failures = "", 0
        while True:
            try:
                for event_id, state in self._events(name, last_event_id):
                    last_event_id, failures = event_id, 0
                    yield state
                return
            except (httpx.TransportError, Unreachable) as broken:
                failures += 1
                if failures > _RECONNECTS:
                    raise Unreachable(
                        f"{self.url} stopped responding during the watch of {name}."
                    ) from broken
                time.sleep(_backoff_s(failures + 1))

    def wait(self, name: str, on_state: Callable[[JSON], None] = lambda _: None) -> JSON:
        """Watch a resource and return its final state. Raise OperationFailed unless it is ready or succeeded."""
        state: JSON = {}
        for state in self.watch(name):
            on_state(state)
        if state.get("state") in ENDED_WELL:
            return state
        failure = state.get("failure", {})
        message = failure.get("message") or state.get("reason") or state.get("state", "no state was reported")
        raise OperationFailed(f"{name}: {message}", state)

    def upload(self, source: Path | bytes, on_bytes: Callable[[int, int], None] = lambda _d, _t: None) -> str:
        """Upload a file or bytes to the artifact store, resume a partial upload, and return the digest."""
        data = source if isinstance(source, bytes) else None
        digest = hashlib.sha256(data).hexdigest() if data is not None else _file_digest(Path(str(source)))
        total = len(data) if data is not None else Path(str(source)).stat().st_size
        done, whole = self._uploaded(digest, total)
        if not whole and total == 0:
            self._send("PUT", f"/v1/blobs/{digest}", content=b"")
        while not whole and done < total:
            chunk = data[done : done + _CHUNK] if data is not None else _read_at(Path(str(source)), done)
            headers = {"content-range": f"bytes {done}-{done + len(chunk) - 1}/{total}"}
            self._send("PUT", f"/v1/blobs/{digest}", content=chunk, headers=headers)
            done += len(chunk)
            on_bytes(done, total)
        return digest

    def upload_tree(
        self,
        folder: Path,
        on_bytes: Callable[[int, int], None] = lambda _d, _t: None,
        names: Collection[str] | None = None,
    ) -> str:
        """Upload a directory, or the files of it in `names`, to the artifact store; return the digest of the tree."""
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        if names is not None:
            files = [path for path in files if path.relative_to(folder).as_posix() in names]
        total, before, rows = sum(path.stat().st_size for path in files), 0, []

        def advance(done: int, _total: int) -> None:
            on_bytes(before + done, total)

        for path in files:
            digest, size = self.upload(path, advance), path.stat().st_size
            rows.append({"path": path.relative_to(folder).as_posix(), "sha256": digest, "size": size})
            before += size
        rows.sort(key=lambda row: str(row["path"]))
        return self.upload(json.dumps({"files": rows}, separators=(",", ":"), sort_keys=True).encode())

    def download(self, digest: str) -> bytes:
        """Download a blob from the artifact store."""
        return self._send("GET", f"/v1/blobs/{digest}").content

    def chat(self, model: str, text: str, **options: object) -> Answer:
        """Send a prompt to a deployment (`name` or `name@version`); pass options such as `max_tokens` to the engine."""
        body = {"model": model, "messages": [{"role": "user", "content": text}], "temperature": 0, **options}
        response = self._send("POST", "/v1/chat/completions", json=body)
        completion = response.json()
        answer_id = response.headers.get("x-ratoon-answer-id", completion["id"])
        return Answer(
            completion["choices"][0]["message"]["content"] or "",
            answer_id,
            response.headers["x-ratoon-model"],
        )

    def feedback(
        self, answer_id: str, *, thumb: str = "", rating: int = 0, correction: str = "", comment: str = ""
    ) -> JSON:
        """Give feedback on an answer: thumb `up` or `down`, rating 1 to 5, correction. It is stored on return."""
        fields = {"thumb": thumb, "rating": rating, "correction": correction, "comment": comment}
        body = {"id": answer_id, **{k: v for k, v in fields.items() if v}}
        for attempt in range(_FEEDBACK_ATTEMPTS):
            try:
                return self._call("POST", "feedback", body)
            except ApiError as error:
                if error.status != httpx.codes.SERVICE_UNAVAILABLE or attempt + 1 == _FEEDBACK_ATTEMPTS:
                    raise
                time.sleep(_backoff_s(attempt + 1))
        raise AssertionError("unreachable")

    def _call(
        self,
        method: str,
        name: str,
        body: Mapping[str, object] | None = None,
        query: Mapping[str, object] | None = None,
    ) -> JSON:
        params = {key: str(value) for key, value in (query or {}).items() if value not in ("", None)}
        response = self._send(
            method, f"/v1/{_checked(name)}", json=None if method in ("GET", "DELETE") else body, params=params
        )
        value: JSON = response.json() if response.content else {}
        return value

    def _send(self, method: str, path: str, **options: Any) -> httpx.Response:
        try:
            response = self._http.request(method, path, **options)
        except httpx.TransportError as broken:
            raise Unreachable(
                f"No server responds at {self.url} ({broken}). If Ratoon is not running, start it: ratoon up"
            ) from broken
        if response.is_error:
            raise _api_error(response)
        return response

    def _events(self, name: str, last_id: str) -> Iterator[tuple[str, JSON]]:
        """Yield the server-sent events of a watch: id and state."""
        headers = {"accept": "text/event-stream", **({"last-event-id": last_id} if last_id else {})}
        with self._http.stream(
            "GET", f"/v1/{_checked(name)}:watch", headers=headers, timeout=httpx.Timeout(30, read=None)
        ) as stream:
            if stream.is_error:
                stream.read()
                raise _api_error(stream)
            event_id, data = last_id, ""
            for line in stream.iter_lines():
                key, _, value = line.partition(":")
                if key == "id":
                    event_id = value.strip()
                elif key == "data":
                    data += value.strip()
                elif not line and data:
                    yield event_id, _state(data)
                    data = ""

    def _uploaded(self, digest: str, total: int) -> tuple[int, bool]:
        """Return the number of bytes of a blob that the platform has, and True if it has verified them."""
        response = self._http.head(f"/v1/blobs/{digest}")
        if response.status_code == httpx.codes.NOT_FOUND:
            return 0, False
        if response.is_error:
            raise _api_error(response)
        whole = response.status_code == httpx.codes.OK
        offset = min(int(response.headers.get("upload-offset", total)), total)
        return (0, False) if offset == total and not whole else (offset, whole)


def id_field(collection: str) -> str:
    """Return the query parameter for the id of a new resource: `datasetId` for `projects/p/datasets`."""
    last = collection.rsplit("/", 1)[-1]
    special = {"policies": "policy", "aliases": "alias", "feedback": "feedback"}
    if collection.endswith("/versions"):
        return "modelVersionId" if "/models/" in collection else "versionId"
    return f"{special.get(last, last.removesuffix('s'))}Id"


def _state(data: str) -> JSON:
    value: JSON = json.loads(data)
    if "status" in value and "title" in value:
        raise ApiError(
            int(value["status"]), str(value.get("reason", "")), str(value.get("detail", value["title"]))
        )
    return value


def _checked(name: str) -> str:
    """Return the name; RatoonSdkError if a part of it is missing or steps out of its place, as `..` in a URL does."""
    if not {"", ".", ".."}.isdisjoint(name.partition(":")[0].split("/")):
        raise RatoonSdkError(f"{name!r} is no resource name: a part of it is empty or consists of dots.")
    return name


def _api_error(response: httpx.Response) -> ApiError:
    try:
        body = response.json()
    except ValueError:
        return ApiError(response.status_code, "", f"HTTP {response.status_code} {response.reason_phrase}")
    error = body.get("error", body)
    message = error.get("detail") or error.get("message") or error.get("title") or response.reason_phrase
    return ApiError(response.status_code, str(error.get("reason") or error.get("code") or ""), str(message))


def _installed_url(state: Path) -> str:
    listens = state / "run" / "gateway.url"
    return listens.read_text().strip() if listens.exists() else DEFAULT_URL


def _operator_key(state: Path) -> str:
    path = state / "keys" / "operator.key"
    return path.read_text().strip() if path.exists() else ""


def _file_digest(path: Path) -> str:
    with path.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()


def _read_at(path: Path, offset: int) -> bytes:
    with path.open("rb") as source:
        source.seek(offset)
        return source.read(_CHUNK)


def _backoff_s(attempt: int) -> float:
    """Return the seconds to wait after this many failed attempts in a row."""
    return float(min(5.0, 0.2 * 2.0 ** (attempt - 1)))
