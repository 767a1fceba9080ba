"""Sources that a step reads before it sees a batch, and the files that it makes of them."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, Protocol

COUNTS = "counts.json"
"""File of a step with numbers for its report."""


class BadReference(Exception):
    """A source that a step names cannot be used."""

    code, reason = "FAILED_PRECONDITION", "BAD_STEP_SOURCE"


class References(Protocol):
    """Sources of the project by ID."""

    def texts(self, source: str) -> Iterator[str]:
        """Yield the texts of a source; of conversations, all messages and answers."""
        ...

    def labelled(self, source: str) -> Iterator[tuple[str, str]]:
        """Yield the texts of a source with their labels; an empty label stands for none."""
        ...

    def artifact(self, digest: str) -> Iterator[tuple[str, bytes]]:
        """Yield path and content of each file of an artifact tree; BadReference if there is none."""
        ...

    def opened(self, source: str) -> BinaryIO:
        """Return the file of a source as it was imported."""
        ...


Prepare = Callable[[Mapping[str, Any], References, Path], None]
"""Function that writes what a step needs into a directory, from its parameters and the sources that they name."""
