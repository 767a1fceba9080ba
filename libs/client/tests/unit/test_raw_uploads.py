"""Uploads of the client: each file is sent and proven, an empty one and one that was left at its last byte too."""

import hashlib

import httpx
import pytest

from ratoon.client.raw.client import Client


class Platform:
    """Takes blobs as the gateway does."""

    def __init__(self) -> None:
        self.parts: dict[str, bytes] = {}
        self.whole: dict[str, bytes] = {}

    def __call__(self, request: httpx.Request) -> httpx.Response:
        digest = request.url.path.rsplit("/", 1)[-1]
        if request.method == "HEAD":
            known = self.whole.get(digest)
            offset = len(self.parts.get(digest, b"")) if known is None else len(known)
            return httpx.Response(204 if known is None else 200, headers={"upload-offset": str(offset)})
        announced = request.headers.get("content-range", "")
        start = int(announced.removeprefix("bytes ").partition("-")[0] or 0)
        assert start in (0, len(self.parts.get(digest, b"")))
        data = self.parts.get(digest, b"")[:start] + request.content
        self.parts[digest] = data
        if announced and len(data) < int(announced.rpartition("/")[2]):
            return httpx.Response(202)
        assert hashlib.sha256(data).hexdigest() == digest
        self.whole[digest] = data
        return httpx.Response(201)


@pytest.fixture
def platform() -> Platform:
    return Platform()


@pytest.fixture
def client(platform) -> Client:
    created = Client("http://platform", "key")
    created._http = httpx.Client(base_url="http://platform", transport=httpx.MockTransport(platform))
    return created


@pytest.mark.parametrize("data", [b"", b"x", b"y" * 20_000_000])
def test_a_file_of_any_size_is_there_afterwards(client, platform, data):
    assert platform.whole[client.upload(data)] == data


def test_an_upload_that_was_left_at_its_last_byte_is_proven(client, platform):
    digest = hashlib.sha256(b"all of it").hexdigest()
    platform.parts[digest] = b"all of it"
    assert client.upload(b"all of it") == digest
    assert platform.whole[digest] == b"all of it"


def test_what_is_there_is_not_sent_again(client, platform):
    digest = client.upload(b"once")
    platform.parts.clear()
    client.upload(b"once")
    assert platform.parts == {}
    assert platform.whole[digest] == b"once"


def test_the_files_of_a_tree_are_there_before_the_tree(client, platform, tmp_path):
    (tmp_path / "empty").touch()
    (tmp_path / "config.json").write_text("{}")
    tree = client.upload_tree(tmp_path)
    assert list(platform.whole)[-1] == tree
    assert b"" in platform.whole.values()
