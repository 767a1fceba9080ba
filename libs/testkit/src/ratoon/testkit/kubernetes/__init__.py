"""A real Kubernetes for tests: built from Go modules once, a control plane or a whole cluster on this machine.

Where the programs cannot be built, tests are skipped with the reason.
"""

from ratoon.testkit.kubernetes.api import Api, CommandFailed
from ratoon.testkit.kubernetes.control_plane import ControlPlane, running_control_plane
from ratoon.testkit.kubernetes.tools import missing

__all__ = ["Api", "CommandFailed", "ControlPlane", "missing", "running_control_plane"]
