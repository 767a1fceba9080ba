"""Collecting what nobody in an installation needs any more: by hand, and from time to time by itself.

It knows rooms by name only. `python -m ratoon.chassis.upkeep` collects once.
"""

import importlib
import importlib.util
import logging
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from ratoon.chassis import garbage, logs, retention
from ratoon.chassis.artifacts import ArtifactStore
from ratoon.chassis.database import Database
from ratoon.chassis.garbage import Item, Limits, Removal
from ratoon.chassis.retention import Expired
from ratoon.chassis.settings import SERVICES, RoomSettings, settings_of
from ratoon.process.loop import BackgroundLoop

_LOG = logging.getLogger(__name__)


class GarbageSettings(BaseSettings):
    """`RATOON_GC_…`: when what nobody needs is collected."""

    model_config = SettingsConfigDict(env_prefix="RATOON_GC_", frozen=True, extra="ignore")

    every_hours: float = Field(24.0, ge=0, description="How often the control process collects; 0: never.")
    grace_hours: float = Field(24.0, ge=1, description="Nothing younger is collected.")
    keep_days: float = Field(7.0, ge=0, description="How long what nobody needs is kept.")
    quota_gib: float = Field(
        0.0, ge=0, description="Over this, what nobody needs goes when the grace is over; 0: no quota."
    )

    def limits(self) -> Limits:
        """The same in seconds and bytes."""
        grace_s = self.grace_hours * 3600
        quota = int(self.quota_gib * 2**30) or None
        return Limits(grace_s, max(self.keep_days * 86400, grace_s), quota)


@dataclass(frozen=True)
class Survey:
    """Everything that can be collected or not, and what goes."""

    items: Sequence[Item]
    removals: Sequence[Removal]
    expired: Sequence[Expired] = ()
    """Ended resources whose retention is over."""

    @property
    def total_bytes(self) -> int:
        """What all of it takes now."""
        return sum(item.size for item in self.items)

    @property
    def freed_bytes(self) -> int:
        """What goes."""
        return sum(removal.item.size for removal in self.removals)


def survey(rooms: Sequence[RoomSettings], limits: Limits) -> Survey:
    """Look at the disk, then at what is referred to: what comes in between is younger than what was looked at.

    What any room says of its database must be readable, or nothing is decided.
    """
    stores = [ArtifactStore(url) for url in sorted({each.artifacts_url for each in rooms})]
    blobs = [item for store in stores for item in _blobs(store)]
    names = {blob.path.name for blob in blobs}
    items: list[Item] = []
    needed: set[str] = set()
    for each in rooms:
        with closing(Database(each.database_url)) as database:
            open_names, open_since = garbage.open_work(database)
            needed |= garbage.mentioned(database) & names
        needed |= garbage.mentioned_in_files(each.folder) & names
        items += garbage.jobs(each.folder / "jobs", open_since)
        items += _leftovers(each, open_names)
    for store in stores:
        needed |= garbage.with_content(store, needed)
    items += [replace(blob, use="referred to") if blob.path.name in needed else blob for blob in blobs]
    return Survey(items, garbage.choose(items, limits, time.time()), retention.survey(rooms))


def _blobs(store: ArtifactStore) -> Iterator[Item]:
    return garbage.artifacts(store.folder) if store.folder is not None else garbage.objects(store)


def collect(found: Survey) -> list[Removal]:
    """Remove what goes; those that went."""
    return [removal for removal in found.removals if garbage.remove(removal)]


def _leftovers(settings: RoomSettings, open_names: set[str]) -> Iterator[Item]:
    """What a room says of its own folders."""
    name = f"ratoon_{settings.service}.adapters.leftovers"
    if importlib.util.find_spec(name) is not None:
        yield from importlib.import_module(name).leftovers(settings, open_names)


class Upkeep:
    """Collects from time to time, in a process of its own: to look at everything is work."""

    def __init__(self, settings: GarbageSettings) -> None:
        self._every_s = settings.every_hours * 3600
        self._loop = BackgroundLoop("upkeep", self._step, first_delay_s=self._every_s)

    def start(self) -> None:
        """Begin, unless it is never to be done."""
        if self._every_s:
            self._loop.start()

    def stop(self) -> None:
        """Begin nothing new; a collection under way ends by itself."""
        self._loop.stop(0.0)

    def _step(self) -> float:
        command = [sys.executable, "-m", "ratoon.chassis.upkeep"]
        subprocess.run(["nice", "-n", "19", *command], stdin=subprocess.DEVNULL, check=False)
        return self._every_s


def main() -> int:
    """Collect once, by the environment's settings; the exit status."""
    logs.configure("upkeep")
    rooms = [settings_of(service) for service in SERVICES]
    found = survey(rooms, GarbageSettings().limits())
    gone = collect(found)
    freed = sum(each.item.size for each in gone)
    _LOG.info("%d of %d items were collected, %d bytes", len(gone), len(found.items), freed)
    _LOG.info("%d ended resources were removed", len(retention.remove(found.expired)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
