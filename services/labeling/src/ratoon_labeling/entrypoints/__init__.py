"""The labeling room's inside: what can be asked of it."""
