"""The embedded event log: a directory with one SQLite file that the processes of one machine share."""

from ratoon.events.embedded.log import EmbeddedLog

__all__ = ["EmbeddedLog"]
