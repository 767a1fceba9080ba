"""Profiles the training data of a version, as traffic is held against it. The rest of the flywheel never imports it."""
