"""Exports: records of versions and parts as files for other tools."""
