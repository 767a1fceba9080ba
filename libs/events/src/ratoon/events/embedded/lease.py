"""The lease of one consumer group: one active consumer, and a fence that a stale one cannot pass.

Time is the monotonic clock of the machine (CLOCK_BOOTTIME). A holder whose process has ended is followed at once.
"""

import sqlite3

from ratoon.events.embedded.schema import LogFile
from ratoon.events.holder import holder, is_gone
from ratoon.events.ports import Clock, Fenced


class GroupLease:
    """This consumer's claim on its group."""

    def __init__(self, file: LogFile, group: str, clock: Clock, lease_s: float) -> None:
        self._file, self._group, self._clock, self._lease_s = file, group, clock, lease_s
        self._me = holder()
        self._until = 0.0
        self.fence = 0

    def hold(self, connection: sqlite3.Connection) -> bool:
        """Return whether the group is ours; takes it when it is free, renews when half of the lease is over."""
        now = self._clock.monotonic()
        if now < self._until - self._lease_s / 2:
            return True
        if not self._free(connection):
            self._until = 0.0
            return False
        with self._file.write(connection):
            if not self._free(connection):
                self._until = 0.0
                return False
            self._write(connection, now + self._lease_s)
        self._until = now + self._lease_s
        return True

    def check(self, connection: sqlite3.Connection) -> None:
        """Inside a transaction: Fenced when the group has passed to another consumer."""
        query = "SELECT fence FROM groups WHERE name = ? AND holder = ?"
        row = connection.execute(query, (self._group, self._me)).fetchone()
        if row is None or row[0] != self.fence:
            self._until = 0.0
            raise Fenced(f"Another consumer has taken over the group {self._group}.")

    def release(self, connection: sqlite3.Connection) -> None:
        """Let another consumer go on at once."""
        if self._until:
            with self._file.write(connection):
                update = "UPDATE groups SET expires = 0 WHERE name = ? AND holder = ?"
                connection.execute(update, (self._group, self._me))
        self._until = 0.0

    def _free(self, connection: sqlite3.Connection) -> bool:
        with self._file.errors():
            query = "SELECT holder, expires FROM groups WHERE name = ?"
            row = connection.execute(query, (self._group,)).fetchone()
        if row is None or row[0] == self._me:
            return True
        # An end further away than a whole lease was written before the machine restarted its clock.
        now = self._clock.monotonic()
        return not now < row[1] <= now + self._lease_s or is_gone(row[0])

    def _write(self, connection: sqlite3.Connection, expires: float) -> None:
        connection.execute(
            "INSERT INTO groups VALUES (:group, :me, 1, :expires) ON CONFLICT (name) DO UPDATE SET"
            " fence = fence + (holder != :me OR expires = 0), holder = :me, expires = :expires",
            {"group": self._group, "me": self._me, "expires": expires},
        )
        query = "SELECT fence FROM groups WHERE name = ?"
        self.fence = connection.execute(query, (self._group,)).fetchone()[0]
