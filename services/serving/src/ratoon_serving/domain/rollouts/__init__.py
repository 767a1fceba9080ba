"""Rollouts: the replacement of the version that a deployment serves by another one."""
