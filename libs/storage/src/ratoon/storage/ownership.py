"""Ownership of artifacts by projects, as requests and stored resources state it.

A request of a project may refer to the artifacts of this project alone. What a resource of a project refers to belongs
to the project from then on. What was stored before there were owners is given to them once. It knows no domain.
"""

import logging
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any

from google.protobuf.message import Message

from ratoon.process.errors import NotFound
from ratoon.runtime.requests import digests_in, is_artifact_field, project_of_request
from ratoon.security.identity import ANY_PROJECT, Principal
from ratoon.storage.artifacts import ArtifactStore
from ratoon.storage.names import project_of
from ratoon.storage.store import Store

_LOG = logging.getLogger(__name__)
_MARK = "restricted"
"""Beginning of the note that all stored resources were gone through; releases that restricted no blobs used others."""
_AGAIN_S = 60.0
"""Seconds until it is tried again after a fault."""
_SETTLED_S = 24 * 3600.0
"""Seconds after the first run during which each start repeats it: an older version may have run concurrently."""


def check_request(artifacts: ArtifactStore, principal: Principal, request: Message) -> None:
    """Raise NotFound for an artifact that the principal's project does not own; the same when no project owns it.

    A principal of the whole installation may refer to any: what it refers to belongs to the request's project then.
    """
    for each in digests_in(request):
        if principal.project == ANY_PROJECT:
            artifacts.grant(project_of_request(request), each.value)
        elif not artifacts.owned(principal.project, each.value):
            raise NotFound(
                f"{each.path}: projects/{principal.project} has no artifact {each.value}; upload it first.",
                reason="ARTIFACT_NOT_FOUND",
                field=each.path,
            )


@cache
def _marks(kind: Any) -> Sequence[tuple[str, bool, bool, bool]]:
    """Return the fields of a dataclass: name, if it is the digest of an artifact, if that is sealed, if restricted."""
    return [
        (
            field.name,
            is_artifact_field(field.name) or field.metadata.get("artifact", False),
            field.metadata.get("sealed", False),
            field.metadata.get("restricted", False),
        )
        for field in fields(kind)
    ]


def digests_of(value: object) -> Iterator[str]:
    """The digests of artifacts in a resource: texts in fields of its dataclasses that are named so, or marked.

    A field whose name does not say so is marked by `field(metadata={"artifact": True})`. Keys and values of mappings
    are a caller's words: they are no references, whatever they look like.
    """
    if is_dataclass(value) and not isinstance(value, type):
        for name, is_artifact, *_ in _marks(type(value)):
            content = getattr(value, name)
            if not isinstance(content, str):
                yield from digests_of(content)
            elif is_artifact and content:
                yield content
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from digests_of(each)
    elif isinstance(value, list | tuple | set | frozenset):
        for each in value:
            yield from digests_of(each)


def sealed_in(value: object) -> Iterator[str]:
    """Yield the digests of a resource that hold records of test parts, or reveal which records are in them.

    Their fields are marked by `field(metadata={"sealed": True})`, or the property `sealed_blobs` of a dataclass names
    them.
    """
    if is_dataclass(value) and not isinstance(value, type):
        yield from filter(None, getattr(value, "sealed_blobs", ()))
        for name, _, is_sealed, _ in _marks(type(value)):
            content = getattr(value, name)
            if isinstance(content, str):
                yield from [content] if is_sealed and content else []
            else:
                yield from sealed_in(content)
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from sealed_in(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from sealed_in(each)


def restricted_in(resource: object) -> Iterator[str]:
    """Yield the digests of raw data in a resource: fields that are marked by `field(metadata={"restricted": True})`."""
    if is_dataclass(resource) and not isinstance(resource, type):
        for name, _, _, is_restricted in _marks(type(resource)):
            content = getattr(resource, name)
            if is_restricted and isinstance(content, str) and content:
                yield content


class Owners:
    """Gives artifacts to the projects whose resources refer to them."""

    def __init__(self, artifacts: ArtifactStore) -> None:
        self._artifacts = artifacts

    def grant(self, resource: object) -> None:
        """Let what a resource refers to belong to its project; a resource of no project owns nothing.

        Callers cannot download what is sealed.
        """
        if project := project_of(getattr(resource, "name", "")):
            for digest in sealed_in(resource):
                self._artifacts.seal(project, digest)
            for digest in restricted_in(resource):
                self._artifacts.restrict(project, digest)
            for digest in digests_of(resource):
                self._artifacts.grant(project, digest)


class StoredOwners:
    """Gives, on a thread of its own, the artifacts of resources of an older version to their projects."""

    def __init__(self, service: str, store: Store, artifacts: ArtifactStore) -> None:
        self._mark, self._store, self._artifacts = f"{_MARK}-{service}", store, artifacts
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"{service}-owners", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Stop after the resource in hand; the next start goes on."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._is_done() and not self._stopping.wait(_AGAIN_S):
            pass

    def _is_done(self) -> bool:
        """Return whether all owners are noted; not while the object store or the database is away."""
        try:
            since = self._artifacts.noted(self._mark)
            if since is None or since < _SETTLED_S:
                self.grant_all()
                if since is None and not self._stopping.is_set():
                    self._artifacts.note(self._mark)
        except Exception:
            _LOG.exception("owners of stored artifacts could not all be noted; trying again")
            return False
        return True

    def grant_all(self) -> None:
        """Go through all stored resources once."""
        owners = Owners(self._artifacts)
        for resource in self._store.referring():
            if self._stopping.is_set():
                return
            owners.grant(resource)
