"""Training runs and what they need. It does not know what "good enough" means."""
