"""What is wrong with an installation on this machine, and how to mend it. It looks, and changes nothing.

Each check is a function that yields what it found; one that finds nothing is well. It knows rooms by name only.
"""

from ratoon.sdk.local.doctor import contents, surroundings
from ratoon.sdk.local.doctor.findings import Check, Finding, Severity
from ratoon.sdk.local.installation import Installation

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
    """Every check's findings, or that it is well; `thorough` reads every artifact."""
    if not installation.state.exists():
        said = f"There is no installation in {installation.state}."
        return [Finding("state", Severity.FAULT, said, "Start one: ratoon up, or name its folder: --state")]
    checks = {**CHECKS, "artifacts": contents.artifacts} if thorough else CHECKS
    return [finding for name, check in checks.items() for finding in _found(name, check, installation)]


def _found(name: str, check: Check, installation: Installation) -> list[Finding]:
    troubles = list(check(installation))
    return [Finding(name, each.severity, each.said, each.remedy) for each in troubles] or [
        Finding(name, Severity.OK)
    ]
