"""The page that compares a dataset version with another one, over an API in memory."""

import asyncio
import json

import pytest

from ratoon_console.application.ports import Items, Place
from ratoon_console.application.showing.differences import difference_page
from services.console.tests import seed
from services.console.tests.unit.test_pages import Platform, visit

DATASET = "projects/mail/datasets/mail"
VERSIONS = [
    {"name": f"{DATASET}/versions/{name}", "state": state, "createTime": f"2026-01-0{day}T00:00:00Z"}
    for name, state, day in (
        ("v1", "STATE_READY", 1),
        ("v2", "STATE_REDACTED", 2),
        ("v3", "STATE_FAILED", 3),
        ("v4", "STATE_READY", 4),
        ("v5", "STATE_READY", 5),
    )
]
ROWS = [
    {"recordId": "a" * 64, "kind": "KIND_CHANGED", "baseText": "<b>old</b>", "text": "new", "label": "spam"},
    {"recordId": "b" * 64, "kind": "KIND_REMOVED", "baseText": "gone"},
]


class Api:
    """Answers with two differences, and notes the requests."""

    def __init__(self, versions=VERSIONS):
        self.versions, self.queries = versions, []

    async def get(self, name, **query):
        self.queries.append((name.removeprefix(f"{DATASET}/versions/"), query))
        if name.endswith(":diff"):
            return {"counts": {"CHANGED": "1", "REMOVED": "1"}, "unchangedCount": "40"}
        if name.endswith("/recordDifferences"):
            return {"recordDifferences": ROWS, "nextPageToken": "token"}
        return next(each for each in self.versions if each["name"] == name)

    async def newest(self, collection, size=100, after="", **query):
        return Items(self.versions[::-1], "")


def view(version, api, **query):
    place = Place("mail", {"dataset": "mail", "version": version}, query)
    return asyncio.run(difference_page(place, api))


@pytest.mark.parametrize(("version", "base"), [("v5", "v4"), ("v4", "v2"), ("v2", "v1"), ("v1", "")])
def test_a_version_is_compared_with_the_complete_one_before_it(version, base):
    shown = view(version, Api()).values["base"]
    assert shown.rpartition("/")[2] == base


def test_another_version_and_a_kind_can_be_chosen():
    api = Api()
    shown = view("v5", api, base="v1", kind="CHANGED", after="token")
    assert shown.values["base"] == f"{DATASET}/versions/v1"
    query = dict(api.queries)["v5/recordDifferences"]
    assert (query["kinds"], query["pageToken"], query["base"]) == (
        "KIND_CHANGED",
        "token",
        f"{DATASET}/versions/v1",
    )


def test_a_version_that_does_not_exist_or_failed_is_compared_with_nothing():
    assert view("v5", Api(), base="v3").values["base"] == ""
    assert view("v3", Api()).values["base"] == ""
    assert (
        "kinds"
        not in dict((api := Api(), view("v5", api, kind="<script>"))[0].queries)["v5/recordDifferences"]
    )


class Compared(Platform):
    """A project with a second version of its dataset, which was mixed."""

    async def get(self, name, **query):
        if name.endswith(":diff"):
            return {"counts": {"CHANGED": "1234"}, "unchangedCount": "40"}
        if name.endswith("/recordDifferences"):
            return {"recordDifferences": ROWS, "nextPageToken": "a/b="}
        return await super().get(name, **query)


def test_differences_are_shown_with_both_texts_and_a_link_to_the_next():
    platform = Compared()
    seed.busy_project(platform.memory, platform.blobs)
    components = [
        {"dataset_version": f"{seed.DATA}/versions/v1", "record_count": "12", "share": 0.25, "repeats": 2.5}
    ]
    first = platform.memory.resources[f"{seed.DATA}/versions/v1"]
    profile = {**json.loads(first["profileJson"]), "mixture": {"components": components}}
    second = {
        **first,
        "name": f"{seed.DATA}/versions/v9",
        "createTime": seed.at(9),
        "profileJson": json.dumps(profile),
    }
    platform.memory.resources[second["name"]] = second

    async def scenario(client):
        answer = (await client.get("/p/mail/data/mail/v9/difference?kind=CHANGED")).text
        assert "From v1 to v9" in answer
        assert "1,234" in answer
        assert "<del>&lt;b&gt;old&lt;/b&gt;</del>" in answer
        assert "after=a/b%3D" in answer
        assert "label none to spam" in answer
        mixed = (await client.get("/p/mail/data/mail/v9")).text
        assert "datasets/mail/versions/v1" in mixed
        assert "2.50" in mixed

    visit(platform, "viewer", scenario)
