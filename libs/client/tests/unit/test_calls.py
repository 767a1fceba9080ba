"""Calls of resources: what is sent, and what becomes of the answer."""

import asyncio
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from ratoon.client import APIResponseError, omit, types

RUN = "projects/p/trainingRuns/r"


def ok(**body) -> httpx.Response:
    return httpx.Response(200, json=body)


def test_a_create_sends_the_resource_its_id_and_a_request_id(server):
    server.answers = [ok(name=RUN, state="STATE_QUEUED", recipe={"seed": "7", "labels": ["a", "b"]})]
    run = server.client().training_runs.create(
        "projects/p",
        training_run_id="r",
        train_digest="0" * 64,
        recipe=types.Recipe(seed=7, method=types.RecipeMethod.LORA),
    )
    sent = server.requests[0]
    assert (sent.method, sent.url.path) == ("POST", "/v1/projects/p/trainingRuns")
    assert sent.url.params["trainingRunId"] == "r"
    assert len(sent.url.params["requestId"]) == 36
    assert sent.headers["authorization"] == "Bearer key"
    assert sent.headers["user-agent"].startswith("ratoon-client/")
    assert server.bodies() == [{"trainDigest": "0" * 64, "recipe": {"seed": "7", "method": "METHOD_LORA"}}]
    assert isinstance(run, types.TrainingRun)
    assert (run.state, run.recipe.seed, run.recipe.labels) == (types.TrainingRunState.QUEUED, 7, ["a", "b"])


def test_an_async_call_sends_and_returns_the_same(server):
    server.answers = [ok(name="projects/p/datasets/d", displayName="Mails")]

    async def create() -> types.Dataset:
        async with server.async_client() as client:
            return await client.datasets.create("projects/p", display_name="Mails", request_id="once")

    assert asyncio.run(create()).display_name == "Mails"
    assert server.requests[0].url.params["requestId"] == "once"
    assert server.bodies() == [{"displayName": "Mails"}]


def test_an_update_sends_what_was_passed_and_clears_what_is_none(server):
    server.answers = [ok(name="projects/p/apiKeys/k")]
    keys = server.client().api_keys
    keys.update("projects/p/apiKeys/k", display_name="", etag="e")
    keys.update("projects/p/apiKeys/k", expire_time=None, display_name=omit)
    keys.update("projects/p/apiKeys/k", expire_time=datetime(2030, 1, 1, tzinfo=UTC))
    assert server.bodies() == [
        {"displayName": "", "etag": "e"},
        {"expireTime": None},
        {"expireTime": "2030-01-01T00:00:00Z"},
    ]


def test_a_part_of_a_message_is_sent_alone(server):
    server.answers = [ok(name="projects/p")]
    server.client().projects.update("projects/p", gate=types.ProjectGate(baseline_margin=0.1))
    assert server.bodies() == [{"gate": {"baselineMargin": 0.1}}]


def test_a_delete_returns_nothing_and_sends_booleans_as_text(server):
    server.answers = [ok()]
    assert server.client().deployments.delete("projects/p/deployments/d", force=True) is None
    assert server.requests[0].url.params == httpx.QueryParams({"force": "true"})


@pytest.mark.parametrize(
    "name",
    [
        *("", "r", "projects/p", "projects/p/trainingRuns/r:cancel", "projects//trainingRuns/r"),
        *("projects/p/trainingRuns/..", "projects/./trainingRuns/r", "projects/../trainingRuns/r"),
        "projects/p/trainingRuns/\udcff",
    ],
)
def test_a_name_of_another_shape_is_refused_before_it_is_sent(server, name):
    with pytest.raises(ValueError, match=r"projects/\*/trainingRuns/\*"):
        server.client().training_runs.get(name)
    assert server.requests == []


@pytest.mark.parametrize("id", ["a..b", "...", ".a", "a."])
def test_an_id_may_contain_dots(server, id):
    server.answers = [ok()]
    server.client().training_runs.get(f"projects/p/trainingRuns/{id}")
    assert server.requests[0].url.path == f"/v1/projects/p/trainingRuns/{id}"


def test_an_unusual_id_is_quoted(server):
    server.answers = [ok()]
    server.client().records.get("projects/p/datasets/d/versions/v", "a?b#c")
    assert server.requests[0].url.raw_path.endswith(b"/records/a%3Fb%23c")


def test_values_and_fields_of_a_newer_server_are_kept(server):
    server.answers = [ok(name=RUN, state="STATE_THINKING", mood="good", revision="9007199254740993")]
    run = server.client().training_runs.get(RUN)
    assert run.state == "STATE_THINKING"
    assert isinstance(run.state, types.TrainingRunState)
    assert run.model_extra == {"mood": "good"}
    assert run.revision == 9007199254740993
    assert run.model_dump(mode="json", by_alias=True, exclude_unset=True) == {
        "name": RUN,
        "state": "STATE_THINKING",
        "mood": "good",
        "revision": "9007199254740993",
    }


def test_what_is_not_set_has_the_default_of_proto3(server):
    server.answers = [ok()]
    run = server.client().training_runs.get(RUN)
    assert (run.name, run.revision, run.curve, run.metrics, run.plan) == ("", 0, [], {}, None)
    assert run.state is types.TrainingRunState.UNSPECIFIED


def test_times_are_aware_and_nanoseconds_are_cut(server):
    server.answers = [ok(name=RUN, createTime="2026-01-31T12:00:00.123456789Z")]
    assert server.client().training_runs.get(RUN).create_time == datetime(
        2026, 1, 31, 12, 0, 0, 123456, tzinfo=UTC
    )


def test_a_time_without_a_zone_is_refused(server):
    with pytest.raises(ValueError, match="time zone"):
        server.client().api_keys.update("projects/p/apiKeys/k", expire_time=datetime(2030, 1, 1))


def test_durations_and_bytes_have_their_proto3_forms():
    from ratoon.client._models import Bytes, Duration, Message, encode

    class Sample(Message):
        lasts: Duration | None = None
        data: Bytes = b""

    sample = Sample.model_validate({"lasts": "3.5s", "data": "aGk="})
    assert (sample.lasts, sample.data) == (timedelta(seconds=3.5), b"hi")
    assert encode(sample) == {"lasts": "3.5s", "data": "aGk="}
    assert encode([timedelta(seconds=2), b"hi"]) == ["2s", "aGk="]


@pytest.mark.parametrize("content", [b"<html>", b"[]", b'{"revision": "many"}'])
def test_an_answer_that_is_no_message_names_the_endpoint_as_the_cause(server, content):
    server.answers = [httpx.Response(200, content=content)]
    with pytest.raises(APIResponseError, match="TrainingRun"):
        server.client().training_runs.get(RUN)


def test_options_apply_to_a_copy_over_the_same_connections(server):
    server.answers = [ok()]
    client = server.client()
    other = client.with_options(api_key="other", timeout=3.0)
    other.training_runs.get(RUN)
    client.training_runs.get(RUN)
    client.training_runs.get(RUN, timeout=1.5)
    assert [r.headers["authorization"] for r in server.requests] == [
        "Bearer other",
        "Bearer key",
        "Bearer key",
    ]
    assert [r.extensions["timeout"]["read"] for r in server.requests] == [3.0, 60.0, 1.5]


def page(request: httpx.Request) -> httpx.Response:
    """Two pages of two datasets, and one of one."""
    start = int(request.url.params.get("pageToken", "0"))
    names = [{"name": f"projects/p/datasets/{number}"} for number in range(start, min(start + 2, 5))]
    return httpx.Response(
        200, json={"datasets": names, "nextPageToken": "" if start + 2 >= 5 else str(start + 2)}
    )


def test_a_page_yields_the_items_of_all_pages(server):
    server.answers = [page]
    first = server.client().datasets.list("projects/p", page_size=2)
    assert len(first.items) == 2
    assert [each.name[-1] for each in first] == list("01234")
    assert [each.name[-1] for each in first.auto_paging_iter()] == list("01234")
    assert [len(each.items) for each in first.iter_pages()] == [2, 2, 1]
    assert [request.url.params.get("pageToken") for request in server.requests[:3]] == [None, "2", "4"]
    assert {request.url.params["pageSize"] for request in server.requests} == {"2"}


def test_an_async_listing_is_awaited_for_a_page_and_iterated_for_all_items(server):
    server.answers = [page]

    async def names() -> tuple[int, list[str]]:
        client = server.async_client()
        first = await client.datasets.list("projects/p")
        return len(first.items), [each.name[-1] async for each in client.datasets.list("projects/p")]

    assert asyncio.run(names()) == (2, list("01234"))


def test_an_empty_listing_has_no_items(server):
    server.answers = [ok()]
    assert list(server.client().datasets.list("projects/p")) == []
