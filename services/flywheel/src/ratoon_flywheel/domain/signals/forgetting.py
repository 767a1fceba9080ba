"""Forgetting: captured traffic whose question is a text that was erased is deleted, with its feedback.

Segments that hold such an exchange are written again without it. The blobs that they were are noted before that, so
that they are still erased after a crash.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime


@dataclass(frozen=True)
class Forgetting:
    """Texts to delete completely, by their sha256; it is named like the erasure that requested it."""

    name: str
    create_time: datetime
    update_time: datetime
    text_digests: tuple[str, ...]
    doomed: tuple[str, ...] = ()
    """The blobs of segments that are or were to be written again."""
    revision: int = 0


@dataclass(frozen=True)
class Observation:
    """What still exists: segments that hold one of the texts, by name with their blob (empty: it is gone, the
    index is not); doomed blobs."""

    segments: Mapping[str, str]
    blobs: tuple[str, ...] = ()


@dataclass(frozen=True)
class RewriteSegments:
    """Write these segments again without the texts, and delete the feedback on them."""

    names: tuple[str, ...]


@dataclass(frozen=True)
class EraseBlobs:
    """Erase these blobs, which no segment names any more."""

    digests: tuple[str, ...]


Action = RewriteSegments | EraseBlobs


def step(forgetting: Forgetting, observation: Observation) -> tuple[Forgetting, tuple[Action, ...]]:
    """What follows; no action means that nothing is left."""
    if observation.segments:
        doomed = tuple(filter(None, dict.fromkeys((*forgetting.doomed, *observation.segments.values()))))
        return replace(forgetting, doomed=doomed), (RewriteSegments(tuple(observation.segments)),)
    if observation.blobs:
        return forgetting, (EraseBlobs(observation.blobs),)
    return forgetting, ()
