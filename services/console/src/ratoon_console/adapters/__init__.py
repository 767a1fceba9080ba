"""The public HTTP API and the templates."""
