"""Reads a dataset version, resolves its labels and freezes them; a process of its own, away from the servers."""
