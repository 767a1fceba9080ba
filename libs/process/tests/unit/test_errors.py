"""Errors that a caller gets when the disk or a database file is at fault."""

import errno
import sqlite3

import pytest
from sqlalchemy.exc import OperationalError

from ratoon.process.errors import NotFound, described, own_reason
from ratoon.storage.database import Database
from ratoon.storage.migrations import migrate


@pytest.mark.parametrize(
    ("number", "reason"),
    [(errno.ENOSPC, "DISK_FULL"), (errno.EROFS, "DISK_READ_ONLY"), (errno.EIO, "DISK_FAILS")],
)
def test_a_disk_at_fault_is_a_passing_trouble_with_a_name(number, reason):
    description = described(OSError(number, "raised by the kernel"))
    assert (description.code, description.reason) == ("UNAVAILABLE", reason)


def test_other_errors_stay_internal_and_leak_nothing():
    assert described(OSError(errno.ENOENT, "/secret/path")).message.startswith(
        "Internal error (FileNotFoundError)"
    )


def test_a_full_database_is_named(tmp_path):
    database = Database(f"sqlite:///{tmp_path}/full.db")
    with database.write() as connection:
        connection.exec_driver_sql("CREATE TABLE t (x)")
        connection.exec_driver_sql("PRAGMA max_page_count = 3")
    with pytest.raises(OperationalError) as full, database.write() as connection:
        for _ in range(10):
            connection.exec_driver_sql("INSERT INTO t VALUES (zeroblob(4096))")
    assert described(full.value).reason == "DISK_FULL"


@pytest.mark.parametrize("at", [0, 8192])
def test_a_damaged_database_is_named_with_its_file(tmp_path, at):
    path = tmp_path / "registry.db"
    migrate("registry", f"sqlite:///{path}")
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    whole = bytearray(path.read_bytes())
    whole[at : at + 4096] = b"rubbish!" * 512
    path.write_bytes(whole)
    with pytest.raises(Exception, match=r"registry\.db") as damaged:
        migrate("registry", f"sqlite:///{path}")
    assert described(damaged.value).reason == "DATABASE_DAMAGED"


def test_a_reason_of_a_library_is_none_of_ours():
    with pytest.raises(UnicodeEncodeError) as broken:
        "\ud800".encode()
    assert own_reason(broken.value) == ""
    assert described(broken.value).reason == "INTERNAL"
    assert own_reason(NotFound("gone", reason="SOURCE_NOT_FOUND")) == "SOURCE_NOT_FOUND"
