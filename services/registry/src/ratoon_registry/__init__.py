"""The registry: models, versions, aliases and their whole history. It does not know who serves."""
