"""Ports of the registry."""

from collections.abc import Sequence
from typing import Protocol

from ratoon.operations.job_procedure import JobRunner
from ratoon.tasks.compute import Compute
from ratoon.tasks.parity import Link
from ratoon_registry.domain.versions import ModelVersion, Verified
from ratoon_registry.domain.weights import Neighbour, Summary


class Weights(Protocol):
    """Weights of model artifacts."""

    def describe(self, digest: str) -> Summary:
        """Return the tensors of an artifact; of an adapter also those of its base model."""
        ...

    def neighbours(self, digest: str, token: str, count: int) -> tuple[Neighbour, list[Neighbour]]:
        """Return a token, and those with the nearest embeddings; TokenUnknown, NoEmbeddings."""
        ...


class Certificates(Protocol):
    """Signed parity certificates."""

    def links(self, digest: str) -> tuple[Link, ...]:
        """Return the links of a certificate; none of an empty digest."""
        ...

    def sealed(self, artifact_digest: str, links: Sequence[Link]) -> str:
        """Sign and store the certificate of an artifact, and return its digest."""
        ...


class Verification(JobRunner[ModelVersion, Verified], Protocol):
    """The heavy check of an artifact: reloaded, golden prompts recorded, signed."""

    def check_named(self, artifact_digest: str) -> None:
        """Refuse a digest that names no tree, or a tree with a bad entry: InvalidArgument, NotFound."""
        ...

    def check_devices(self, compute: Compute) -> None:
        """Refuse devices that are known to be missing: FailedPrecondition."""
        ...
