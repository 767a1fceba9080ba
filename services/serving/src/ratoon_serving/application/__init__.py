"""Use cases of deployments, rollouts and routes, and procedures of long work."""
