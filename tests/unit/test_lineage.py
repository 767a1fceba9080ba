"""Models that saw a record: those that learned from it, and those that continue such a model."""

import httpx

from ratoon.client import Ratoon
from ratoon.client.records import lineage_of

P = "projects/p"
M = f"{P}/models/p"


class Registry:
    """Answers as the public API does: a record in two splits, and five versions of one model."""

    def __init__(self) -> None:
        self.placements = [
            {"split": "first", "part": "PART_TRAIN"},
            {"split": "second", "part": "PART_TEST"},
            {"split": "third", "part": "PART_VALIDATION"},
        ]
        lineages = [("first", ""), ("second", ""), ("other", "v1"), ("third", "v2"), ("other", "v3")]
        self.versions = [
            {
                "name": f"{M}/versions/v{number}",
                "createTime": f"2026-01-0{number}T00:00:00Z",
                "lineage": {"split": split, "parentVersion": f"{M}/versions/{parent}" if parent else ""},
            }
            for number, (split, parent) in enumerate(lineages, 1)
        ]

    def __call__(self, request: httpx.Request) -> httpx.Response:
        answers = {
            f"{P}/records/r:lineage": {
                "recordId": "r",
                "placements": self.placements,
                "erasure": f"{P}/erasures/e",
            },
            f"{P}/models": {"models": [{"name": M}]},
            f"{M}/versions": {"modelVersions": self.versions[::-1]},
        }
        return httpx.Response(200, json=answers[request.url.path.removeprefix("/v1/")])


def test_versions_that_learned_from_a_record_and_their_descendants():
    http = httpx.Client(transport=httpx.MockTransport(Registry()))
    lineage, versions = lineage_of(Ratoon(base_url="http://server", http_client=http), P, "r")
    assert [name.rpartition("/")[2] for name in versions] == ["v1", "v3", "v4", "v5"]
    assert lineage.erasure == f"{P}/erasures/e"
