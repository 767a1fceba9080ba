"""A running installation: start it, call its public API, stop it, and check that no process is left."""

import json
import random
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ratoon.client.raw.client import ENDED_BADLY, ENDED_WELL, Client
from ratoon.client.raw.errors import ApiError
from ratoon.local.installation import Installation, Listener
from ratoon.testkit.waiting import until

from .checker import Databases
from .loop import retrying
from .victims import Census

JSON = dict[str, Any]
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
    def client(self) -> Client:
        """A caller with the operator's key."""
        return Client(state=self.state, timeout_s=60.0)

    def project(self, name: str) -> JSON:
        """Create a project, in one attempt."""
        return self.client.create("projects", {"labels": ["ham", "spam"]}, name, request_id=name)

    def source(self, project: str, name: str = "texts") -> JSON:
        """Upload the texts as a source, in one attempt each."""
        digest = self.client.upload("\n".join(map(json.dumps, TEXTS)).encode())
        body = {"displayName": name, "format": "FORMAT_JSONL", "digest": digest, "license": "CC0-1.0"}
        return self.client.create(f"projects/{project}/sources", body, name, request_id=name)

    def dataset(self, project: str, source: str, name: str = "data") -> str:
        """Create a dataset version of a source; return its name."""
        parent = f"projects/{project}"
        self.client.create(f"{parent}/datasets", {"displayName": name}, name, request_id=name)
        body = {"sources": [source], "curation": {"minChars": 1, "nearDuplicateThreshold": 0}}
        return str(self.client.create(f"{parent}/datasets/{name}/versions", body, request_id=name)["name"])

    def end(self, name: str, seconds: float = 120) -> JSON:
        """Wait until a resource has ended, in any state, and return it."""

        def ended() -> JSON | None:
            resource = retrying(lambda: self.client.get(name), seconds)
            return resource if resource["state"] in ENDED_WELL | ENDED_BADLY else None

        return until(ended, seconds)

    def databases(self) -> Databases:
        """The installation's databases."""
        return Databases(self.state)


def refused(call: Callable[[], object]) -> ApiError:
    """The refusal of a call that must not succeed."""
    with pytest.raises(ApiError) as refusal:
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
