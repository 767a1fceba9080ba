"""Deployments, engines, rollouts and routes as values and rules. Standard library only."""
