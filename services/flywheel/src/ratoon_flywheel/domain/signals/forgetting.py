"""Forgetting: captured traffic whose question is a text that was erased goes, with all that was said of it.

Segments that hold such an exchange are written again without it. The blobs that they were are noted before that, so
that whoever goes on after a crash knows which ones are still to be erased.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime


@dataclass(frozen=True)
class Forgetting:
    """Texts of which nothing may be left, by their sha256; it is named like the erasure that asks for it."""

    name: str
    create_time: datetime
    update_time: datetime
    text_digests: tuple[str, ...]
    doomed: tuple[str, ...] = ()
    """The blobs of segments that are or were to be written again."""
    revision: int = 0


@dataclass(frozen=True)
class Observation:
    """What is still there: segments that hold one of the texts, by name with their blob (empty: it is gone, the
    index is not); doomed blobs."""

    segments: Mapping[str, str]
    blobs: tuple[str, ...] = ()


@dataclass(frozen=True)
class RewriteSegments:
    """Write these segments again without the texts, and forget what was said of them."""

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
