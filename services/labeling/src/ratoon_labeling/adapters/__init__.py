"""The labeling room's outside: ingestion, its job, its tables."""
