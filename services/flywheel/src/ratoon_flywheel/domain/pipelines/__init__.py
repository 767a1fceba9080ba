"""Policies and pipeline runs. They know neither texts nor feedback, only numbers."""
