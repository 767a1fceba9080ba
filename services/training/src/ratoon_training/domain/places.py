"""Where a run's workers compute, and what a run's things are called where several machines share them."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Place:
    """Where the workers of a run compute: pods of the run's own, or (nothing said) wherever there is room."""

    pods: str = ""
    """Name of the run's own pods: of their Deployment, and of the resource that Ray counts one of in each."""
    cpus: int = 0
    """Processors of each."""


def shelf_of(work: str) -> str:
    """The shelf of the run whose work folder has this name, wherever that lies."""
    return f"training/{work}"
