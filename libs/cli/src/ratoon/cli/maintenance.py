"""`ratoon doctor`, `backup`, `restore`, `gc`: maintain the installation on this machine."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ratoon.cli.context import session
from ratoon.cli.local import State
from ratoon.cli.output import say, show_rows

if TYPE_CHECKING:
    from ratoon.local.installation import Installation
    from ratoon.storage.gc_items import Removal
    from ratoon.storage.retention import Expired


def doctor(
    context: typer.Context,
    thorough: Annotated[
        bool, typer.Option("--thorough", help="Also read and verify every artifact.")
    ] = False,
    state: State = None,
) -> None:
    """Check the installation on this machine and print remedies. Exit status 1 if a check finds a fault."""
    from ratoon.local.doctor import Severity, examine
    from ratoon.local.installation import Installation, find_state

    findings = examine(Installation(find_state(state)), thorough=thorough)
    rows = [asdict(finding) for finding in findings]
    show_rows(rows, ["check", "severity", "message", "remedy"], session(context).output)
    if any(finding.severity is Severity.FAULT for finding in findings):
        raise typer.Exit(1)


def gc(
    context: typer.Context,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what would be removed, and why. Remove nothing.")
    ] = False,
    grace_hours: Annotated[
        float | None,
        typer.Option(min=1.0, help="Hours to keep new items.", show_default="RATOON_GC_GRACE_HOURS, else 24"),
    ] = None,
    keep_days: Annotated[
        float | None,
        typer.Option(
            min=0.0, help="Days to keep unreferenced items.", show_default="RATOON_GC_KEEP_DAYS, else 7"
        ),
    ] = None,
    quota_gib: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            help="Size in GiB above which unreferenced items are removed after the grace hours.",
            show_default="RATOON_GC_QUOTA_GIB, else no quota",
        ),
    ] = None,
    state: State = None,
) -> None:
    """Remove unreferenced artifacts, job directories, checkpoints, engine directories and model directories.

    Also remove rollouts, engines, pipeline runs and failed runs that ended longer ago than the settings of their
    services keep them.

    Exit status 1 if the remaining items exceed the quota.
    """
    from ratoon.runtime.services import service_names
    from ratoon.storage import retention
    from ratoon.storage.gc import GcSettings, collect, survey

    installation = _existing_installation(state)
    options = {"grace_hours": grace_hours, "keep_days": keep_days, "quota_gib": quota_gib}
    chosen = {name: value for name, value in options.items() if value is not None}
    limits = GcSettings().model_copy(update=chosen).limits()
    result = survey([installation.settings(service) for service in service_names()], limits)
    gone = list(result.removals) if dry_run else collect(result)
    expired = list(result.expired) if dry_run else retention.remove(result.expired)
    rows = [*_rows(gone, installation.state), *_expired_rows(expired)]
    show_rows(rows, ["kind", "bytes", "path", "why"], session(context).output)
    freed = sum(each.item.size for each in gone)
    verb = "Would remove" if dry_run else "Removed"
    say(f"{verb} {len(gone)} of {len(result.items)} items: {_mib(freed)} of {_mib(result.total_bytes)}.")
    say(f"{verb} {len(expired)} ended resources.")
    if limits.quota_bytes is not None and result.total_bytes - freed > limits.quota_bytes:
        say(f"The remaining items are referenced or new, and exceed the quota of {_mib(limits.quota_bytes)}.")
        raise typer.Exit(1)


def _rows(gone: "Sequence[Removal]", state: Path) -> list[dict[str, object]]:
    return [
        {
            "kind": each.item.kind,
            "bytes": each.item.size,
            "path": str(each.item.path).removeprefix(f"{state}/"),
            "why": each.why,
        }
        for each in gone
    ]


def _expired_rows(expired: "Sequence[Expired]") -> list[dict[str, object]]:
    return [
        {"kind": each.retention.kind.__name__, "bytes": each.size, "path": each.name, "why": each.why}
        for each in expired
    ]


def backup(
    file: Annotated[Path, typer.Argument(help="Backup file to write; it must not exist.")],
    state: State = None,
) -> None:
    """Write the complete state to one file; Ratoon may be running. The file contains the keys: protect it like them."""
    from ratoon.local.backup import back_up
    from ratoon.runtime.services import service_names

    installation = _existing_installation(state)
    services = [installation.settings(service) for service in service_names()]
    manifest = back_up(installation.state, services, file.absolute())
    say(f"{file}: {len(manifest.files)} files, {_mib(manifest.size)}, readable only by you.")
    for path in manifest.damaged:
        say(f"{path} is damaged in the installation and therefore in the backup.")


def restore(
    file: Annotated[Path, typer.Argument(help="Backup file.", exists=True, dir_okay=False)],
    state: Annotated[
        Path, typer.Option("--state", help="State directory to create; it must be empty or not exist.")
    ],
) -> None:
    """Create an installation from a backup and verify every byte. Start it with `ratoon up --state`."""
    from ratoon.local.backup import restore as unpack

    manifest = unpack(file, state.absolute())
    say(f"{state}: {len(manifest.files)} files, {_mib(manifest.size)}; backup of {manifest.time}.")
    say(f"Start it with: ratoon up --state {state}")


def _existing_installation(state: Path | None) -> "Installation":
    """Return the installation; raise typer.BadParameter if there is none."""
    from ratoon.local.installation import Installation, find_state

    installation = Installation(find_state(state))
    if not installation.state.exists():
        raise typer.BadParameter(
            f"No installation in {installation.state}. "
            "Run `ratoon up` to create one, or name its directory with --state."
        )
    return installation


def _mib(size: int) -> str:
    return f"{size / 2**20:,.1f} MiB"
