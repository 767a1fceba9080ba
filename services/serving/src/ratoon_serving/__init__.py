"""Serving: deployments, engines, rollouts and routes. It does not know what users say."""
