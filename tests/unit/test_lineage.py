"""Models that saw a record: those that learned from it, and those that continue such a model."""

from ratoon.client.raw.lineage import lineage_of

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

    def get(self, name, **query):
        assert name == f"{P}/records/r:lineage"
        return {"recordId": "r", "placements": self.placements, "erasure": f"{P}/erasures/e"}

    def list(self, collection, page_size=500):
        yield from {f"{P}/models": [{"name": M}], f"{M}/versions": reversed(self.versions)}[collection]


def test_versions_that_learned_from_a_record_and_their_descendants():
    lineage = lineage_of(Registry(), P, "r")
    assert [name.rpartition("/")[2] for name in lineage["modelVersions"]] == ["v1", "v3", "v4", "v5"]
    assert lineage["erasure"] == f"{P}/erasures/e"
