"""Test script of `helm test`: list the models, then curate a tiny dataset through the public API."""

import os
import sys
import tempfile
import uuid
from pathlib import Path

from ratoon.client.raw import Client
from ratoon.client.raw.sources import create_source

MAILS = 12
PROJECT = "helm-test"
THINGS = ["harbour", "lantern", "orchard", "compass", "violin", "garden", "engine", "library", "market"]
# The generated letters are similar to each other: keep all of them.
CURATION = {"minChars": 1, "nearDuplicateThreshold": 0, "keepExactDuplicates": True}


def main() -> int:
    """Run the test and return the exit status; a failure raises an exception that describes it."""
    client = Client(os.environ["RATOON_URL"], Path(os.environ["OPERATOR_KEY"]).read_text().strip())
    print("models:", len(client.get("models").get("data", [])))
    name = f"helm-test-{uuid.uuid4().hex[:8]}"
    client.create("projects", {"labels": ["ham", "spam"]}, PROJECT, f"create-{PROJECT}")
    version = curated(client, f"projects/{PROJECT}", name)
    print("curated:", version["name"], version["state"], "records:", version.get("recordCount"))
    return 0 if int(version.get("recordCount", 0)) == MAILS else 1


def letter(number: int) -> str:
    """Return the text of a generated letter."""
    first, second, third = (THINGS[number * step % len(THINGS)] for step in (1, 3, 7))
    asked = f"please bring the {first} to the {second} before the {third} closes"
    return f"Dear neighbour, {asked}. Yours, number {number}.\n"


def curated(client: Client, parent: str, name: str) -> dict[str, object]:
    """Create a dataset version from a few texts and wait until it is ready."""
    with tempfile.TemporaryDirectory() as folder:
        for number in range(MAILS):
            label = Path(folder) / ("ham" if number % 2 else "spam")
            label.mkdir(exist_ok=True)
            (label / f"{number}.txt").write_text(letter(number))
        source = create_source(client, parent, Path(folder), source_id=name)
    dataset = client.create(f"{parent}/datasets", {"displayName": name}, name, name)
    body = {"sources": [source["name"]], "curation": CURATION}
    begun = client.create(f"{dataset['name']}/versions", body, request_id=f"{name}-1")
    return client.wait(begun["name"])


if __name__ == "__main__":
    sys.exit(main())
