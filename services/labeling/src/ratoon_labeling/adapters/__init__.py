"""Outbound: one file a technology."""
