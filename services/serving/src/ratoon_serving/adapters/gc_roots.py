"""What serving keeps on disk beside its database: folders of engines, and the models that they were given."""

from collections.abc import Collection, Iterator

from ratoon.chassis.gc_items import Item, newest, size_of
from ratoon.chassis.settings import ServiceSettings
from ratoon.engine.contract import ENGINE_FILE
from ratoon.process.identity import ProcessIdentity


def gc_items(settings: ServiceSettings, _open: Collection[str]) -> Iterator[Item]:
    """An engine's folder is needed while it is wanted or runs, a model's while a wanted engine names it."""
    wanted = []
    for folder in (settings.folder / "engines").glob("*"):
        told, mark = folder / ENGINE_FILE, ProcessIdentity.read(folder)
        runs = mark is not None and mark.alive()
        if told.exists():
            wanted.append(told.read_text())
        use = "an engine should run here" if told.exists() else "an engine runs here" if runs else ""
        yield Item(folder, "engine directory", size_of(folder), newest(folder), use)
    for path in (settings.folder / "models").glob("*"):
        digest = path.name.removesuffix(".sig")
        use = "an engine uses it" if any(digest in told for told in wanted) else ""
        yield Item(path, "model copy", size_of(path), newest(path), use)
