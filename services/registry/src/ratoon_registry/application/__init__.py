"""What can be done with models and versions: one function a use case."""
