"""Files of training outside its database: tokens and checkpoints of runs in progress."""

from collections.abc import Collection, Iterator

from ratoon.runtime.settings import ServiceSettings
from ratoon.storage.gc_items import Item, newest, size_of
from ratoon_training.adapters.drivers import work_folder


def gc_items(settings: ServiceSettings, open_runs: Collection[str]) -> Iterator[Item]:
    """A run's work is needed until the run has ended."""
    work = settings.folder / "work"
    needed = {work_folder(work, run) for run in open_runs}
    for path in work.glob("*"):
        use = "a run is under way" if path in needed else ""
        yield Item(path, "checkpoints", size_of(path), newest(path), use)
