"""Compression of models: smaller weights, and what they cost, measured beside the source."""
