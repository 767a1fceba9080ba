"""Forms of connections, streams and crawls: the resources that they describe, and the requests that they send."""

import pytest

from ratoon_console.domain import collection
from ratoon_console.domain.errors import BadForm
from services.console.tests.unit.test_actions import press

LAKE = "projects/p/connections/lake"


@pytest.mark.parametrize(
    ("fields", "body"),
    [
        (
            {"kind": "KIND_FSSPEC", "url": "s3://lake/in", "format": "FORMAT_CSV", "pattern": "*.csv",
             "column-text": "body", "column-attributes": "a, b,", "interval_seconds": "3600",
             "query": "SELECT 1", "max_items": "10,000"},
            {"kind": "KIND_FSSPEC", "url": "s3://lake/in", "format": "FORMAT_CSV", "pattern": "*.csv",
             "columns": {"text": "body", "attributes": ["a", "b"]}, "maxItems": 10000,
             "schedule": {"intervalSeconds": 3600.0}},
        ),
        (
            {"kind": "KIND_SQL", "url": "postgresql://db/mail", "query": "SELECT *\r\nFROM mails",
             "cursor_column": "at", "key_column": "id", "overlap": "0.5", "cron": "0 3 * * *",
             "format": "FORMAT_JSONL"},
            {"kind": "KIND_SQL", "url": "postgresql://db/mail", "query": "SELECT *\nFROM mails",
             "cursorColumn": "at", "keyColumn": "id", "overlap": 0.5, "schedule": {"cron": "0 3 * * *"}},
        ),
        (
            {"kind": "KIND_KAFKA", "url": "kafka://k:9092/mail", "format": "FORMAT_JSONL"},
            {"kind": "KIND_KAFKA", "url": "kafka://k:9092/mail"},
        ),
    ],
)  # fmt: skip
def test_a_connection_has_the_fields_of_its_kind_alone(fields, body):
    done, (method, name, sent, query) = press("create-connection", connection="lake", **fields)
    assert (method, name, sent) == ("POST", "projects/p/connections", body)
    assert query == {"connectionId": "lake", "requestId": "q"}
    assert done.target.startswith("/p/p/")


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"kind": ""}, "choose one"),
        ({"interval_seconds": "60", "cron": "* * * * *"}, "not both"),
        ({"interval_seconds": "nan"}, "not a number"),
        ({"max_items": "-1"}, "not a whole number"),
        ({"max_items": "²"}, "not a whole number"),
    ],
)
def test_a_connection_that_is_not_clear_is_refused(fields, problem):
    with pytest.raises(BadForm, match=problem):
        press("create-connection", connection="lake", **{"kind": "KIND_KAFKA", "url": "kafka://k/t"} | fields)


def test_a_connection_is_changed_with_the_etag_of_its_page_and_empty_fields_take_defaults():
    _, (method, name, body, query) = press(
        "change-connection", name=LAKE, etag="3", kind="KIND_FSSPEC", pattern="*.gz", domain="mail"
    )
    assert (method, name, body["etag"], body["pattern"], body["domain"]) == (
        "PATCH",
        LAKE,
        "3",
        "*.gz",
        "mail",
    )
    assert "schedule" not in body and "schedule" in query["updateMask"].split(",")
    assert body["maxItems"] == 0 and "overlap" not in query["updateMask"]


@pytest.mark.parametrize(("button", "paused"), [("pause-connection", True), ("resume-connection", False)])
def test_a_schedule_is_suspended_and_resumed(button, paused):
    _, (_, _, body, query) = press(button, name=LAKE, etag="3")
    assert body == {"etag": "3", "paused": paused}
    assert query == {"updateMask": "paused"}


def test_a_connection_is_read_and_deleted():
    assert press("read-connection", name=LAKE)[1][:2] == ("POST", f"{LAKE}:read")
    assert press("delete-connection", name=LAKE, etag="3")[1] == ("DELETE", LAKE, {}, {"etag": "3"})


@pytest.mark.parametrize(
    ("connection", "words"),
    [
        ({}, "on request"),
        ({"schedule": {"intervalSeconds": 3600.0}}, "every 1 h"),
        ({"schedule": {"cron": "0 3 * * *"}, "paused": True}, "at 0 3 * * * (UTC), paused"),
    ],
)
def test_a_schedule_is_read_as_a_sentence(connection, words):
    assert collection.schedule_words(connection) == words


def test_a_stream_is_created_changed_filled_sealed_and_deleted():
    _, (_, name, body, query) = press(
        "create-stream", stream="tickets", segment_records="500", **{"column-text": "t"}
    )
    assert (name, query["streamId"]) == ("projects/p/streams", "tickets")
    assert body == {"segmentRecords": 500, "columns": {"text": "t"}}
    stream = "projects/p/streams/tickets"
    _, (_, _, body, query) = press("change-stream", name=stream, etag="2", license="CC0-1.0")
    assert body == {
        "etag": "2", "displayName": "", "license": "CC0-1.0", "segmentRecords": 0, "segmentSeconds": 0
    }  # fmt: skip
    assert query["updateMask"] == "displayName,license,segmentRecords,segmentSeconds"
    done, (_, name, body, _) = press("append-record", name=stream, record_id="a", text="Hello", label="x")
    assert (name, body) == (f"{stream}:append", {"records": [{"id": "a", "text": "Hello", "label": "x"}]})
    assert done.notice == "The record is appended."
    assert press("seal-stream", name=stream)[1][1] == f"{stream}:seal"
    assert press("delete-stream", name=stream)[1][:2] == ("DELETE", stream)


def test_a_crawl_starts_with_the_bounds_of_its_form():
    _, (_, name, body, query) = press(
        "create-crawl", crawl="guide", start_urls="https://a.example/\r\n\r\nhttp://b.example/x",
        path_prefixes="/x", max_pages="20", max_depth="0", delay_seconds="0.5", skip_sitemaps="yes",
    )  # fmt: skip
    assert (name, query["crawlId"]) == ("projects/p/crawls", "guide")
    assert body == {
        "startUrls": ["https://a.example/", "http://b.example/x"], "pathPrefixes": ["/x"], "maxPages": 20,
        "maxDepth": 0, "delaySeconds": 0.5, "skipSitemaps": True,
    }  # fmt: skip


@pytest.mark.parametrize("addresses", ["", "ftp://a.example/", "a.example", "https:///x"])
def test_a_crawl_without_web_addresses_is_refused(addresses):
    with pytest.raises(BadForm, match="address"):
        press("create-crawl", crawl="guide", start_urls=addresses)


def test_a_crawl_is_repeated_for_what_has_changed():
    crawl = {"name": "projects/p/crawls/a", "startUrls": ["https://a.example/"], "maxPages": 5,
             "state": "STATE_SUCCEEDED", "pageCount": "4"}  # fmt: skip
    assert collection.again(crawl) == {
        "startUrls": ["https://a.example/"], "maxPages": 5, "previous": "projects/p/crawls/a"
    }  # fmt: skip
