"""Backups of a whole installation: a consistent snapshot of all databases, every byte checked, nothing overwritten."""

import sqlite3
import tarfile
import threading
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text

from ratoon.local.backup import back_up, restore, snapshot
from ratoon.local.installation import Installation
from ratoon.process.errors import FailedPrecondition
from ratoon.runtime.services import service_names
from ratoon.security.identity import make_keys
from ratoon.storage.artifacts import ArtifactStore
from ratoon.storage.database import Database
from ratoon.testkit.migrated import migrate_all


@pytest.fixture
def installation(tmp_path):
    installation = Installation(tmp_path / "state")
    make_keys(installation.state / "keys", service_names())
    migrate_all(settings_of(installation))
    (installation.state / "keys" / "operator.key").write_text("rk_operator")
    (installation.state / "ingestion" / "record.key").write_text("secret")
    (installation.state / "gateway" / "segments").mkdir()
    (installation.state / "gateway" / "segments" / "s.lines").write_bytes(b"an answer on its way")
    return installation


def settings_of(installation):
    return [installation.settings(service) for service in service_names()]


def taken(installation, tmp_path) -> Path:
    back_up(installation.state, settings_of(installation), tmp_path / "backup")
    return tmp_path / "backup"


def test_a_restored_installation_has_the_same_files_for_the_owner_alone(installation, tmp_path):
    digest = ArtifactStore(str(installation.state / "artifacts")).put_bytes(b"weights")
    backup = taken(installation, tmp_path)
    assert backup.stat().st_mode & 0o777 == 0o600
    restored = tmp_path / "elsewhere" / "state"
    restore(backup, restored)
    assert ArtifactStore(str(restored / "artifacts")).read(digest) == b"weights"
    for path in (
        "keys/operator.key",
        "keys/registry.key",
        "ingestion/record.key",
        "gateway/segments/s.lines",
    ):
        assert (restored / path).read_bytes() == (installation.state / path).read_bytes()
        assert (restored / path).stat().st_mode & 0o777 == 0o600
    Installation(restored).migrate(lambda _line: None)


def test_the_snapshot_of_all_databases_is_consistent(tmp_path):
    """A writer changes the first, then the second: a backup never sees the second ahead of the first."""
    paths = [tmp_path / "first.db", tmp_path / "second.db"]
    databases = [Database(f"sqlite:///{path}") for path in paths]
    for database in databases:
        with database.write() as connection:
            connection.execute(text("CREATE TABLE t (n INTEGER)"))
            connection.execute(text("INSERT INTO t VALUES (0)"))
    stop = threading.Event()

    def count_up():
        while not stop.is_set():
            for database in databases:
                with database.write() as connection:
                    connection.execute(text("UPDATE t SET n = n + 1"))

    writer = threading.Thread(target=count_up)
    writer.start()
    try:
        for _ in range(30):
            with snapshot(paths) as connections:
                stop.wait(0.005)
                first, second = (c.execute("SELECT n FROM t").fetchone()[0] for c in connections)
            assert second <= first <= second + 1
    finally:
        stop.set()
        writer.join()
    assert first > 0


def test_nothing_is_overwritten(installation, tmp_path):
    backup = taken(installation, tmp_path)
    with pytest.raises(FailedPrecondition, match="never overwrites"):
        back_up(installation.state, settings_of(installation), backup)
    with pytest.raises(FailedPrecondition, match="not empty"):
        restore(backup, installation.state)


@pytest.mark.parametrize("at", [0.2, 0.5, 0.9])
def test_a_backup_with_a_wrong_byte_or_an_early_end_leaves_nothing_behind(installation, tmp_path, at):
    whole = taken(installation, tmp_path).read_bytes()
    place = int(len(whole) * at)
    flipped = whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :]
    for number, bad in enumerate((flipped, whole[:place])):
        damaged = tmp_path / f"damaged-{number}"
        damaged.write_bytes(bad)
        with pytest.raises(FailedPrecondition):
            restore(damaged, tmp_path / "new")
        assert not list(tmp_path.glob("*new*"))


@pytest.mark.parametrize("name", ["../outside", "/outside", "keys/../../outside"])
def test_no_name_leads_out_of_the_folder(tmp_path, name):
    with tarfile.open(tmp_path / "bad", "w") as tar:
        tar.addfile(tarfile.TarInfo(name))
    with pytest.raises(FailedPrecondition, match="points outside"):
        restore(tmp_path / "bad", tmp_path / "new")


def test_a_damaged_database_is_not_backed_up_in_silence(installation, tmp_path):
    path = installation.state / "registry" / "registry.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.execute("PRAGMA journal_mode = DELETE")
    data = bytearray(path.read_bytes())
    data[4096 * 3 : 4096 * 4] = b"\xff" * 4096
    path.write_bytes(data)
    with pytest.raises((FailedPrecondition, sqlite3.DatabaseError), match=r"damaged|malformed"):
        taken(installation, tmp_path)
    assert not (tmp_path / "backup").exists()


def test_external_databases_are_refused_with_the_command(installation, tmp_path, monkeypatch):
    monkeypatch.setenv("RATOON_REGISTRY_DATABASE_URL", "postgresql+psycopg:///registry")
    with pytest.raises(FailedPrecondition, match="pg_dump"):
        taken(installation, tmp_path)


def test_a_backup_of_a_newer_version_is_refused(installation, tmp_path):
    with closing(Database(installation.settings("registry").database_url)) as database:
        with database.write() as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(FailedPrecondition, match="newer version"):
        restore(taken(installation, tmp_path), tmp_path / "new")
