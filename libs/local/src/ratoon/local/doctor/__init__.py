"""Read-only checks of an installation on this machine, with a remedy for each finding.

Each check is a function that yields its findings; a check without findings is reported as ok. This package knows
services only by name.
"""

from ratoon.local.doctor import contents, surroundings
from ratoon.local.doctor.findings import Check, Finding, Severity
from ratoon.local.installation import Installation

__all__ = ["CHECKS", "Finding", "Severity", "examine"]

CHECKS: dict[str, Check] = {
    "folders": surroundings.folders,
    "keys": surroundings.keys,
    "processes": surroundings.processes,
    "ports": surroundings.ports,
    "workers": surroundings.workers,
    "databases": contents.databases,
    "resources": contents.resources,
    "events": contents.backlogs,
    "traffic": contents.traffic,
    "machine": surroundings.machine,
    "clock": contents.clock,
}


def examine(installation: Installation, *, thorough: bool = False) -> list[Finding]:
    """Return the findings of every check, or that it is ok; `thorough` also verifies every artifact."""
    if not installation.state.exists():
        message = f"No installation in {installation.state}."
        return [
            Finding(
                "state",
                Severity.FAULT,
                message,
                "Run `ratoon up` to create one, or name its directory with --state.",
            )
        ]
    checks = {**CHECKS, "artifacts": contents.artifacts} if thorough else CHECKS
    return [finding for name, check in checks.items() for finding in _findings(name, check, installation)]


def _findings(name: str, check: Check, installation: Installation) -> list[Finding]:
    troubles = list(check(installation))
    return [Finding(name, each.severity, each.message, each.remedy) for each in troubles] or [
        Finding(name, Severity.OK)
    ]
