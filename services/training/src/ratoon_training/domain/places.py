"""Placement of a run's workers, and the name of a run's scratch store."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Place:
    """Placement of a run's workers: dedicated pods, or (empty) any node with capacity."""

    pods: str = ""
    """Name of the run's dedicated pods: of their Deployment, and of the Ray resource of which each pod has one."""
    cpus: int = 0
    """CPUs of each pod."""


FINISH = "finish"
"""File of the scratch store that requests a run to end early, with its best weights so far."""


CLAIMS = 1_000_000
"""Bound on the claims of a run between two resumptions, whose fencing numbers begin at 1 again."""


def finish_request(fence: int) -> bytes:
    """Return the content of FINISH for the attempts of a run with this fencing number, until it is resumed."""
    return str(fence // CLAIMS).encode()


def scratch_name(work: str) -> str:
    """Return the name of the scratch store of the run whose work directory has this name."""
    return f"training/{work}"
