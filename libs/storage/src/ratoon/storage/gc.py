"""Garbage collection of an installation: once by `python -m ratoon.storage.gc`, or periodically."""

import logging
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from ratoon.process.loop import BackgroundLoop
from ratoon.runtime import logs
from ratoon.runtime.services import load_optional, service_names
from ratoon.runtime.settings import ServiceSettings, settings_of
from ratoon.storage import gc_items, retention
from ratoon.storage.artifacts import ArtifactStore
from ratoon.storage.database import Database
from ratoon.storage.gc_items import Item, Limits, Removal
from ratoon.storage.retention import Expired

_LOG = logging.getLogger(__name__)


class GcSettings(BaseSettings):
    """Settings of garbage collection, `RATOON_GC_…`."""

    model_config = SettingsConfigDict(env_prefix="RATOON_GC_", frozen=True, extra="ignore")

    every_hours: float = Field(24.0, ge=0, description="How often the control process collects; 0: never.")
    grace_hours: float = Field(24.0, ge=1, description="Minimum age of collected items.")
    keep_days: float = Field(7.0, ge=0, description="Days to keep unreferenced items.")
    quota_gib: float = Field(
        0.0,
        ge=0,
        description="Size above which unreferenced items are removed after the grace hours; 0: no quota.",
    )

    def limits(self) -> Limits:
        """Return the limits in seconds and bytes."""
        grace_s = self.grace_hours * 3600
        quota = int(self.quota_gib * 2**30) or None
        return Limits(grace_s, max(self.keep_days * 86400, grace_s), quota)


@dataclass(frozen=True)
class Survey:
    """All items of an installation, and those to remove."""

    items: Sequence[Item]
    removals: Sequence[Removal]
    expired: Sequence[Expired] = ()
    """Ended resources whose retention is over."""

    @property
    def total_bytes(self) -> int:
        """Return the bytes of all items."""
        return sum(item.size for item in self.items)

    @property
    def freed_bytes(self) -> int:
        """Return the bytes of the items to remove."""
        return sum(removal.item.size for removal in self.removals)


def survey(services: Sequence[ServiceSettings], limits: Limits) -> Survey:
    """List the items of all services, then the references to them: items written in between are too young to remove.

    If a database cannot be read, the survey fails.
    """
    stores = [ArtifactStore(url) for url in sorted({each.artifacts_url for each in services})]
    blobs = [item for store in stores for item in _blobs(store)]
    names = {blob.path.name for blob in blobs}
    items: list[Item] = []
    needed: set[str] = set()
    for each in services:
        with closing(Database(each.database_url)) as database:
            open_names, open_since = gc_items.open_work(database)
            needed |= gc_items.mentioned(database) & names
        needed |= gc_items.mentioned_in_files(each.folder) & names
        items += gc_items.jobs(each.folder / "jobs", open_since)
        items += _service_items(each, open_names)
    for store in stores:
        needed |= gc_items.with_content(store, needed)
    items += [replace(blob, use="referred to") if blob.path.name in needed else blob for blob in blobs]
    return Survey(items, gc_items.choose(items, limits, time.time()), retention.survey(services))


def _blobs(store: ArtifactStore) -> Iterator[Item]:
    return gc_items.artifacts(store.folder) if store.folder is not None else gc_items.objects(store)


def collect(survey: Survey) -> list[Removal]:
    """Remove the chosen items; return those that were removed."""
    return [removal for removal in survey.removals if gc_items.remove(removal)]


def _service_items(settings: ServiceSettings, open_names: set[str]) -> Iterator[Item]:
    """Return the items in the directories of a service, as it registers them."""
    if (items := load_optional("ratoon.gc_roots", settings.service)) is not None:
        yield from items(settings, open_names)


class GarbageCollector:
    """Periodic garbage collection, in a separate process because a survey uses CPU time."""

    def __init__(self, settings: GcSettings) -> None:
        self._every_s = settings.every_hours * 3600
        self._loop = BackgroundLoop("gc", self._step, first_delay_s=self._every_s)

    def start(self) -> None:
        """Start, unless the interval is 0."""
        if self._every_s:
            self._loop.start()

    def stop(self) -> None:
        """Start no further collection; one that runs continues to its end."""
        self._loop.stop(0.0)

    def _step(self) -> float:
        command = [sys.executable, "-m", "ratoon.storage.gc"]
        subprocess.run(["nice", "-n", "19", *command], stdin=subprocess.DEVNULL, check=False)
        return self._every_s


def main() -> int:
    """Collect once with the settings of the environment; return the exit status."""
    logs.configure("gc")
    services = [settings_of(service) for service in service_names()]
    result = survey(services, GcSettings().limits())
    gone = collect(result)
    freed = sum(each.item.size for each in gone)
    _LOG.info("%d of %d items were collected, %d bytes", len(gone), len(result.items), freed)
    _LOG.info("%d ended resources were removed", len(retention.remove(result.expired)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
