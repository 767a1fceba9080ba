"""Databases of services at the newest revision: the scripts of a service run once a process, later files are copies."""

from collections.abc import Iterable
from pathlib import Path

from sqlalchemy.engine import make_url

from ratoon.runtime.settings import ServiceSettings
from ratoon.storage import migrations

_FILES: dict[str, bytes] = {}
"""Content of a new SQLite database by service."""


def migrate(service: str, database_url: str) -> None:
    """Upgrade a database to the newest revision of a service; a new SQLite file is a copy of the first one."""
    path = _new_file(database_url)
    if path is None:
        migrations.migrate(service, database_url)
    elif service in _FILES:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.write_bytes(_FILES[service])
    else:
        migrations.migrate(service, database_url)
        if not path.with_name(f"{path.name}-wal").exists():
            _FILES[service] = path.read_bytes()


def migrate_all(settings: Iterable[ServiceSettings]) -> None:
    """Upgrade the databases of these services."""
    for each in settings:
        migrate(each.service, each.database_url)


def _new_file(database_url: str) -> Path | None:
    """Return the path of an SQLite database that does not exist yet; None for any other database."""
    url = make_url(database_url)
    if url.get_backend_name() != "sqlite" or not url.database:
        return None
    path = Path(url.database)
    return None if path.exists() else path
