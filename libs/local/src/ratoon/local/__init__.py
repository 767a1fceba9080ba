"""Manage one installation on one machine: processes, listeners, state. Everything else uses the public API."""
