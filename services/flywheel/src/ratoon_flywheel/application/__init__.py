"""What can be done with projects, signals and pipelines: one function a use case."""
