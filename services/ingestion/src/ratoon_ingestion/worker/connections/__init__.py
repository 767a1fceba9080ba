"""Readers of connections: files of any fsspec file system, rows of a database, messages of a Kafka topic."""
