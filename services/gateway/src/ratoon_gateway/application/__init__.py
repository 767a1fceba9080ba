"""What the gateway does: lets callers in, finds an engine and relays its answer, keeps keys."""
