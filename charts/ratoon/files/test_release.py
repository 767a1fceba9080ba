"""Test script of `helm test`: list the models, then curate a tiny dataset through the public API."""

import os
import sys
import tempfile
import uuid
from pathlib import Path

from ratoon.client import Ratoon
from ratoon.client.local_data import create_source
from ratoon.client.types import Curation, DatasetVersion

MAILS = 12
PROJECT = "helm-test"
THINGS = ["harbour", "lantern", "orchard", "compass", "violin", "garden", "engine", "library", "market"]
# The generated letters are similar to each other: keep all of them.
CURATION = Curation(min_chars=1, near_duplicate_threshold=0, keep_exact_duplicates=True)


def main() -> int:
    """Run the test and return the exit status; a failure raises an exception that describes it."""
    key = Path(os.environ["OPERATOR_KEY"]).read_text().strip()
    client = Ratoon(base_url=os.environ["RATOON_URL"], api_key=key)
    print("models:", len(client.chat.served_models()))
    name = f"helm-test-{uuid.uuid4().hex[:8]}"
    client.projects.create(project_id=PROJECT, labels=["ham", "spam"], request_id=f"create-{PROJECT}")
    version = curated(client, f"projects/{PROJECT}", name)
    print("curated:", version.name, version.state, "records:", version.record_count)
    return 0 if version.record_count == MAILS else 1


def letter(number: int) -> str:
    """Return the text of a generated letter."""
    first, second, third = (THINGS[number * step % len(THINGS)] for step in (1, 3, 7))
    asked = f"please bring the {first} to the {second} before the {third} closes"
    return f"Dear neighbour, {asked}. Yours, number {number}.\n"


def curated(client: Ratoon, parent: str, name: str) -> DatasetVersion:
    """Create a dataset version from a few texts and wait until it is ready."""
    with tempfile.TemporaryDirectory() as folder:
        for number in range(MAILS):
            label = Path(folder) / ("ham" if number % 2 else "spam")
            label.mkdir(exist_ok=True)
            (label / f"{number}.txt").write_text(letter(number))
        source = create_source(client, parent, Path(folder), source_id=name)
    dataset = client.datasets.create(parent, dataset_id=name, display_name=name, request_id=name)
    begun = client.dataset_versions.create(
        dataset.name, sources=[source.name], curation=CURATION, request_id=f"{name}-1"
    )
    return client.dataset_versions.wait(begun.name)


if __name__ == "__main__":
    sys.exit(main())
