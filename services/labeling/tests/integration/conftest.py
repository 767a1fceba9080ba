"""Small dataset versions in an artifact store, as ingestion writes them."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ratoon.storage.artifacts import ArtifactStore

RECEIVED = datetime(2026, 1, 1, tzinfo=UTC)
Labels = list[str | None]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("labeling")


@pytest.fixture(scope="module")
def artifacts(folder: Path) -> ArtifactStore:
    return ArtifactStore(str(folder / "artifacts"))


@pytest.fixture(scope="module")
def put_dataset(artifacts: ArtifactStore, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """Stores two shards; record `<prefix><n>` came with the n-th label. Gives the tree's digest."""

    def put(labels: Labels, prefix: str = "r", examples: Labels | None = None) -> str:
        tree = tmp_path_factory.mktemp("dataset")
        half = len(labels) // 2
        for number, span in enumerate((range(half), range(half, len(labels)))):
            rows = table(span, labels, prefix)
            if examples is not None:
                column = pa.array([examples[n] for n in span], pa.string())
                rows = rows.append_column("example", column)
            pq.write_table(rows, tree / f"records-{number:05}.parquet")
        (tree / "profile.json").write_text("{}")
        return artifacts.put_tree(tree)

    return put


def table(span: range, labels: Labels, prefix: str) -> pa.Table:
    received = [RECEIVED + timedelta(hours=n) for n in span]
    return pa.table(
        {
            "record_id": [f"{prefix}{n}" for n in span],
            "content_digest": [f"d{n}" for n in span],
            "text": ["a text that no label set reads" for _ in span],
            "source": ["projects/p/sources/mail" for _ in span],
            "source_label": pa.array([labels[n] for n in span], pa.string()),
            "received_time": pa.array(received, pa.timestamp("us", tz="UTC")),
        }
    )
