"""Inbound: HTTP and gRPC; translate, call, translate."""
