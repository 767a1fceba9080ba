"""A running installation: start it, call its public API, stop it, and check that no process is left."""

import json
import random
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from ratoon.client import APIStatusError, Ratoon
from ratoon.client.states import has_ended
from ratoon.client.types import Curation, DatasetVersion, Project, Source, SourceFormat
from ratoon.local.installation import Installation, Listener
from ratoon.testkit.waiting import until

from .checker import Databases
from .loop import retrying
from .victims import Census

TEXTS = [
    {
        "id": str(number),
        "text": f"The {word} number {number} of this list is a plain sentence about {word}s.",
        "label": label,
    }
    for label, words in (("ham", ("meeting", "patch", "review")), ("spam", ("prize", "loan", "offer")))
    for number, word in enumerate(words * 8)
]


class Stack:
    """One installation and one client of it."""

    def __init__(self, state: Path) -> None:
        self.installation = Installation(state)
        self.census = Census(state)
        self.port = free_port()
        self.messages: list[str] = []

    @property
    def state(self) -> Path:
        return self.installation.state

    def up(self) -> list[Listener]:
        """`ratoon up`."""
        return self.installation.up(
            isolated=False, host="127.0.0.1", port=self.port, say=self.messages.append
        )

    def down(self) -> None:
        """`ratoon down`; no process is left."""
        self.census.take()
        self.installation.down(keep_workers=False, say=self.messages.append)
        until(lambda: not self.census.left(), 30)

    @property
    def client(self) -> Ratoon:
        """A caller with the operator's key, which sends each request once."""
        return Ratoon(state=self.state, max_retries=0)

    def project(self, name: str) -> Project:
        """Create a project, in one attempt."""
        return self.client.projects.create(project_id=name, labels=["ham", "spam"], request_id=name)

    def source(self, project: str, name: str = "texts") -> Source:
        """Upload the texts as a source, in one attempt each."""
        return self.client.sources.create(
            f"projects/{project}",
            source_id=name,
            display_name=name,
            format=SourceFormat.JSONL,
            digest=self.client.blobs.upload("\n".join(map(json.dumps, TEXTS)).encode()),
            license="CC0-1.0",
            request_id=name,
        )

    def dataset(self, project: str, source: str, name: str = "data") -> str:
        """Create a dataset version of a source; return its name."""
        client, parent = self.client, f"projects/{project}"
        client.datasets.create(parent, dataset_id=name, display_name=name, request_id=name)
        curation = Curation(min_chars=1, near_duplicate_threshold=0)
        dataset = f"{parent}/datasets/{name}"
        return client.dataset_versions.create(
            dataset, sources=[source], curation=curation, request_id=name
        ).name

    def end(self, name: str, seconds: float = 120) -> DatasetVersion:
        """Wait until a dataset version has ended, in any state, and return it."""

        def ended() -> DatasetVersion | None:
            version = retrying(lambda: self.client.dataset_versions.get(name), seconds)
            return version if has_ended(version) else None

        return until(ended, seconds)

    def databases(self) -> Databases:
        """The installation's databases."""
        return Databases(self.state)


def refused(call: Callable[[], object]) -> APIStatusError:
    """The refusal of a call that must not succeed."""
    with pytest.raises(APIStatusError) as refusal:
        call()
    return refusal.value


def free_port() -> int:
    """Return a port that is free with the next one; below the ephemeral ports, which clients could take meanwhile."""
    while True:
        port = random.randrange(20_000, 30_000)
        with socket.socket() as first, socket.socket() as second:
            try:
                first.bind(("127.0.0.1", port))
                second.bind(("127.0.0.1", port + 1))
            except OSError:
                continue
            return port
