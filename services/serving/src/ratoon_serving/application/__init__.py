"""What can be done with deployments, rollouts and routes, and how long work is worked on."""
