"""Flywheel: projects, signals of drift and feedback, and the pipelines that close the loop."""
