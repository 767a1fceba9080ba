"""Profiles of dataset versions: columns in one pass with flat memory, and a sample of the texts."""
