"""Serving: deployments, engines, rollouts and routes. It does not know the feedback of users."""
