"""Inbound: translate, call, translate."""
