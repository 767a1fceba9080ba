"""Garbage-collection roots of serving: directories of engines, and copies of models."""

from collections.abc import Collection, Iterator

from ratoon.engine.contract import ENGINE_FILE
from ratoon.process.identity import ProcessIdentity
from ratoon.runtime.settings import ServiceSettings
from ratoon.storage.gc_items import Item, newest, size_of


def gc_items(settings: ServiceSettings, _open: Collection[str]) -> Iterator[Item]:
    """Yield engine directories, in use while their engine is desired or runs, and the model copies that they name."""
    engine_files = []
    for folder in (settings.folder / "engines").glob("*"):
        file, identity = folder / ENGINE_FILE, ProcessIdentity.read(folder)
        runs = identity is not None and identity.alive()
        if file.exists():
            engine_files.append(file.read_text())
        use = "an engine should run here" if file.exists() else "an engine runs here" if runs else ""
        yield Item(folder, "engine directory", size_of(folder), newest(folder), use)
    for path in (settings.folder / "models").glob("*"):
        digest = path.name.removesuffix(".sig")
        use = "an engine uses it" if any(digest in content for content in engine_files) else ""
        yield Item(path, "model copy", size_of(path), newest(path), use)
