"""What the registry needs from the world."""

from typing import Protocol

from ratoon_registry.domain.versions import ModelVersion, Observation


class Verification(Protocol):
    """The heavy check of an artifact: reloaded, golden prompts recorded, signed. One job an attempt."""

    def check_named(self, artifact_digest: str) -> None:
        """Refuse a digest that names no tree, or a tree with a bad entry: InvalidArgument, NotFound."""
        ...

    def observe(self, job_id: str) -> Observation:
        """The job as it is now."""
        ...

    def start(self, job_id: str, version: ModelVersion) -> None:
        """Begin, unless this job was begun before."""
        ...

    def restart(self, job_id: str, version: ModelVersion) -> None:
        """Begin again what was lost."""
        ...

    def stop(self, job_id: str) -> None:
        """Ask the job to end; kill it after a grace."""
        ...
