"""Admission gate of one served model: which version answers, whether new requests are accepted, how many are open."""

import time
import uuid
from dataclasses import dataclass, field
from typing import Any


@dataclass
class AdmissionGate:
    """State of the engine's own model, or of one adapter."""

    version: str = ""
    artifact_digest: str = ""
    accepting: bool = True
    in_flight: int = 0
    """Number of requests that were admitted and have not ended."""
    error_rate: float = 0.0
    """Share of completions that fail on purpose, from 0 to 1 (a drill)."""
    drill_ends: float = 0.0
    """End of the drill on the monotonic clock, in seconds."""
    load_id: str = field(default_factory=lambda: uuid.uuid4().hex)
    """Id of this load of these weights; another load of the same version has another one."""
    _debt: float = 0.0

    def fails_next(self) -> bool:
        """Return whether the next completion fails on purpose; failures are spread evenly, not drawn by chance."""
        if self.error_rate and time.monotonic() > self.drill_ends:
            self.error_rate = 0.0
        self._debt += self.error_rate
        if self._debt < 1:
            return False
        self._debt -= 1
        return True

    def status(self) -> dict[str, Any]:
        """Return the gate as the control API reports it."""
        return {
            "version": self.version,
            "artifact_digest": self.artifact_digest,
            "accepting": self.accepting,
            "in_flight": self.in_flight,
            "error_rate": self.error_rate,
            "load_id": self.load_id,
        }
