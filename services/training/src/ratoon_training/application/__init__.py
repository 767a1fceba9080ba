"""What can be done with training runs: one function a use case."""
