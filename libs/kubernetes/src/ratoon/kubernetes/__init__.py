"""Calls to a Kubernetes API."""
