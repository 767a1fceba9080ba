"""Uploads: each file arrives and is verified, an empty one and one that broke off too, and none is sent twice."""

import asyncio
import hashlib
import json

import httpx
import pytest

from ratoon.client import (
    APIConnectionError,
    APIResponseError,
    AsyncRatoon,
    BadRequestError,
    Ratoon,
    UnavailableError,
    _uploads,
)


class Broken(httpx.SyncByteStream, httpx.AsyncByteStream):
    """Body that ends with a failure."""

    def __init__(self, data: bytes, failure: object) -> None:
        self._data, self._failure = data, failure

    def __iter__(self):
        yield self._data
        raise self._failure

    async def __aiter__(self):
        yield self._data
        raise self._failure


class Store:
    """Takes blobs as the gateway does; each number in `breaks` fails that PUT after its bytes have arrived.

    -1 stands for the next GET, which fails after 100 bytes.
    """

    def __init__(self) -> None:
        self.parts: dict[str, bytes] = {}
        self.blobs: dict[str, bytes] = {}
        self.breaks: dict[int, int | Exception] = {}
        self.puts = 0
        self.ranges: list[str] = []
        self.away = 0
        """Number of requests after the first PUT that are not answered."""

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if self.puts and self.away:
            self.away -= 1
            raise httpx.ConnectError("refused")
        digest = request.url.path.rsplit("/", 1)[-1]
        if request.method == "HEAD":
            return self._head(digest)
        if request.method == "GET":
            return self._get(digest, request)
        return self._put(digest, request)

    def _get(self, digest: str, request: httpx.Request) -> httpx.Response:
        self.ranges.append(request.headers.get("range", ""))
        data = self.blobs[digest]
        start = int(self.ranges[-1].removeprefix("bytes=").removesuffix("-") or 0)
        if start and start >= len(data):
            return httpx.Response(400, json={"status": 400, "reason": "BAD_RANGE"})
        failure = self.breaks.pop(-1, None)
        headers = {"content-length": str(len(data) - start)}
        if failure is not None:
            return httpx.Response(200, headers=headers, stream=Broken(data[:100], failure))
        return httpx.Response(206 if start else 200, headers=headers, content=data[start:])

    def _head(self, digest: str) -> httpx.Response:
        known = self.blobs.get(digest)
        offset = len(self.parts.get(digest, b"")) if known is None else len(known)
        return httpx.Response(204 if known is None else 200, headers={"upload-offset": str(offset)})

    def _put(self, digest: str, request: httpx.Request) -> httpx.Response:
        self.puts += 1
        announced = request.headers.get("content-range", "")
        start = int(announced.removeprefix("bytes ").partition("-")[0] or 0)
        if start not in (0, len(self.parts.get(digest, b""))):
            return httpx.Response(409, json={"status": 409, "reason": "UPLOAD_OFFSET"})
        data = self.parts[digest] = self.parts.get(digest, b"")[:start] + request.content
        if failure := self.breaks.pop(self.puts, None):
            if isinstance(failure, Exception):
                raise failure
            return httpx.Response(failure)
        if announced and len(data) < int(announced.rpartition("/")[2]):
            return httpx.Response(202)
        del self.parts[digest]
        if hashlib.sha256(data).hexdigest() != digest:
            return httpx.Response(400, json={"status": 400, "reason": "DIGEST_MISMATCH"})
        self.blobs[digest] = data
        return httpx.Response(201, json={"sha256": digest, "size": len(data)})


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_uploads, "CHUNK_BYTES", 100)


@pytest.fixture(params=["sync", "async"])
def call(request: pytest.FixtureRequest, store: Store):
    """Call a method of `client.blobs`, of either client."""
    transport = httpx.MockTransport(store)
    options = {"base_url": "http://server", "api_key": "key"}
    if request.param == "sync":
        client = Ratoon(**options, http_client=httpx.Client(transport=transport))
        return lambda name, *args, **more: getattr(client.blobs, name)(*args, **more)
    other = AsyncRatoon(**options, http_client=httpx.AsyncClient(transport=transport))
    return lambda name, *args, **more: asyncio.run(getattr(other.blobs, name)(*args, **more))


@pytest.mark.parametrize("size", [0, 1, 99, 100, 101, 1000])
def test_bytes_and_files_of_any_size_arrive(call, store, tmp_path, size):
    data, path = b"y" * size, tmp_path / "file"
    path.write_bytes(b"z" * size)
    assert store.blobs[call("upload", data)] == data
    assert store.blobs[call("upload", path)] == b"z" * size
    assert store.blobs[call("upload", str(path))] == b"z" * size


def test_progress_is_reported_up_to_the_whole(call):
    seen: list[tuple[int, int]] = []
    call("upload", b"x" * 250, on_bytes=lambda done, total: seen.append((done, total)))
    assert seen == [(100, 250), (200, 250), (250, 250)]


def test_a_partial_upload_is_resumed(call, store):
    data = b"x" * 1000
    store.parts[hashlib.sha256(data).hexdigest()] = data[:730]
    call("upload", data)
    assert store.puts == 3


def test_a_whole_upload_that_was_not_verified_starts_again(call, store):
    digest = hashlib.sha256(b"all of it").hexdigest()
    store.parts[digest] = b"all of it"
    assert call("upload", b"all of it") == digest
    assert store.blobs[digest] == b"all of it"


def test_what_is_there_is_not_sent_again(call, store):
    digest = call("upload", b"once")
    seen: list[tuple[int, int]] = []
    assert call("upload", b"once", on_bytes=lambda done, total: seen.append((done, total))) == digest
    assert (store.puts, seen) == (1, [(4, 4)])


@pytest.mark.parametrize("failure", [httpx.ReadError("reset"), 503, httpx.ReadTimeout("slow")])
def test_an_upload_survives_failures(call, store, failure):
    store.breaks = {2: failure, 5: failure}
    data = bytes(range(250)) * 3
    assert store.blobs[call("upload", data)] == data
    assert store.puts == 8  # what arrived before a failure is not sent again


def test_an_upload_survives_a_restart_of_the_server(call, store):
    store.away = 12
    data = bytes(range(250))
    assert store.blobs[call("upload", data)] == data
    assert store.puts == 3


def test_an_upload_to_a_wrong_endpoint_fails_soon(call, store):
    store.puts, store.away = 1, 1000
    with pytest.raises(APIConnectionError):
        call("upload", b"data")
    assert store.away == 1000 - 3


def test_an_upload_without_progress_ends(call, store):
    store.breaks = {number: httpx.ConnectError("refused") for number in range(1, 100)}
    with pytest.raises(APIConnectionError):
        call("upload", b"")
    assert store.puts == 11


def test_a_file_that_changes_meanwhile_is_refused(call, store, tmp_path):
    path = tmp_path / "log"
    path.write_bytes(b"a" * 250)
    with pytest.raises(BadRequestError) as refused:
        call("upload", path, on_bytes=lambda _done, _total: path.write_bytes(b"b" * 250))
    assert refused.value.reason == "DIGEST_MISMATCH"


def test_the_files_of_a_tree_arrive_before_its_manifest(call, store, tmp_path):
    (tmp_path / "empty").touch()
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "a.safetensors").write_bytes(b"w" * 150)
    seen: list[tuple[int, int]] = []
    tree = call("upload_tree", tmp_path, on_bytes=lambda done, total: seen.append((done, total)))
    assert list(store.blobs)[-1] == tree
    files = json.loads(store.blobs[tree])["files"]
    assert [(each["path"], each["size"]) for each in files] == [("empty", 0), ("weights/a.safetensors", 150)]
    assert all(each["sha256"] in store.blobs for each in files)
    assert seen[-1] == (150, 150)


def test_a_blob_is_downloaded(call, store, tmp_path):
    digest = call("upload", b"text")
    assert call("download", digest) == b"text"
    call("download_to", digest, tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == b"text"
    assert call("exists", digest)
    assert not call("exists", "0" * 64)


def test_a_download_that_broke_off_is_resumed(call, store, tmp_path):
    digest = call("upload", b"w" * 250)
    store.breaks[-1] = httpx.ReadError("reset")
    seen: list[tuple[int, int]] = []
    call("download_to", digest, tmp_path / "copy", on_bytes=lambda done, total: seen.append((done, total)))
    assert (tmp_path / "copy").read_bytes() == b"w" * 250
    assert store.ranges == ["", "bytes=100-"]
    assert seen[-1] == (250, 250)
    assert not (tmp_path / "copy.part").exists()


def test_a_download_continues_the_part_of_an_earlier_one(call, store, tmp_path):
    digest = call("upload", b"w" * 250)
    (tmp_path / "copy.part").write_bytes(b"w" * 60)
    call("download_to", digest, tmp_path / "copy")
    assert store.ranges == ["bytes=60-"]
    (tmp_path / "copy.part").write_bytes(b"x" * 300)
    call("download_to", digest, tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == b"w" * 250


def test_damaged_bytes_are_not_kept(call, store, tmp_path):
    digest = call("upload", b"w" * 250)
    (tmp_path / "copy.part").write_bytes(b"x" * 60)
    with pytest.raises(APIResponseError, match="damaged"):
        call("download_to", digest, tmp_path / "copy")
    assert not list(tmp_path.iterdir())


def test_only_the_named_files_of_a_tree_are_uploaded(call, store, tmp_path):
    (tmp_path / "a").write_bytes(b"a")
    (tmp_path / "b").write_bytes(b"b")
    tree = call("upload_tree", tmp_path, names=["b"])
    assert [each["path"] for each in json.loads(store.blobs[tree])["files"]] == ["b"]


def test_a_client_that_retries_nothing_ends_an_upload_at_its_first_failure(store):
    http = httpx.Client(transport=httpx.MockTransport(store))
    client = Ratoon(base_url="http://server", max_retries=0, http_client=http)
    store.breaks[1] = 503
    with pytest.raises(UnavailableError):
        client.blobs.upload(b"w" * 250)
    assert store.puts == 1
