"""Mixtures and differences of real version trees, splits of mixtures, and erasures of what they repeat."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from ratoon.ingestion.v1.difference_pb2 import RecordDifference
from ratoon.ingestion.v1.mixture_pb2 import Mixture
from ratoon.ingestion.v1.split_pb2 import Part
from ratoon.jobs.v1.dataset_jobs_pb2 import DifferenceSpec, MixtureSpec, PartBlob
from ratoon.jobs.v1.ingestion_jobs_pb2 import CurationSpec, ErasureSpec, SplitSpec
from ratoon.storage.artifacts import ArtifactStore
from ratoon_ingestion.worker.curate import curate
from ratoon_ingestion.worker.difference import difference
from ratoon_ingestion.worker.erase import erase
from ratoon_ingestion.worker.mix import MixtureNotFeasible, mix, plan_mixture
from ratoon_ingestion.worker.spec import read_spec
from ratoon_ingestion.worker.split import split

KEY = "00" * 32
LARGE, SMALL = "projects/p/datasets/d/versions/v1", "projects/p/datasets/d/versions/v2"


def silent(fraction: float, message: str, **counts: Any) -> None:
    assert 0 <= fraction <= 1


def english(number: int) -> str:
    return (
        " ".join(f"word{(number * 37 + n * n) % 1009}" for n in range(12)) + f" and the number {number} too"
    )


def chinese(number: int) -> str:
    words = "山水风云日月星辰江河湖海春夏秋冬东西南北红黄蓝绿"
    chosen = "".join(words[(number * 7 + n * n * (number + 3)) % len(words)] for n in range(24))
    return f"第{number}个句子说的是{chosen}，我们今天在这里学习中文，天气很好。"


class Bench:
    """Curates, mixes, splits and compares in one artifact store."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.store = folder, ArtifactStore(str(folder / "artifacts"))

    def version(self, texts: list[str], labels: list[str], source: str = "s", **curation: Any) -> str:
        rows = [
            {"text": text, "label": label, "id": f"{source}-{n}", "user": f"u{n % 9}"}
            for n, (text, label) in enumerate(zip(texts, labels, strict=True))
        ]
        blob = self.store.put_bytes("\n".join(map(json.dumps, rows)).encode())
        stored = {
            "name": f"projects/p/sources/{source}",
            "digest": blob,
            "format": "JSONL",
            "columns": {"attributes": ["user"]},
        }
        spec = {
            "version": "v",
            "curation": curation,
            "sources": [stored],
            "record_key": KEY,
            "processes": 1,
        }
        return curate(read_spec(CurationSpec, spec), self.store, self.folder, silent).artifact_digest

    def spec(self, digests: dict[str, str], **fields: Any) -> MixtureSpec:
        fields.setdefault("components", [Mixture.Component(dataset_version=name) for name in digests])
        mixture = Mixture(**fields)
        chosen = [digests[each.dataset_version] for each in mixture.components]
        return MixtureSpec(version="v3", mixture=mixture, digests=chosen, record_key=KEY, threshold=0.8)

    def mixed(self, digests: dict[str, str], **fields: Any) -> Any:
        return mix(self.spec(digests, **fields), self.store, self.folder, silent)

    def plan(self, digests: dict[str, str], **fields: Any) -> Any:
        return plan_mixture(self.spec(digests, **fields), self.store, silent)

    def rows(self, version: str) -> list[dict[str, Any]]:
        shards = [file.sha256 for file in self.store.tree(version) if file.path.startswith("records-")]
        return [row for shard in shards for row in pq.read_table(self.store.open(shard)).to_pylist()]

    def split(self, version: str, **fields: Any) -> Any:
        ratios = {"train": 0.6, "validation": 0.2, "test": 0.2}
        spec = {
            "dataset_version": version,
            "mode": "STRATIFIED",
            "ratios": ratios,
            "threshold": 0.8,
            **fields,
        }
        return split(read_spec(SplitSpec, spec), self.store, silent)

    def part(self, parts: Any, name: str) -> list[dict[str, Any]]:
        return pq.read_table(self.store.open(parts.parts[name].digest)).to_pylist()

    def diff(self, base: str, version: str, **fields: Any) -> Any:
        return difference(DifferenceSpec(base=base, version=version, **fields), self.store, silent)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(tmp_path_factory.mktemp("mixing"))


@pytest.fixture(scope="module")
def versions(bench: Bench) -> dict[str, str]:
    """200 English records, and 40 Chinese ones with two that the first version has too."""
    labels = ["spam" if n % 4 == 0 else "ham" for n in range(200)]
    large = bench.version([english(n) for n in range(200)], labels, "large")
    texts = [*(chinese(n) for n in range(40)), english(0), f"{english(1)} or nearly so"]
    small = bench.version(
        texts, ["spam" if n % 2 else "ham" for n in range(42)], "small", near_duplicate_threshold=0.0
    )
    return {LARGE: large, SMALL: small}


COMPONENTS = [
    Mixture.Component(dataset_version=LARGE),
    Mixture.Component(dataset_version=SMALL, max_repeats=3),
]


def test_what_is_built_is_what_was_planned_and_the_same_each_time(bench, versions):
    fields = {
        "components": COMPONENTS,
        "strategy": Mixture.STRATEGY_RATIO,
        "unit": Mixture.UNIT_RECORDS,
        "budget": 160,
    }
    plan, built = bench.plan(versions, **fields), bench.mixed(versions, **fields)
    assert not plan.problem
    rows = bench.rows(built.artifact_digest)
    assert len(rows) == plan.record_count == built.records == 160
    counts = Counter(row["source"] for row in rows)
    assert counts == {"projects/p/sources/large": 80, "projects/p/sources/small": 80}
    assert [(each.record_count, each.available_records) for each in plan.components] == [(80, 200), (80, 41)]
    assert plan.components[1].max_repeats == 2
    assert plan.left_out_counts == {"DUPLICATE": 1, "NOT_SAMPLED": 120}
    assert built.artifact_digest == bench.mixed(versions, **fields).artifact_digest
    assert built.artifact_digest != bench.mixed(versions, **fields, seed=1).artifact_digest
    profile = json.loads(
        bench.store.read(
            next(f.sha256 for f in bench.store.tree(built.artifact_digest) if f.path == "profile.json")
        )
    )
    assert profile["mixture"]["components"][1]["record_count"] == "80"


def test_a_token_budget_is_met_to_within_a_record(bench, versions):
    plan = bench.plan(versions, components=COMPONENTS, temperature=5, budget=3000)
    longest = max(row["tokens"] for name in versions for row in bench.rows(versions[name]))
    assert abs(plan.token_count - 3000) <= 2 * longest
    sizes = [each.available_tokens for each in plan.components]
    weights = [size ** (1 / 5) for size in sizes]
    assert plan.components[0].share == pytest.approx(weights[0] / sum(weights), abs=0.02)


def test_languages_and_labels_are_balanced(bench, versions):
    fields = {"unit": Mixture.UNIT_RECORDS, "balance_labels": True, "components": COMPONENTS}
    languages = Counter(row["language"] for row in bench.rows(versions[SMALL]))
    assert languages["zh"] > 30
    built = bench.mixed(versions, **fields)
    labels = Counter(row["source_label"] for row in bench.rows(built.artifact_digest))
    assert abs(labels["spam"] - labels["ham"]) <= 2
    shares = {"zh": 0.4, "en": 0.6}
    fields = {"unit": Mixture.UNIT_RECORDS, "components": COMPONENTS, "strategy": Mixture.STRATEGY_RATIO}
    built = bench.mixed(versions, language_shares=shares, budget=30, **fields)
    assert Counter(row["language"] for row in bench.rows(built.artifact_digest)) == {"zh": 12, "en": 18}
    plan = bench.plan(versions, language_shares=shares, budget=30, **fields)
    assert (
        plan.left_out_counts["OTHER_LANGUAGE"] == sum(languages.values()) - languages["zh"] - languages["en"]
    )


def test_what_cannot_be_built_says_why(bench, versions):
    fields = {"strategy": Mixture.STRATEGY_RATIO, "unit": Mixture.UNIT_RECORDS, "budget": 160}
    plan = bench.plan(versions, **fields)
    assert "Raise max_repeats, or lower the budget to at most 82" in plan.problem
    assert (plan.max_budget, plan.record_count) == (82, 0)
    with pytest.raises(MixtureNotFeasible, match="max_repeats is 1"):
        bench.mixed(versions, **fields)


def test_near_duplicates_and_repetitions_never_straddle_a_split(bench, versions):
    built = bench.mixed(
        versions, components=COMPONENTS, strategy=Mixture.STRATEGY_RATIO, unit=Mixture.UNIT_RECORDS
    )
    rows = {row["record_id"]: row for row in bench.rows(built.artifact_digest)}
    by_text = {row["text"]: row for row in rows.values()}
    assert by_text[english(1)]["cluster"] == by_text[f"{english(1)} or nearly so"]["cluster"]
    copies = {name: dict(row["attributes"]).get("copy_of", "") for name, row in rows.items()}
    assert sum(map(bool, copies.values())) > 50
    for name, original in copies.items():
        if original:
            assert rows[name]["content_digest"] == rows[original]["content_digest"]
            assert rows[name]["cluster"] == rows[original]["cluster"]
    parts = bench.split(built.artifact_digest)
    placed = {row["record_id"]: name for name in parts.parts for row in bench.part(parts, name)}
    clusters: dict[str, set[str]] = {}
    for name, part in placed.items():
        clusters.setdefault(rows[name]["cluster"], set()).add(part)
    assert all(len(each) == 1 for each in clusters.values())
    assert {placed[name] for name in placed if copies[name]} == {"TRAIN"}
    assert all(
        name in placed for name, original in copies.items() if original and placed.get(original) == "TRAIN"
    )
    assert parts.withheld["REPEATED"] == sum(bool(original) for original in copies.values()) - sum(
        bool(copies[name]) for name in placed
    )


def test_labels_of_people_count_for_repetitions_too(bench, versions, tmp_path):
    import pyarrow as pa

    built = bench.mixed(
        versions, components=COMPONENTS, strategy=Mixture.STRATEGY_RATIO, unit=Mixture.UNIT_RECORDS
    )
    rows = bench.rows(built.artifact_digest)
    originals = [row["record_id"] for row in rows if "copy_of" not in dict(row["attributes"])]
    pq.write_table(pa.table({"record_id": originals, "label": ["new"] * len(originals)}), tmp_path / "labels")
    parts = bench.split(built.artifact_digest, label_set=bench.store.put_file(tmp_path / "labels"))
    train = bench.part(parts, "TRAIN")
    assert {row["label"] for row in train} == {"new"}
    assert any("copy_of" in dict(row["attributes"]) for row in train)


def test_an_erasure_removes_every_repetition_of_a_record(bench, versions):
    built = bench.mixed(
        versions, components=COMPONENTS, strategy=Mixture.STRATEGY_RATIO, unit=Mixture.UNIT_RECORDS
    )
    rows = bench.rows(built.artifact_digest)
    copy = next(row for row in rows if "copy_of" in dict(row["attributes"]))
    named = {"v1": versions[LARGE], "v2": versions[SMALL], "v3": built.artifact_digest}
    spec = ErasureSpec(
        record_ids=[copy["record_id"]],
        record_key=KEY,
        versions=[ErasureSpec.Version(name=name, digest=digest) for name, digest in named.items()],
    )
    result = erase(spec, bench.store, silent)
    assert set(result.versions) == {"v2", "v3"}
    left = [row["text"] for name in ("v2", "v3") for row in bench.rows(result.versions[name].digest)]
    assert copy["text"] not in left
    same = [row for row in rows if row["text"] == copy["text"]]
    assert len(left) == len(rows) + len(bench.rows(versions[SMALL])) - len(same) - 1


def test_a_record_whose_repetition_has_the_id_of_another_keeps_all_ids_apart(bench):
    """Two records of one source text: the second has the id that a repetition of the first would get."""
    texts = [english(500), english(500), english(501)]
    source = {"name": "projects/p/sources/twice", "format": "JSONL", "columns": {}}
    blob = bench.store.put_bytes(
        "\n".join(json.dumps({"text": text, "id": str(n)}) for n, text in enumerate(texts)).encode()
    )
    spec = {
        "version": "v",
        "curation": {"exact_duplicates": False, "near_duplicate_threshold": 0.0},
        "sources": [{**source, "digest": blob}],
        "record_key": KEY,
        "processes": 1,
    }
    digest = curate(read_spec(CurationSpec, spec), bench.store, bench.folder, silent).artifact_digest
    components = [Mixture.Component(dataset_version=LARGE, max_repeats=4)]
    built = bench.mixed({LARGE: digest}, components=components)
    ids = [row["record_id"] for row in bench.rows(built.artifact_digest)]
    assert len(ids) == len(set(ids)) == 4 * len(bench.rows(digest))
    named = {"v1": digest, "v3": built.artifact_digest}
    versions = [ErasureSpec.Version(name=name, digest=each) for name, each in named.items()]
    first = next(row["record_id"] for row in bench.rows(digest) if row["text"] == english(500))
    erased = erase(ErasureSpec(record_ids=[first], record_key=KEY, versions=versions), bench.store, silent)
    left = [row["text"] for name in named for row in bench.rows(erased.versions[name].digest)]
    assert left == [english(501)] * 5


def test_sources_of_one_version_are_mixed_by_ratio(bench):
    rows = [{"text": english(600 + n), "id": str(n)} for n in range(60)]
    sources = [
        {
            "name": f"projects/p/sources/{name}",
            "digest": bench.store.put_bytes("\n".join(map(json.dumps, part)).encode()),
            "format": "JSONL",
            "columns": {},
        }
        for name, part in (("a", rows[:40]), ("b", rows[40:50]), ("c", rows[50:]))
    ]
    spec = {"version": "v", "curation": {}, "sources": sources, "record_key": KEY, "processes": 1}
    digest = curate(read_spec(CurationSpec, spec), bench.store, bench.folder, silent).artifact_digest
    components = [
        Mixture.Component(dataset_version=LARGE, source="projects/p/sources/a", weight=2),
        Mixture.Component(dataset_version=LARGE, source="projects/p/sources/b", weight=1),
    ]
    fields = {"components": components, "strategy": Mixture.STRATEGY_RATIO, "unit": Mixture.UNIT_RECORDS}
    built = bench.mixed({LARGE: digest}, **fields)
    counts = Counter(row["source"] for row in bench.rows(built.artifact_digest))
    assert counts == {"projects/p/sources/a": 20, "projects/p/sources/b": 10}
    assert dict(bench.plan({LARGE: digest}, **fields).left_out_counts) == {"NOT_SAMPLED": 20}


@pytest.fixture(scope="module")
def pair(bench: Bench) -> tuple[str, str]:
    """Two versions: of 60 texts, ten are gone, ten new, five were masked, and five have another label."""
    mails = [f"{english(n)} write to user{n}@example.com" if n % 12 == 5 else english(n) for n in range(70)]
    labels = ["spam" if n % 3 else "ham" for n in range(70)]
    before = bench.version(mails[:60], labels[:60], "s", masks=["phone"])
    relabelled = [
        {"spam": "ham", "ham": "spam"}[label] if n in (11, 12, 13, 14, 16) else label
        for n, label in enumerate(labels)
    ]
    after = bench.version(mails[10:], relabelled[10:], "s", masks=["email"])
    return before, after


def test_a_difference_counts_added_removed_and_changed_records(bench, pair):
    before, after = ({row["record_id"]: row for row in bench.rows(each)} for each in pair)
    result = bench.diff(*pair)
    common = set(before) & set(after)
    changed = {
        each
        for each in common
        if (before[each]["content_digest"], before[each]["source_label"])
        != (after[each]["content_digest"], after[each]["source_label"])
    }
    assert result.counts == {
        "ADDED": len(set(after) - set(before)),
        "REMOVED": len(set(before) - set(after)),
        "CHANGED": len(changed),
    }
    assert result.unchanged == len(common) - len(changed)
    assert len(changed) >= 9
    assert bench.diff(pair[0], pair[0]).unchanged == 60


@pytest.mark.parametrize("rows", [3, 50_000])
def test_pages_of_a_difference_hold_each_record_once_in_their_order(bench, pair, rows, monkeypatch):
    monkeypatch.setattr("ratoon_ingestion.worker.difference._BATCH_ROWS", rows)
    total = bench.diff(*pair)
    pages, after = [], ""
    while True:
        page = bench.diff(*pair, limit=4, after=after)
        pages += page.records
        if not page.more:
            break
        after = page.records[-1].record_id
    ids = [each.record_id for each in pages]
    assert ids == sorted(set(ids))
    kinds = Counter(RecordDifference.Kind.Name(each.kind).removeprefix("KIND_") for each in pages)
    assert kinds == total.counts
    changed = bench.diff(*pair, limit=100, kinds=["CHANGED"]).records
    assert {each.kind for each in changed} == {RecordDifference.KIND_CHANGED}
    assert len(changed) == total.counts["CHANGED"]


def test_records_that_moved_between_parts_are_named_with_both(bench, versions):
    digest = versions[LARGE]
    one, two = bench.split(digest, seed=1), bench.split(digest, seed=2)
    places = [
        {row["record_id"]: name for name in each.parts for row in bench.part(each, name)}
        for each in (one, two)
    ]
    expected = {
        each: (places[0][each], places[1][each]) for each in places[0] if places[0][each] != places[1][each]
    }
    blobs = [
        [PartBlob(part=name, digest=part.digest) for name, part in each.parts.items()] for each in (one, two)
    ]
    assert bench.diff(digest, digest, base_parts=blobs[0], parts=blobs[1]).counts == {"MOVED": len(expected)}
    page = bench.diff(digest, digest, base_parts=blobs[0], parts=blobs[1], limit=1000)
    named = {
        each.record_id: tuple(Part.Name(part).removeprefix("PART_") for part in (each.base_part, each.part))
        for each in page.records
    }
    assert named == expected
