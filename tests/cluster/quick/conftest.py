"""One control plane for all tests here."""

from ratoon.testkit.kubernetes import control_plane

__all__ = ["control_plane"]
