"""Names that would address another resource than the one that was typed."""

import httpx
import pytest

from ratoon.client.raw.client import Client
from ratoon.client.raw.errors import RatoonSdkError


@pytest.fixture
def requests() -> list[str]:
    return []


@pytest.fixture
def client(requests: list[str]) -> Client:
    def answer(request: httpx.Request) -> httpx.Response:
        requests.append(request.url.path)
        return httpx.Response(200, json={})

    created = Client("http://platform", "key")
    created._http = httpx.Client(base_url="http://platform", transport=httpx.MockTransport(answer))
    return created


@pytest.mark.parametrize(
    "name", ["projects/", "projects/p/datasets/..", "projects/p/datasets/.", "projects//x"]
)
def test_a_name_with_an_empty_part_or_dots_reaches_no_server(client: Client, requests: list[str], name: str):
    for call in (client.get, client.delete):
        with pytest.raises(RatoonSdkError, match="is no resource name"):
            call(name)
    assert requests == []


@pytest.mark.parametrize("name", ["projects", "projects/-", "projects/p/datasets/d/versions/v1.0"])
def test_names_and_collections_are_sent_as_they_are(client: Client, requests: list[str], name: str):
    client.get(name)
    assert requests == [f"/v1/{name}"]
